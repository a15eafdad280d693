"""Rules that draw weights far from the size that keeps the signal."""

from __future__ import annotations

from pathlib import Path

import pytest

from seobuilder.health.size_checks import check_sizes, common_place
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.load import parse_recipe
from seobuilder.report.model import Finding

RECIPE = """\
version: 1
name: sizes
inputs:
  query: {kind: tokens, vocab_size: 32, max_length: 12}
modules:
  words: {kind: token_embedding, from: query, width: 64}
  body: {kind: transformer, from: words, depth: 8, heads: 2, ffn: {kind: mlp, width: 64}}
  summary: {kind: pool, from: body, method: mean}
  facts: {kind: mlp, from: summary, widths: [64, 64, 64], activation: relu}
outputs:
  answer: {kind: classification, from: facts, labels: 4}
normalization:
  - {match: "body.blocks.*", method: rms_norm, placement: pre}
initialization:
  - {match: "**.bias", method: zeros}
  - {role: norm_scale, method: ones}
  - {role: head, method: normal, std: 0.02}
  - {role: residual_out, method: xavier_normal, gain: "1 / sqrt(2 * depth)"}
  # here
  - {match: "facts.**.weight", method: kaiming_normal}
  - {match: "**.weight", method: xavier_normal}
"""


def findings(*changes: tuple[str, str]) -> list[Finding]:
    text = RECIPE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return check_sizes(make_plan(parse_recipe(text.encode(), "r.yaml", Path())))


def found(*changes: tuple[str, str]) -> list[tuple[str, float | None, str | None]]:
    return [(f.place, f.measured and round(f.measured, 3), f.rule) for f in findings(*changes)]


def rule(text: str) -> tuple[str, str]:
    return "  # here\n", f"  - {{{text}}}\n"


SCALED = '  - {role: residual_out, method: xavier_normal, gain: "1 / sqrt(2 * depth)"}\n'
UNSCALED = SCALED.replace("1 / sqrt(2 * depth)", "1")
NORM = "method: rms_norm, placement: pre"
BARE = (NORM, "method: none"), ("  - {role: norm_scale, method: ones}\n", "")


def test_a_sound_recipe_has_none() -> None:
    assert found() == []


@pytest.mark.parametrize("factor", [6, 1 / 6])
def test_a_gain_in_a_stack_without_norms(factor: float) -> None:
    assert found(
        rule(f'match: "facts.1.*.weight", method: orthogonal, gain: {2**0.5 * factor}')
    ) == [("facts.1.linear.weight", pytest.approx(factor, abs=2e-3), "r.yaml:19")]


@pytest.mark.parametrize(
    "changes, measured, tolerance",
    [
        ([rule("match: facts.1.*.weight, method: orthogonal, gain: 14.142")], 10.0, 3.0),
        ([rule("match: facts.1.*.weight, method: orthogonal, gain: 0.14142")], 0.1, 0.8),
        ([rule("match: body.**.value.weight, method: xavier_normal, gain: 0.01")], 0.01, 0.98),
        ([*BARE, (SCALED, UNSCALED)], 4.0, 0.5),
    ],
)
def test_the_tolerance_is_that_of_the_side_it_lies_on(
    changes: list[tuple[str, str]], measured: float, tolerance: float
) -> None:
    (finding,) = findings(*changes)
    assert finding.measured == pytest.approx(measured, rel=0.01)
    assert finding.tolerance == pytest.approx(tolerance)


def test_weights_may_be_smaller_where_norms_stand_between() -> None:
    small = 'match: "body.**.weight", exclude: "**.{output,down}.weight", method: normal, std: '
    assert found(rule(f"{small}0.02")) == []
    assert [place for place, *_ in found(rule(f"{small}1"))] == ["body.blocks"]


def test_weights_may_be_smaller_where_skip_paths_lead_around_them() -> None:
    small = "method: kaiming_normal", "method: normal, std: 0.01"
    skips = "activation: relu", "activation: relu, residual: plain"
    assert [place for place, *_ in found(small)] == ["facts"]
    assert found(small, skips) == []


def test_zeros_are_told_where_other_blocks_have_none() -> None:
    one = found(rule('match: "facts.1.*.weight", method: zeros'))
    assert one == [("facts.1.linear.weight", 0.0, "r.yaml:19")]
    two = found(rule('match: "facts.<0-1>.*.weight", method: zeros'))
    assert two == [("facts", 0.0, "r.yaml:19")], "one finding for each rule"
    assert found(("method: kaiming_normal", "method: zeros")) == []


def test_ends_of_branches_need_their_depth_where_no_norm_stands_between() -> None:
    assert found(*BARE) == []
    assert found((SCALED, UNSCALED)) == []
    assert found(*BARE, (SCALED, UNSCALED)) == [("body.blocks", 4.0, "r.yaml:17")]


def test_the_place_that_several_parameters_have_in_common() -> None:
    assert common_place(["a.0.x.weight", "a.0.y.weight"]) == "a.0"
    assert common_place(["a.0.x.weight"]) == "a.0.x.weight"
    assert common_place(["a.1.weight", "a.10.weight"]) == "a"


def test_a_head_may_not_be_far_larger_than_keeps_the_size() -> None:
    head = "method: normal, std: 0.02"
    assert found((head, "method: kaiming_normal")) == []
    assert found((head, "method: normal, std: 0.6")) == [("answer.linear.weight", 4.8, "r.yaml:17")]


def test_a_layer_between_recurrent_ones_without_norms() -> None:
    after = RECIPE[RECIPE.index("  summary:") : RECIPE.index("outputs:")]
    recurrent = (
        "  facts: {kind: recurrent, cell: gru, from: body, width: 64, depth: 3}\n"
        "  summary: {kind: pool, from: facts, method: mean}\n"
    )
    small = 'match: "facts.layers.1.**.weight", method: normal, std: 0.01'
    assert found(
        (after, recurrent), ("from: facts, labels", "from: summary, labels"), rule(small)
    ) == [("facts.layers.1.forward", 0.08, "r.yaml:19")]
