"""The warning on deep modules without skip paths, and what its edits make of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seobuilder.planning.planner import make_plan
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.load import LoadedRecipe, load_recipe
from seobuilder.recipe.shipped import recipe_names

Load = Callable[..., LoadedRecipe]

WORDS = "words: {kind: token_embedding, from: query, width: 8}"
NONE, NORMS = (
    '- {match: "**", method: none}',
    '- {match: "**", method: layer_norm, placement: after_activation}',
)


def warnings(load: Load, body: str, norms: str = NORMS) -> list[Diagnostic]:
    plan = make_plan(
        load(
            inputs="query: {kind: tokens, vocab_size: 10, max_length: 5}",
            modules=f"{WORDS}\nbody: {{from: words, {body}}}\n"
            "meaning: {kind: pool, from: body, method: mean}",
            outputs="answer: {kind: classification, from: meaning, labels: [yes, no]}",
            normalization=norms,
        )
    )
    return [warning for warning in plan.warnings if warning.code == "P505"]


FFN = "heads: 2, ffn: {kind: mlp, width: 8}, residual: none"


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (f"kind: mlp, widths: {[8] * 9}", 9),
        (f"kind: mlp, widths: {[8] * 8}", None),
        (f"kind: mlp, widths: {[8] * 20}, residual: plain", None),
        (f"kind: conv, channels: {[8] * 10}, kernel: 3", 10),
        ("kind: recurrent, cell: gru, width: 8, depth: 7", 7),
        ("kind: recurrent, cell: gru, width: 8, depth: 6", None),
        ("kind: recurrent, cell: gru, width: 8, depth: 9, residual: rezero", None),
        (f"kind: transformer, depth: 12, {FFN}", 12),
        ("kind: transformer, depth: 12, heads: 2, ffn: {kind: mlp, width: 8}", None),
        # A skip path in the middle leaves two short runs.
        (f"kind: mlp, widths: {[2**n for n in range(1, 7)] * 2}, residual: none", 12),
        (f"kind: mlp, widths: {[2, 3, 4, 5, 6, 6, 7, 9, 10, 11, 12]}, residual: plain", None),
    ],
)
def test_nine_blocks_in_a_row_or_seven_recurrent_ones(
    load: Load, body: str, count: int | None
) -> None:
    norms = NONE if "transformer" in body else NORMS
    found = warnings(load, body, norms)
    said = [f"`body` has {count} blocks in a row without a skip path"] if count else []
    assert [warning.message for warning in found] == said
    assert all((w.path, w.severity) == ("modules.body", "warning") for w in found)


def edits(warning: Diagnostic) -> list[str]:
    return [f"{change.action} {change.path[0]} {change.yaml}" for change in warning.changes]


def test_the_edit_adds_skip_paths_and_norms_where_there_are_none(load: Load) -> None:
    body = f"kind: conv, channels: {[8] * 9}, kernel: 3"
    (normed,) = warnings(load, body)
    assert edits(normed) == ["set modules plain"]
    (bare,) = warnings(load, body, NONE)
    norm = '{match: "body.*", method: layer_norm, placement: before_activation}'
    assert edits(bare) == ["set modules plain", f"set normalization {norm}"]
    (none,) = warnings(load, body, norms="")
    assert edits(none) == ["set modules plain", f"set normalization [{norm}]"]
    assert [change.line for change in none.changes] == [7, None], "a new section has no line"


def test_no_edit_where_every_block_changes_the_shape(load: Load) -> None:
    (warning,) = warnings(load, f"kind: mlp, widths: {list(range(4, 16))}")
    assert warning.changes == ()


def test_norms_in_front_of_branches_come_with_one_of_embeddings(load: Load) -> None:
    (bare,) = warnings(load, f"kind: transformer, depth: 12, {FFN}", NONE)
    norm = '{match: "body.blocks.*", method: rms_norm, placement: pre, embedding: true}'
    assert edits(bare) == ["set modules plain", f"set normalization {norm}"]


@pytest.mark.parametrize("more", ["stride: 2", "pool: 2"])
def test_no_edit_where_every_layer_makes_an_image_smaller(load: Load, more: str) -> None:
    plan = make_plan(
        load(
            inputs="page: {kind: image, height: 1024, width: 1024, channels: 8}",
            modules=f"body: {{from: page, kind: conv, channels: {[8] * 9}, kernel: 3, {more}}}\n"
            "meaning: {kind: pool, from: body, method: mean}",
            outputs="answer: {kind: classification, from: meaning, labels: [yes, no]}",
        )
    )
    (warning,) = (warning for warning in plan.warnings if warning.code == "P505")
    assert warning.changes == ()


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_give_no_reason(name: str) -> None:
    assert "P505" not in {warning.code for warning in make_plan(load_recipe(name)).warnings}
