"""Initializations side by side."""

from __future__ import annotations

from pathlib import Path

import pytest

from seobuilder.comparison import compare, variant
from seobuilder.errors import RecipeError
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.load import LoadedRecipe, load_recipe, parse_recipe

RECIPE = """\
version: 1
name: small
inputs:
  page: {kind: features, size: 2}
modules:
  facts: {kind: mlp, from: page, widths: [32, 32, 32], activation: tanh}
outputs:
  kind: {kind: classification, from: facts, labels: [a, b]}
data:
  files: rows.csv
  split: {test: 0.25}
  columns: {page: [x, y], kind: kind}
initialization:
  - {match: "**.bias", method: zeros, expect: 4}
  - {role: head, method: normal, std: 0.02}
  - {match: "facts.0.**", method: orthogonal}
  - {match: "**.weight", method: xavier_normal}
"""


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedRecipe:
    rows = [f"{i % 7 - 3},{i % 5},{'a' if i % 7 > 3 else 'b'}\n" for i in range(80)]
    (tmp_path / "rows.csv").write_text("x,y,kind\n" + "".join(rows))
    (tmp_path / "small.yaml").write_text(RECIPE)
    return load_recipe(tmp_path / "small.yaml")


def methods(loaded: LoadedRecipe) -> dict[str, str]:
    return {a.parameter.name: a.method for a in make_plan(loaded).assignments}


def test_a_method_draws_the_matrices_and_leaves_the_rest(loaded: LoadedRecipe) -> None:
    before, after = methods(loaded), methods(variant(loaded, "orthogonal"))
    body = {f"facts.{index}.linear.weight" for index in range(3)}
    assert {name for name, method in after.items() if method == "orthogonal"} == body
    assert {n: m for n, m in after.items() if n not in body} == {
        n: m for n, m in before.items() if n not in body
    }


LOADED = """\
version: 1
name: loaded
inputs:
  page: {kind: features, size: 2}
modules:
  facts: {kind: mlp, from: page, widths: [4, 4]}
outputs:
  kind: {kind: classification, from: facts, labels: 2}
initialization:
  - {role: head, method: normal, std: 0.02}
  - match: "facts.**"
    method: pretrained
    file: w.safetensors
    map: {"facts.*.linear.weight": "*.w", "facts.*.linear.bias": "*.b"}
  - {match: "**.bias", method: zeros}
"""


def test_a_method_draws_what_a_file_gave(tmp_path: Path) -> None:
    drawn = methods(variant(parse_recipe(LOADED.encode(), "r.yaml", tmp_path), "orthogonal"))
    assert drawn["facts.1.linear.weight"] == "orthogonal"
    assert drawn["facts.1.linear.bias"] == "pretrained"


def test_a_method_takes_arguments_as_in_a_rule(loaded: LoadedRecipe) -> None:
    for text in ("method: normal, std: 0.5", "{method: normal, std: 0.5}"):
        plan = make_plan(variant(loaded, text))
        drawn = {a.parameter.name: a.distribution.describe() for a in plan.assignments}
        assert drawn["facts.1.linear.weight"] == "normal(0, 0.5)"


def test_a_preset_replaces_all_rules(loaded: LoadedRecipe) -> None:
    assert set(methods(variant(loaded, "torch_default")).values()) == {"uniform"}


def test_what_is_unknown_or_does_not_suit_is_told_before_anything_is_measured(
    loaded: LoadedRecipe,
) -> None:
    told: list[str] = []
    with pytest.raises(RecipeError, match="neither a method nor a preset; did you mean `ortho"):
        compare(loaded, ["xavier_normal", "orthogonl"], progress=told.append)
    with pytest.raises(RecipeError, match="std"):
        compare(loaded, ["xavier_normal", "normal"], progress=told.append)
    with pytest.raises(RecipeError, match="rezero"):
        compare(loaded, ["xavier_normal", "rezero"], progress=told.append)
    assert told == []


def test_candidates_are_measured_and_trained_on_the_same_batches(loaded: LoadedRecipe) -> None:
    again = "method: xavier_normal"
    comparison = compare(loaded, ["xavier_normal", again, "method: normal, std: 1e-6"], steps=40)
    written, xavier, double, tiny = comparison.candidates
    assert (written.label, tiny.label) == ("as written", "method: normal, std: 1e-6")
    assert xavier.losses == double.losses and xavier.losses != written.losses
    assert len(written.losses) == comparison.steps == 40
    # Weights of almost zero hold training up.
    assert written.losses[-1] is not None and tiny.losses[-1] is not None
    assert written.losses[-1] < 0.45 < tiny.losses[-1]
    assert written.held_out is not None and written.held_out < 0.45
    assert comparison.chance == pytest.approx(0.6931, abs=1e-4)
    assert comparison == compare(
        loaded, ["xavier_normal", again, "method: normal, std: 1e-6"], steps=40
    )


def test_without_steps_nothing_is_trained(loaded: LoadedRecipe) -> None:
    comparison = compare(loaded, ["orthogonal"])
    assert all(c.losses == () and c.held_out is None for c in comparison.candidates)
