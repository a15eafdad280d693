"""What BERT has beside a plain transformer: a table of segments, and a norm before the blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from seobuilder.planning.model import Node, Plan
from seobuilder.planning.signals import Sequence, Tokens

WORDS = Tokens(5, 10, 0, "query")
TOWER = (
    "words: {kind: token_embedding, from: query, width: 4, positions: learned, segments: 2}\n"
    "tower: {kind: transformer, from: words, depth: 2, heads: 2, ffn: {kind: mlp, width: 8}}\n"
    "meaning: {kind: pool, from: tower, method: mean}\n"
    "facts: {kind: mlp, from: page, widths: [4]}\n"
    "joined: {kind: concat, from: [meaning, facts]}"
)


def test_a_table_of_segments(build: Callable[..., Any], parameters: Callable[..., Any]) -> None:
    spec = {"kind": "token_embedding", "width": 4, "positions": "learned", "segments": 2}
    node, signal = build(spec, WORDS)
    assert signal == Sequence(4, 5, "query")
    assert parameters(node) == {
        "m.tokens.weight": "10x4 embedding 1/4",
        "m.positions.weight": "5x4 position 1/4",
        "m.segments.weight": "2x4 embedding 1/4",
    }
    node, _ = build({**spec, "segments": 0}, WORDS)
    assert [child.name for child in node.children] == ["tokens", "positions"]


@pytest.mark.parametrize(
    ("placement", "embedding", "expected"),
    [
        ("post", "auto", False),
        ("post", "true", True),
        ("peri", "auto", True),
        ("peri", "false", False),
        ("pre", "true", True),
    ],
)
def test_a_norm_before_the_first_block(
    planned: Callable[..., Plan], placement: str, embedding: str, expected: bool
) -> None:
    rule = f'- {{match: "tower.**", method: layer_norm, placement: {placement}, '
    plan = planned(modules=TOWER, normalization=rule + f"embedding: {embedding}, eps: 1.0e-12}}")
    norms = [node for node in plan.root.walk() if node.name == "input_norm"]
    assert [_eps(node) for node in norms] == [1e-12] * expected
    names = [a.parameter.name for a in plan.assignments]
    assert ("tower.input_norm.weight" in names) == expected


def test_only_a_transformer_opens_with_a_norm(problems: Callable[..., list[str]]) -> None:
    rule = '- {match: "facts.*", method: layer_norm, placement: before_activation, embedding: true}'
    assert problems(modules=TOWER, normalization=rule) == [
        "P301 normalization[0].embedding <true>: only a transformer opens with a norm; `facts.0` "
        "is of another kind [delete `embedding`]"
    ]


def _eps(node: Node) -> float:
    eps: float = node.settings["eps"]
    return eps
