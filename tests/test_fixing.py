"""Recipes with faults are healthy after the changes that they are given; others are left alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seobuilder.errors import RecipeError
from seobuilder.fixing import Fixed, fix
from seobuilder.recipe.load import load_recipe, parse_recipe
from seobuilder.stages import Building

FIVE_FAULTS = """\
version: 1
name: faulty  # five faults
seed: 3

inputs:
  query: {kind: tokens, vocab_size: 128, max_length: 16}
  page: {kind: features, size: 12}   # numbers of a page

modules:
  words: {kind: token_embedding, from: query, width: 32, positions: learned}
  encoder: {kind: transformer, from: words, depth: 4, heads: 4, ffn: {kind: mlp, width: 64}}
  summary: {kind: pool, from: encoder, method: mean}
  # eight layers
  facts:
    kind: mlp
    from: page
    widths: [32, 32, 32, 32, 32, 32, 32, 32]
    activation: relu
  joined: {kind: concat, from: [summary, facts]}

outputs:
  intent: {kind: classification, from: joined, labels: 4}

normalization:
  - match: "encoder.blocks.*"  # every block
    method: rms_norm
    placement: pre
    final: false   # 3: no final norm

initialization:
  - {match: "**.bias", method: zeros}
  - {role: norm_scale, method: ones}
  - {role: [embedding, position], method: normal, std: 0.02}

  # 2: a layer of zeros
  - {match: "facts.5.linear.weight", method: zeros}
  - {match: "facts.**.weight", method: xavier_uniform, gain: 3}   # 5: a gain
  - {role: head, method: normal, std: 3.75}  # 4: 30 times too large
  # 1: a standard deviation of 1
  - match: "**.weight"
    method: normal
    std: 1
"""

DEEP = """\
version: 1
name: deep
inputs:
  page: {{kind: features, size: 16}}
modules:
  body: {{kind: mlp, from: page, widths: [{widths}], activation: {activation}}}
outputs:
  score: {{kind: classification, from: body, labels: 3}}
initialization:
  - {{match: "**.bias", method: zeros}}
  - {{role: head, method: normal, std: 0.02}}
  - {{match: "**.weight", {draw}}}  # the rest
"""

ENCODER = """\
version: 1
name: encoder
inputs:
  query: {{kind: tokens, vocab_size: 64, max_length: 12}}
modules:
  words: {{kind: token_embedding, from: query, width: 32, positions: learned}}
  body: {{kind: transformer, from: words, depth: {depth}, heads: 4, ffn: {ffn}{more}}}
  summary: {{kind: pool, from: body, method: mean}}
outputs:
  score: {{kind: classification, from: summary, labels: 3}}
{norms}initialization:
  - {{match: "**.bias", method: zeros}}
{rules}  - {{role: [embedding, position], method: normal, std: 0.02}}
  - {{role: head, method: normal, std: 0.02}}
  - {{match: "**.weight", {draw}}}  # the rest
"""


def deep(draw: str, activation: str = "relu", depth: int = 16) -> str:
    widths = ", ".join(["32"] * depth)
    return DEEP.format(widths=widths, activation=activation, draw=draw)


def encoder(
    draw: str = "method: xavier_normal",
    *,
    depth: int = 6,
    more: str = "",
    norm: str = "",
    rules: str = "",
) -> str:
    norms = f'normalization:\n  - {{match: "body.blocks.*", {norm}}}\n' if norm else ""
    scale = "  - {role: norm_scale, method: ones}\n" if norm else ""
    ffn = "{kind: mlp, width: 64}"
    return ENCODER.format(
        depth=depth, ffn=ffn, more=more, norms=norms, rules=scale + rules, draw=draw
    )


def fixed_text(text: str) -> tuple[Fixed, str]:
    fixed = fix(parse_recipe(text.encode(), "r.yaml", Path()))
    return fixed, fixed.after.get("r.yaml", text.encode()).decode()


def is_healthy(text: str) -> bool:
    return Building(parse_recipe(text.encode(), "r.yaml", Path())).report.is_healthy


def test_five_faults_are_mended_and_all_else_stays() -> None:
    assert not is_healthy(FIVE_FAULTS)
    fixed, after = fixed_text(FIVE_FAULTS)
    assert fixed.is_healthy and is_healthy(after)
    mended = {finding.code for finding in fixed.mended}
    assert {"P511", "H020", "H010", "H023"} <= mended
    kept = re.findall(r"#.*", FIVE_FAULTS)
    assert [each for each in kept if each not in after] == ["# 3: no final norm"]
    before, behind = (text.partition("normalization:")[0] for text in (FIVE_FAULTS, after))
    assert before == behind


def test_a_healthy_recipe_has_nothing_to_change() -> None:
    """So have all that are shipped: their tests say that nothing is found in them."""
    fixed = fix(load_recipe("click_through"))
    assert fixed.is_healthy and fixed.after == {} and fixed.diff == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (deep("method: orthogonal, gain: 3", "tanh", 24), '"**.weight", method: orthogonal}'),
        (deep("method: orthogonal", "sigmoid", 8), "method: layer_norm, placement: after_act"),
        (deep("method: xavier_uniform, gain: 3"), None),
        (deep("method: normal, std: 0.001"), None),
        (encoder(depth=12), 'method: xavier_normal, gain: "1 / sqrt(2 * depth)"'),
        (
            encoder(more=", residual: none", norm="method: layer_norm, placement: post", depth=6),
            "residual: plain",
        ),
        (
            encoder(norm="method: rms_norm, placement: post", depth=16),
            "placement: pre",
        ),
        (
            encoder(
                norm="method: rms_norm, placement: pre",
                rules='  - {match: "body.blocks.2.ffn.*.weight", method: zeros}\n',
                more="",
            ).replace("width: 64}", "width: 64, activation: relu}"),
            None,
        ),
    ],
)
def test_a_fault_is_mended_by_a_small_edit(text: str, expected: str | None) -> None:
    assert not is_healthy(text)
    fixed, after = fixed_text(text)
    assert fixed.is_healthy and is_healthy(after)
    assert expected is None or expected in after
    removed = [line for line in text.splitlines() if line not in after.splitlines()]
    assert len(removed) <= 2


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ('match: "body.5.linear.weight", method: zeros', deep("method: orthogonal", "tanh", 8)),
        (
            'match: "body.**.bias", method: constant, value: -3',
            deep("method: kaiming_normal", depth=4),
        ),
    ],
)
def test_a_fault_above_the_rules_for_all_goes_back_to_them(fault: str, text: str) -> None:
    first = "initialization:\n"
    faulty = text.replace(first, f"{first}  - {{{fault}}}  # why?\n")
    fixed, after = fixed_text(faulty)
    assert fixed.is_healthy and after == text


def test_a_recipe_without_a_plan_is_mended_where_its_problem_says_how() -> None:
    text = encoder(more=", residual: none", norm="method: layer_norm, placement: deepnorm")
    with pytest.raises(RecipeError, match="P510"):
        _ = Building(parse_recipe(text.encode(), "r.yaml", Path())).plan
    fixed, after = fixed_text(text)
    assert fixed.is_healthy and "residual: plain" in after
    with pytest.raises(RecipeError, match="P203"):
        fixed_text(text.replace("residual: none", "bias: true") + '  - {match: "**", method: ones}')


def test_what_is_set_on_the_command_line_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(deep("method: orthogonal", "tanh"))
    overrides = ["initialization.2.gain=0.1"]
    fixed = fix(load_recipe(file, overrides), overrides)
    assert not fixed.is_healthy and fixed.left and fixed.diff == ""


def test_files_that_are_extended_are_changed_where_the_rule_stands(tmp_path: Path) -> None:
    (tmp_path / "bases").mkdir()
    base = tmp_path / "bases" / "base.yaml"
    base.write_bytes(deep("method: orthogonal, gain: 3", "tanh", 8).replace("\n", "\r\n").encode())
    top = tmp_path / "top.yaml"
    top.write_text("version: 1\nname: top\nextends: bases/base.yaml\n")
    fixed = fix(load_recipe(top))
    assert list(fixed.after) == ["bases/base.yaml"]
    assert fixed.after["bases/base.yaml"] == base.read_bytes().replace(b", gain: 3", b"")
