"""Batch norm where a batch is one row: refused for vectors, possible where there are positions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seobuilder.errors import RecipeError
from seobuilder.planning.planner import make_plan
from seobuilder.planning.single_row import batch_of_one
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.stages import Building

Load = Callable[..., LoadedRecipe]

MODULES = (
    "words: {kind: token_embedding, from: query, width: 4}\n"
    "deep: {kind: mlp, from: words, widths: [4]}\n"
    "meaning: {kind: pool, from: deep, method: mean}\n"
    "facts: {kind: mlp, from: page, widths: [8, 4]}\n"
    "joined: {kind: concat, from: [meaning, facts]}"
)


def found(load: Load, norms: str) -> list[tuple[str, str, str]]:
    loaded = load(modules=MODULES, normalization=norms)
    problems = batch_of_one(loaded, make_plan(loaded), "there is one row")
    assert all(p.help == "layer_norm or rms_norm, or two rows in every batch" for p in problems)
    return [(p.code, p.path, p.message) for p in problems]


def test_batch_norm_of_vectors_is_told_at_its_rule(load: Load) -> None:
    norms = (
        '- {match: "facts.1", method: none}\n'
        '- {match: "**", method: batch_norm, placement: before_activation}'
    )
    message = "batch_norm in `facts.0` has one value for each channel, for there is one row"
    assert found(load, norms) == [("P520", "normalization[1].method", message)]


def test_several_blocks_of_a_rule_are_told_as_one(load: Load) -> None:
    ((_, _, message),) = found(
        load, '- {match: "facts.*", method: batch_norm, placement: after_activation}'
    )
    assert message.endswith("for there is one row (and 1 more)")


@pytest.mark.parametrize("rule", ["deep.*, method: batch_norm", "facts.*, method: layer_norm"])
def test_positions_and_other_norms_have_their_statistics(load: Load, rule: str) -> None:
    match, _, method = rule.partition(", ")
    assert found(load, f'- {{match: "{match}", {method}, placement: before_activation}}') == []


@pytest.mark.parametrize(("size", "halved"), [(4, ["shapes.1"]), (8, [])])
@pytest.mark.parametrize("method", ["batch_norm", "instance_norm"])
def test_a_map_of_one_pixel_is_a_vector(
    load: Load, size: int, halved: list[str], method: str
) -> None:
    loaded = load(
        inputs=f"shot: {{kind: image, channels: 3, height: {size}, width: {size}}}",
        modules="shapes: {kind: conv, from: shot, channels: [4, 4], kernel: 3, stride: 2}\n"
        "overview: {kind: pool, from: shapes, method: mean}",
        outputs="look: {kind: regression, from: overview, size: 1}",
        normalization=f'- {{match: "**", method: {method}, placement: before_activation}}',
    )
    if method == "batch_norm":
        found = batch_of_one(loaded, make_plan(loaded), "there is one row")
        assert [p.message.split("`")[1] for p in found] == halved
    elif halved:
        with pytest.raises(RecipeError, match=r"P302 .*`shapes\.1` has one"):
            make_plan(loaded)
    else:
        assert not make_plan(loaded).warnings


RECIPE = """\
version: 1
name: one
inputs:
  page: {kind: features, size: 2}
modules:
  facts: {kind: mlp, from: page, widths: [8, 4]}
outputs:
  good: {kind: classification, from: facts, labels: ["yes", "no"]}
data:
  split: {train: train.csv, test: test.csv}
  columns: {page: [a, b], good: good}
normalization:
  - {match: "facts.*", method: batch_norm, placement: before_activation}
initialization:
  - {preset: kaiming}
"""


@pytest.mark.parametrize(("rows", "is_refused"), [(1, True), (2, False)])
def test_a_build_on_a_single_row(tmp_path: Path, rows: int, is_refused: bool) -> None:
    for file in ("train.csv", "test.csv"):
        (tmp_path / file).write_text("a,b,good\n1,2,yes\n" + "3,4,no\n" * (rows - 1))
    building = Building(parse_recipe(RECIPE.encode(), "r.yaml", tmp_path))
    if not is_refused:
        assert building.report.parameters
        return
    with pytest.raises(RecipeError, match=r"r\.yaml:13:32 P520 .*the training split has one row"):
        _ = building.report


@pytest.mark.parametrize(("rows", "codes"), [(1, ["P520"]), (2, [])])
def test_batches_of_one_row_are_told_before_a_build(
    load: Load, rows: int, codes: list[str]
) -> None:
    norms = '- {match: "facts.*", method: batch_norm, placement: before_activation}'
    loaded = load(modules=MODULES, normalization=norms, training=f"batch: {{rows: {rows}}}")
    problems: list[str] = []
    try:
        make_plan(loaded)
    except RecipeError as error:
        problems = [problem.code for problem in error.diagnostics]
    assert problems == codes
