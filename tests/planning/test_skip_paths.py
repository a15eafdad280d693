"""Skip paths of stacks: where blocks have them, what they hold, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from seobuilder.planning.blocks import closing_norm
from seobuilder.planning.common import Mismatch
from seobuilder.planning.model import Node
from seobuilder.planning.residual import has_skip
from seobuilder.planning.signals import FeatureMap, Sequence, Signal, Vector

Build = Callable[..., tuple[Node, Signal]]
Problems = Callable[..., list[str]]

SEQUENCE, IMAGE = Sequence(8, 5, "query"), FeatureMap(4, 8, 8)
AFTER = '- {match: "**", method: layer_norm, placement: after_activation}'


def blocks(node: Node) -> tuple[Node, ...]:
    return node.children[0].children if node.kind == "recurrent" else node.children


@pytest.mark.parametrize(
    ("spec", "signal", "expected"),
    [
        ({"kind": "mlp", "widths": [8, 8, 6, 6]}, Vector(8), [True, True, False, True]),
        ({"kind": "conv", "channels": [6, 4, 4], "kernel": [1, 3]}, SEQUENCE,
         [False, False, True]),
        ({"kind": "conv", "channels": [4, 4], "kernel": 3}, IMAGE, [True, True]),
        ({"kind": "conv", "channels": [4, 8], "kernel": 3}, IMAGE, [True, False]),
        ({"kind": "recurrent", "cell": "gru", "width": 4, "depth": 2, "bidirectional": True},
         SEQUENCE, [True, True]),
        ({"kind": "recurrent", "cell": "rnn", "width": 6, "depth": 3}, SEQUENCE,
         [False, True, True]),
    ],
)  # fmt: skip
def test_blocks_that_keep_their_shape_have_a_skip_path(
    build: Build, spec: dict[str, Any], signal: Signal, expected: list[bool]
) -> None:
    node, _ = build({**spec, "residual": "plain"}, signal)
    assert [has_skip(block) for block in blocks(node)] == expected
    node, _ = build(spec, signal)
    assert not any(has_skip(block) for block in blocks(node))


@pytest.mark.parametrize("more", [{"stride": 2}, {"pool": 2}])
def test_an_image_that_shrinks_has_none(build: Build, more: dict[str, int]) -> None:
    spec = {"kind": "conv", "channels": [4, 4], "kernel": 3, "residual": "plain", **more}
    with pytest.raises(Mismatch, match="no block keeps the shape") as caught:
        build(spec, IMAGE)
    assert caught.value.key == "residual"


@pytest.mark.parametrize(
    ("residual", "names"),
    [("rezero", {"scale.weight": (1,)}), ("layerscale", {"scale.weight": (8,)})],
)
def test_learned_factors(build: Build, residual: str, names: dict[str, tuple[int, ...]]) -> None:
    node, _ = build({"kind": "mlp", "widths": [8], "residual": residual}, Vector(8))
    found = {p.name.removeprefix("m.0."): p for part in node.walk() for p in part.parameters}
    scales = {name: p.shape for name, p in found.items() if p.role == "residual_scale"}
    assert scales == names


def test_a_stated_factor_may_be_a_formula(build: Build) -> None:
    spec = {"kind": "recurrent", "cell": "gru", "width": 8, "depth": 4, "residual": "scaled"}
    node, _ = build({**spec, "residual_scale": "1 / sqrt(depth)"}, SEQUENCE)
    assert [block.settings["branch_scale"] for block in blocks(node)] == [0.5] * 4


def test_scaled_and_its_factor_need_each_other(problems: Problems) -> None:
    (problem,) = problems(
        inputs="page: {kind: features, size: 6}",
        modules="facts: {kind: mlp, from: page, widths: [6], residual: scaled}",
        outputs="answer: {kind: regression, from: facts}",
    )
    assert problem == (
        "R111 modules.facts.residual <residual>: `residual: scaled` and `residual_scale` need each "
        "other"
    )


def test_a_sum_ends_in_no_norm(build: Build) -> None:
    spec = {"kind": "recurrent", "cell": "gru", "width": 8, "depth": 2}
    plain, _ = build(spec, SEQUENCE, normalization=AFTER)
    joined, _ = build({**spec, "residual": "plain"}, SEQUENCE, normalization=AFTER)
    assert (closing_norm(plain), closing_norm(joined)) == ("m.layers.1.norm", "")
