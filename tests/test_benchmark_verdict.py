"""The recipes that benchmarks/verdict.py draws, its faults, and its figures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from seobuilder.planning.planner import make_plan
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.stages import Building

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("recipes", "trials", "figures", "page")


@pytest.fixture(scope="module")
def verdict() -> Iterator[Any]:
    """The modules of the benchmark, which is a script."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield SimpleNamespace(**{name: import_module(f"verdict_{name}") for name in MODULES})
        for name in (*(f"verdict_{name}" for name in MODULES), "training_data", "measure"):
            del sys.modules[name]


def loaded(text: str) -> LoadedRecipe:
    data = text[text.index("data:") : text.index("normalization:")]
    return parse_recipe(
        text.replace("labels.txt", "15").replace(data, "").encode(), "drawn.yaml", Path()
    )


def test_every_drawn_recipe_has_a_plan_and_a_recipe_is_a_function_of_its_number(
    verdict: Any,
) -> None:
    for number in range(240):
        one = verdict.recipes.drawn(5, number)
        plan = make_plan(loaded(one.text), files="ignored")
        low, high = verdict.recipes.SIZES[one.size]
        assert low <= one.depth <= high and plan.parameter_count
        assert one == verdict.recipes.drawn(5, number) != verdict.recipes.drawn(6, number)


def test_a_third_has_faults_of_every_kind_in_both_halves(verdict: Any) -> None:
    drawn = [verdict.recipes.drawn(5, number) for number in range(240)]
    faulty = [one for one in drawn if one.fault]
    assert len(faulty) == 80
    for half in ("tuned", "held out"):
        assert {one.fault.kind for one in faulty if one.half == half} == set(verdict.recipes.FAULTS)
    assert {(one.body, one.size) for one in drawn[:8]} == {
        (body, size) for body in verdict.recipes.BODIES for size in verdict.recipes.SIZES
    }


def test_a_fault_is_the_line_that_its_sound_recipe_has_otherwise(verdict: Any) -> None:
    for number in range(240):
        one = verdict.recipes.drawn(5, number)
        if one.fault is None or one.fault.is_planted:
            assert one.fault is None or one.text == one.sound
            continue
        plan = make_plan(loaded(one.text), files="ignored")
        names = [assignment.parameter.name for assignment in plan.assignments]
        at = one.fault.line - 1
        assert one.text.splitlines()[at] != one.sound.splitlines()[at]
        assert any(name.startswith(f"{one.fault.place}.") for name in names)


def test_a_copied_layer_holds_the_one_before_it(verdict: Any) -> None:
    numbers = (n for n in range(240) if (f := verdict.recipes.drawn(5, n).fault) and f.is_planted)
    one = min((verdict.recipes.drawn(5, n) for n in numbers), key=lambda each: each.depth)
    building = Building(loaded(one.text))
    one.fault.plant(building.model)
    stack, _, index = one.fault.place.rpartition(".")
    before = building.model.get_submodule(f"{stack}.{int(index) - 1}").state_dict()
    after = building.model.get_submodule(one.fault.place).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in after)
    codes = {finding.code for finding in building.report.issues}
    assert "H004" in codes and verdict.trials.is_named(one, building.report.findings, ())


def test_a_finding_that_is_there_without_the_fault_does_not_name_it(verdict: Any) -> None:
    one = next(
        one
        for one in (verdict.recipes.drawn(5, number) for number in range(240))
        if one.fault and one.fault.kind == "large head"
    )
    report = Building(loaded(one.text)).report
    assert verdict.trials.is_named(one, report.findings, ())
    assert not verdict.trials.is_named(one, report.findings, report.findings)


def test_the_area_under_the_curve(verdict: Any) -> None:
    auc = verdict.figures.auc
    assert auc([2, 3], [0, 1]) == 1 and auc([0], [1]) == 0 and auc([1], [1]) == 0.5
    assert auc([1, 3], [0, 2]) == 0.75
    assert auc([], [1]) is None


def judged(verdict: Any, short: list[float], fine: list[float]) -> list[Any]:
    """Models with these scores: an error or warnings of a made-up code has each."""
    return [
        SimpleNamespace(falls_short=is_short, score=score)
        for is_short, scores in ((True, short), (False, fine))
        for score in scores
    ]


def test_the_curve_runs_through_every_threshold(verdict: Any) -> None:
    models = judged(verdict, [0.9, 0.5], [0.5, 0.0])
    points = verdict.figures.curve(models, [model.score for model in models])
    assert points == [(0, 0), (0, 0.5), (0.5, 1), (1, 1)]
    assert verdict.figures.area(models, [model.score for model in models]) == 0.875
    assert verdict.figures.curve(judged(verdict, [], [0.5]), [0.5]) == [(0, 0), (1, 1)]


def test_recipes_are_compared_with_the_best_of_their_body_and_size(
    verdict: Any, tmp_path: Path
) -> None:
    row = {"name": "intent", "rows": 16, "chance": 2.0, "losses": [2.1, 0.5]}
    results = [
        {
            **{"seed": 5, "number": n, "key": f"k{n}", "fixed": "best", "named": None},
            **{"findings": [], "rehearsal": [row] if n == 24 else []},
        }
        for n in (0, 8, 24, 4)
    ]
    trainings = {"best": [2.0], "k0": [0.1, 2.0], "k8": [1.7, 0.0], "k24": [1.9], "k4": [0.5]}
    models = verdict.figures.judged(results, trainings)
    assert [model.share for model in models] == [1, 0.85, 0.95, 1]
    assert [model.falls_short for model in models] == [False, True, False, False]
    assert models[1].fixed_share == 1 and models[1].miss == 1
    assert [model.score for model in models] == [0, 0, 0.25, 0]
    (heart,) = verdict.figures.checks(models)
    assert (heart.code, heart.told) == ("H029", 0)
    assert heart.area == pytest.approx(1 / 3), "it ranks one that trains above one that does not"
    verdict.page.write_page(models, 5, "clinc150", tmp_path)
    text = (tmp_path / "evidence.md").read_text()
    assert "| fell short, and train after `seobuild fix` | all | 1 of 1 (100%)" in text
    assert (tmp_path / "evidence" / "scatter.svg").exists()
