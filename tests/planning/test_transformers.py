"""Transformers: attention and feed-forward weights, the sites of norms, the residual paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from seobuilder.planning.common import Mismatch
from seobuilder.planning.model import Node, Parameter
from seobuilder.planning.signals import Sequence, Signal, Tokens

Build = Callable[..., tuple[Node, Signal]]
Parameters = Callable[[Node], dict[str, str]]

SEQUENCE = Sequence(8, 5, "query")
SPEC: dict[str, Any] = {
    "kind": "transformer", "depth": 1, "heads": 4, "ffn": {"kind": "mlp", "width": 16}
}  # fmt: skip


def parts(node: Node) -> dict[str, Node]:
    """All nodes below the first by path."""
    found: dict[str, Node] = {}

    def visit(parent: Node, path: str) -> None:
        for child in parent.children:
            found[f"{path}{child.name}"] = child
            visit(child, f"{path}{child.name}.")

    visit(node, "")
    return found


def weights(node: Node) -> dict[str, Parameter]:
    return {p.name: p for part in node.walk() for p in part.parameters}


def test_the_weights_of_a_block(build: Build, parameters: Parameters) -> None:
    node, signal = build(SPEC, SEQUENCE)
    block = "m.blocks.0."
    assert parameters(node) == {
        f"{block}attention.query.weight": "8x8 weight 8/8",
        f"{block}attention.query.bias": "8 bias 8/8",
        f"{block}attention.key.weight": "8x8 weight 8/8",
        f"{block}attention.key.bias": "8 bias 8/8",
        f"{block}attention.value.weight": "8x8 weight 8/8",
        f"{block}attention.value.bias": "8 bias 8/8",
        f"{block}attention.output.weight": "8x8 residual_out 8/8",
        f"{block}attention.output.bias": "8 bias 8/8",
        f"{block}ffn.up.weight": "16x8 weight 8/16",
        f"{block}ffn.up.bias": "16 bias 8/16",
        f"{block}ffn.down.weight": "8x16 residual_out 16/8",
        f"{block}ffn.down.bias": "8 bias 16/8",
    }
    assert signal == SEQUENCE
    found = weights(node)
    assert found[f"{block}ffn.up.weight"].nonlinearity == "gelu"
    assert found[f"{block}ffn.down.weight"].nonlinearity == "linear"
    assert {name: p.heads for name, p in found.items() if p.heads} == {
        f"{block}attention.query.weight": 4,
        f"{block}attention.key.weight": 4,
        f"{block}attention.value.weight": 4,
    }
    assert found[f"{block}ffn.up.weight"].variables == {
        "depth": 1, "width": 8, "heads": 4, "kv_heads": 4, "head_width": 2, "layer": 0,
        "fan_in": 8, "fan_out": 16,
    }  # fmt: skip


def test_flops(build: Build) -> None:
    node, _ = build({**SPEC, "depth": 3}, SEQUENCE)
    projections = 4 * 2 * 8 * 8 * 5
    products = 2 * 2 * 5 * 5 * 8
    network = 2 * 2 * 8 * 16 * 5
    assert sum(part.flops for part in node.walk()) == 3 * (projections + products + network)


def test_grouped_heads(build: Build, parameters: Parameters) -> None:
    node, _ = build({**SPEC, "kv_heads": 2, "bias": False}, SEQUENCE)
    found = parameters(node)
    assert found["m.blocks.0.attention.query.weight"] == "8x8 weight 8/8"
    assert found["m.blocks.0.attention.key.weight"] == "4x8 weight 8/4"
    assert found["m.blocks.0.attention.value.weight"] == "4x8 weight 8/4"
    assert [p.heads for p in weights(node).values()] == [4, 2, 2, 0, 0, 0]
    assert parts(node)["blocks.0.attention"].settings["kv_heads"] == 2
    single, _ = build({**SPEC, "kv_heads": 1}, SEQUENCE)
    assert weights(single)["m.blocks.0.attention.key.weight"].heads == 1
    assert weights(single)["m.blocks.0.attention.key.weight"].variables["kv_heads"] == 1


@pytest.mark.parametrize(("kind", "activation"), [("swiglu", "silu"), ("geglu", "gelu")])
def test_a_gated_network(build: Build, parameters: Parameters, kind: str, activation: str) -> None:
    node, _ = build({**SPEC, "ffn": {"kind": kind, "width": 16}, "bias": False}, SEQUENCE)
    ffn = parts(node)["blocks.0.ffn"]
    assert parameters(ffn) == {
        "m.blocks.0.ffn.up.weight": "16x8 weight 8/16",
        "m.blocks.0.ffn.down.weight": "8x16 residual_out 16/8",
        "m.blocks.0.ffn.gate.weight": "16x8 gate 8/16",
    }
    assert [p.nonlinearity for p in weights(ffn).values()] == ["linear", "linear", activation]
    assert ffn.settings["activation"] == activation


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("rms_norm", {"weight": "2 norm_scale"}),
        ("layer_norm", {"weight": "2 norm_scale", "bias": "2 norm_shift"}),
    ],
)
def test_norms_of_queries_and_keys_are_those_of_one_head(
    build: Build, parameters: Parameters, method: str, text: dict[str, str]
) -> None:
    node, _ = build({**SPEC, "qk_norm": method}, SEQUENCE)
    assert {name: t for name, t in parameters(node).items() if "norm" in t} == {
        f"m.blocks.0.attention.{part}_norm.{name}": t
        for part in ("query", "key")
        for name, t in text.items()
    }


@pytest.mark.parametrize(("residual", "width"), [("rezero", 1), ("layerscale", 8)])
def test_learned_scales_of_a_branch(
    build: Build, parameters: Parameters, residual: str, width: int
) -> None:
    node, _ = build({**SPEC, "residual": residual}, SEQUENCE)
    assert {name: t for name, t in parameters(node).items() if "residual_scale" in t} == {
        f"m.blocks.0.{branch}_scale.weight": f"{width} residual_scale"
        for branch in ("attention", "ffn")
    }
    assert parts(node)["blocks.0"].settings["skip_scale"] == 1.0


def test_fixed_scales_of_a_branch(build: Build) -> None:
    spec = {**SPEC, "depth": 2, "residual": "scaled"}
    node, _ = build({**spec, "residual_scale": "1 / sqrt(2 * depth) / (layer + 1)"}, SEQUENCE)
    scales = [parts(node)[f"blocks.{index}"].settings["branch_scale"] for index in (0, 1)]
    assert scales == pytest.approx([0.5, 0.25])
    node, _ = build({**spec, "residual_scale": 0.3}, SEQUENCE)
    assert parts(node)["blocks.1"].settings["branch_scale"] == 0.3
    assert parts(build(SPEC, SEQUENCE)[0])["blocks.0"].settings["branch_scale"] == 1.0
    none, _ = build({**SPEC, "residual": "none"}, SEQUENCE)
    assert parts(none)["blocks.0"].settings["skip_scale"] == 0.0


def test_the_scale_of_attention_scores(build: Build) -> None:
    for scale, expected in (("1 / head_width", 0.5), (0.25, 0.25)):
        node, _ = build({**SPEC, "attention_scale": scale}, SEQUENCE)
        assert parts(node)["blocks.0.attention"].settings["scale"] == expected
    assert "scale" not in parts(build(SPEC, SEQUENCE)[0])["blocks.0.attention"].settings


@pytest.mark.parametrize(
    ("placement", "sites", "first", "last"),
    [
        ("pre", ["input"], False, True),
        ("post", ["residual"], False, False),
        ("sandwich", ["input", "output"], False, True),
        ("peri", ["input", "output"], True, True),
        ("output", ["output"], False, True),
        ("deepnorm", ["residual"], False, False),
    ],
)
def test_the_sites_of_each_placement(
    build: Build, placement: str, sites: list[str], first: bool, last: bool
) -> None:
    rule = f'- {{match: "m.blocks.*", method: rms_norm, placement: {placement}}}'
    node, _ = build({**SPEC, "depth": 8}, SEQUENCE, normalization=rule)
    norms = {path for path, part in parts(node).items() if part.kind == "rms_norm"}
    expected = {
        f"blocks.{index}.{branch}_{site}_norm"
        for index in range(8)
        for branch in ("attention", "ffn")
        for site in sites
    }
    expected |= {"input_norm"} if first else set()
    expected |= {"final_norm"} if last else set()
    assert norms == expected
    # The alpha of DeepNet's encoders, (2 N) ** (1 / 4), is 2 for eight blocks.
    skip = 2.0 if placement == "deepnorm" else 1.0
    assert {parts(node)[f"blocks.{i}"].settings["skip_scale"] for i in range(8)} == {skip}


@pytest.mark.parametrize(("placement", "final"), [("pre", "false"), ("post", "true")])
def test_the_closing_norm_can_be_chosen(build: Build, placement: str, final: str) -> None:
    rule = f"method: layer_norm, placement: {placement}, final: {final}"
    node, _ = build(SPEC, SEQUENCE, normalization=f'- {{match: "m.blocks.*", {rule}}}')
    assert ("final_norm" in parts(node)) == (final == "true")


def test_the_last_block_decides_the_closing_norm_and_the_first_the_opening_one(
    build: Build,
) -> None:
    rules = (
        '- {match: "m.blocks.0", method: layer_norm, placement: post}\n'
        '- {match: "m.blocks.1", method: rms_norm, placement: peri}'
    )
    node, _ = build({**SPEC, "depth": 2}, SEQUENCE, normalization=rules)
    assert "input_norm" not in parts(node)
    assert parts(node)["final_norm"].kind == "rms_norm"
    assert parts(node)["blocks.0.ffn_residual_norm"].kind == "layer_norm"


@pytest.mark.parametrize(
    ("positions", "settings"),
    [("rotary", {"width": 2, "length": 12}), ("alibi", {"heads": 4, "length": 12})],
)
def test_positions_within_attention(build: Build, positions: str, settings: dict[str, int]) -> None:
    node, _ = build({**SPEC, "positions": positions}, SEQUENCE, length=12)
    found = parts(node)["blocks.0.attention.positions"]
    assert (found.kind, found.settings) == (positions, settings)
    assert "blocks.0.attention.positions" not in parts(build(SPEC, SEQUENCE)[0])


SCALED = {"residual": "scaled"}


@pytest.mark.parametrize(
    ("changes", "signal", "message", "key"),
    [
        ({}, Tokens(5, 10, 0, "query"),
         "needs a sequence, and gets tokens [batch, 5]; put a token_embedding between", "from"),
        ({"heads": 3}, SEQUENCE, "3 heads do not divide the width 8", "heads"),
        ({"kv_heads": 3}, SEQUENCE, "3 key heads do not divide 4 heads", "kv_heads"),
        ({"heads": 8, "positions": "rotary"}, SEQUENCE,
         "rotary positions need an even width of each head", "positions"),
        ({"heads": 8, "qk_norm": "rms_norm"}, SEQUENCE,
         "rms_norm of a head of one channel leaves nothing of its size", "qk_norm"),
        ({**SCALED, "residual_scale": "1 / (depth - 1)"}, SEQUENCE,
         "division by zero", "residual_scale"),
        ({**SCALED, "residual_scale": "layer - 1"}, SEQUENCE,
         "`layer - 1` is -1, and must be positive", "residual_scale"),
        ({"attention_scale": "1 - heads"}, SEQUENCE,
         "`1 - heads` is -3, and must be positive", "attention_scale"),
        ({**SCALED, "residual_scale": "fan_in"}, SEQUENCE,
         "unknown variable `fan_in`; there are depth, head_width, heads, kv_heads, layer, width",
         "residual_scale"),
    ],
)  # fmt: skip
def test_what_does_not_fit(
    build: Build, changes: dict[str, Any], signal: Signal, message: str, key: str
) -> None:
    with pytest.raises(Mismatch) as caught:
        build({**SPEC, **changes}, signal)
    assert (str(caught.value), caught.value.key) == (message, key)
