"""The changes that findings carry, beyond those that whole recipes in test_fixing show."""

from __future__ import annotations

from pathlib import Path

import pytest

from seobuilder.health.mender import Mender
from seobuilder.health.mends import mended
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.load import parse_recipe
from seobuilder.report.model import Finding, Report
from seobuilder.stages import Building

RECIPE = """\
version: 1
name: mends
inputs:
  query: {kind: tokens, vocab_size: 32, max_length: 12}
modules:
  words: {kind: token_embedding, from: query, width: 16}
  body: {kind: transformer, from: words, depth: 2, heads: 2, ffn: {kind: mlp, width: 32}}
  summary: {kind: pool, from: body, method: mean}
  facts: {kind: mlp, from: summary, widths: [32, 32], activation: relu}
outputs:
  answer: {kind: classification, from: facts, labels: 4}
normalization:
  - {match: "body.blocks.*", method: rms_norm, placement: pre}
initialization:
  # here
  - {match: "**.bias", method: zeros}
  - {role: norm_scale, method: ones}
  - {role: head, method: normal, std: 0.02}
  - {match: "facts.**.weight", method: kaiming_normal}
  - {match: "**.weight", method: xavier_normal}
"""


def report(rule: str) -> Report:
    old = "{role: head, method: normal, std: 0.02}"
    text = RECIPE.replace(old, f"{{{rule}}}") if "head" in rule else RECIPE
    text = text if "head" in rule else text.replace("  # here\n", f"  - {{{rule}}}\n")
    return Building(parse_recipe(text.encode(), "r.yaml", Path())).report


@pytest.mark.parametrize(
    ("rule", "code", "expected"),
    [
        ('match: "facts.*.*.bias", method: constant, value: -9', "H022", ["delete"]),
        (
            'match: "facts.1.*.weight", method: normal, std: 1.0e-30',
            "H026",
            ["delete"],
        ),
        ("role: head, method: normal, std: 3", "H010", ["normal, std: 0.02"]),
        ('match: "**.{query,key}.weight", method: normal, std: 5', "H023", ["delete"]),
        ('match: "body.blocks.1.**.{up,down}.weight", method: zeros', None, []),
    ],
)
def test_a_finding_says_what_to_change(rule: str, code: str | None, expected: list[str]) -> None:
    findings = [f for f in report(rule).findings if f.code == code]
    assert bool(findings) == (code is not None)
    assert len({f.changes for f in findings}) <= 1
    for finding in findings[:1]:
        said = [f"{change.action} {change.yaml}" for change in finding.changes]
        assert len(said) == len(expected)
        assert all(part in each for part, each in zip(expected, said, strict=True))


STACK = """\
version: 1
name: stack
inputs:
  query: {{kind: tokens, vocab_size: 32, max_length: 12}}
modules:
  words: {{kind: token_embedding, from: query, width: 32}}
  body: {{from: words, {body}}}
  summary: {{kind: pool, from: body, method: mean}}
outputs:
  answer: {{kind: classification, from: summary, labels: 4}}
initialization:
  - {{match: "**.bias", method: zeros}}
  - {{match: "body.**", method: orthogonal, gain: {gain}}}
  - {{match: "**", method: normal, std: 0.02}}
"""
MLP = "kind: mlp, widths: [32, 32], activation: tanh"
CELLS = "kind: recurrent, cell: gru, width: 32, depth: 2"


@pytest.mark.parametrize(
    ("body", "gain", "section"),
    [
        (MLP, 0.9, "initialization"),
        (f"{MLP}, residual: plain", 0.9, "normalization"),
        (f"{MLP}, residual: plain", 0.01, "initialization"),
        (CELLS, 0.9, "normalization"),
        (CELLS, 0.3, "initialization"),
        (f"{CELLS}, residual: plain", 0.3, "normalization"),
    ],
)
def test_weights_that_are_close_enough_for_their_stack_are_left_to_norms(
    body: str, gain: float, section: str
) -> None:
    """A plain layer multiplies, a cell has gates, and a skip path leads around either."""
    loaded = parse_recipe(STACK.format(body=body, gain=gain).encode(), "r.yaml", Path())
    (finding,) = mended(Mender(loaded, make_plan(loaded), [STEEP]))
    assert finding.changes[0].path[0] == section


@pytest.mark.parametrize(
    ("placement", "drawn"),
    [
        ("pre", 'gain: "1 / sqrt(2 * depth)"'),
        ("sandwich", None),  # the norm behind the branch would divide the factor out
        ("post", None),
        ("deepnorm", 'gain: "(8 * depth) ** -0.25"'),
    ],
)
def test_ends_of_branches_are_drawn_to_suit_the_norms_beside_them(
    placement: str, drawn: str | None
) -> None:
    text = RECIPE.replace("placement: pre", f"placement: {placement}").replace(
        "  # here\n", '  - {match: "body.**.down.weight", method: normal, std: 5}\n'
    )
    text = text.replace('"**.weight", method: xavier_normal', '"**.weight", method: autoinit')
    loaded = parse_recipe(text.encode(), "r.yaml", Path())
    far = Finding(code="H028", severity="warning", place="body", message="far", measured=9)
    (finding,) = mended(Mender(loaded, make_plan(loaded), [far]))
    (change,) = finding.changes
    ending = f", {drawn}" if drawn else ""
    assert change.yaml == f'{{match: "body.**.down.weight", method: xavier_normal{ending}}}'


STEEP = Finding(code="H021", severity="error", place="body", message="steep", measured=9)
SLOW = Finding(code="H029", severity="warning", place="answer", message="slow", measured=1)
DEEP = "kind: transformer, depth: {}, heads: 2, ffn: {{kind: mlp, width: 32}}"


@pytest.mark.parametrize("told", [STEEP, SLOW], ids=["steep", "slow"])
@pytest.mark.parametrize(
    ("gain", "depth", "norm", "std", "wanted"),
    [
        (9, 9, "placement: pre", 0.1, ("embedding", "true")),  # beside what is drawn anew
        (9, 8, "placement: pre", 0.1, None),
        (1, 9, "placement: pre", 0.1, ("embedding", "true")),
        (1, 9, "placement: sandwich", 0.1, ("embedding", "true")),
        (1, 9, "placement: pre, embedding: true", 0.1, None),
        (1, 9, "placement: pre", 0.5, None),  # not small beside branches of size 1
        (1, 8, "placement: pre", 0.1, None),  # nor are there many
        (1, 2, "placement: output", 0.1, ("placement", "pre")),
        (1, 2, "placement: post", 0.1, ("placement", "pre")),
    ],
)
def test_norms_go_before_branches_and_before_small_embeddings_that_many_would_drown(
    gain: int, depth: int, norm: str, std: float, wanted: tuple[str, str] | None, told: Finding
) -> None:
    text = STACK.format(body=DEEP.format(depth), gain=gain).replace("std: 0.02", f"std: {std}")
    text = text.replace("initialization:", "initialization:\n  - {role: norm_scale, method: ones}")
    text += f'normalization:\n  - {{match: "body.blocks.*", method: rms_norm, {norm}}}\n'
    loaded = parse_recipe(text.encode(), "r.yaml", Path())
    (finding,) = mended(Mender(loaded, make_plan(loaded), [told]))
    drawn = [change for change in finding.changes if change.path[0] == "initialization"]
    said = [(each.path[-1], each.yaml) for each in finding.changes if each not in drawn]
    assert said == ([] if wanted is None else [wanted]) and bool(drawn) == (gain != 1)


def test_a_report_without_a_recipe_has_no_changes() -> None:
    from seobuilder.builder import inspect

    building = Building(parse_recipe(RECIPE.encode(), "r.yaml", Path()))
    building.model.get_parameter("facts.0.linear.weight").data.zero_()
    (finding, *_) = inspect(building.model).findings
    assert finding.code == "H003" and finding.changes == ()
