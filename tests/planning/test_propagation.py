"""Moments through each kind of node, by hand; what built models measure is in test_autoinit."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, nan, pi, sin, sqrt
from typing import Any

import pytest

from seobuilder.building.compile import LAYERS
from seobuilder.planning.gaussian import function_moments
from seobuilder.planning.model import Node, Parameter
from seobuilder.planning.propagation import FLOWS, Propagation
from seobuilder.planning.signal_moments import Drawn, SignalMoments
from seobuilder.planning.signals import FeatureMap, Sequence, Signal, Tokens, Vector

Build = Callable[..., tuple[Node, Signal]]

SEQUENCE = Sequence(16, 10, "query")
X = SignalMoments(mean=0.5, variance=2.0, width=16, sizes=(10,), shared=0.6)

BY_ROLE = {
    "norm_scale": Drawn(1.0, 0.0),
    "residual_scale": Drawn(1.0, 0.0),
    "norm_shift": Drawn(0.0, 0.0),
    "bias": Drawn(0.0, 0.0),
}


def unit(parameter: Parameter, arriving: SignalMoments | None) -> Drawn:
    """Matrices that give variance 1, as autoinit has them, and tables of variance 1."""
    if parameter.role in BY_ROLE:
        return BY_ROLE[parameter.role]
    if arriving is None:
        return Drawn(0.0, 1.0)
    assert parameter.fans is not None
    return Drawn(0.0, 1 / (parameter.fans.fan_in * arriving.square))


def through(node: Node, *signals: SignalMoments) -> SignalMoments:
    return Propagation(unit).through(node, *signals)


def numbers(moments: SignalMoments) -> tuple[float, float, float]:
    return moments.mean, moments.variance, moments.shared


def norm(kind: str, **settings: Any) -> Node:
    return Node("norm", kind, {"width": 16, "eps": 0.0, **settings})


def test_every_kind_of_node_has_its_flow() -> None:
    inside_attention, before_the_graph = {"rotary", "alibi"}, {"feature_scaler", "model"}
    assert set(FLOWS) | inside_attention | before_the_graph == set(LAYERS)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        (norm("layer_norm"), (0, 1, 0.6 / 2)),
        (norm("rms_norm"), (0.5 / 1.5, 2 / 2.25, 0.6 / 2.25)),
        (norm("batch_norm"), (0, 1, 0)),
        (norm("instance_norm"), (0, 1, 0)),
        (norm("group_norm", num_groups=4), (0, 1, (0.6 * 3 / 4) / (2 - 0.74 / 4))),
    ],
)
def test_norms(node: Node, expected: tuple[float, float, float]) -> None:
    assert numbers(through(node, X)) == pytest.approx(expected)


@pytest.mark.parametrize("kind", ["layer_norm", "rms_norm", "batch_norm"])
def test_after_a_norm_all_is_known_again(kind: str) -> None:
    assert numbers(through(norm(kind), X.turned(nan, nan, nan))) == (0, 1, 0)


def test_a_norm_s_own_scale_and_shift_count() -> None:
    parameters = tuple(
        Parameter(f"n.{name}", (f"n.{name}",), (16,), role, "layer_norm")
        for name, role in (("weight", "norm_scale"), ("bias", "norm_shift"))
    )
    drawn = {"norm_scale": Drawn(3.0, 0.0), "norm_shift": Drawn(-1.0, 0.5)}
    walk = Propagation(lambda parameter, _: drawn[parameter.role])
    node = Node("n", "layer_norm", {"width": 16, "eps": 0.0}, parameters=parameters)
    assert numbers(walk.through(node, X)) == pytest.approx((-1.0, 9.5, 9 * 0.3 + 0.5))


def test_epsilon_takes_a_little_away() -> None:
    y = through(Node("n", "layer_norm", {"width": 10**6, "eps": 0.5}), X)
    assert y.variance == pytest.approx(2 / 2.5, rel=1e-4)


def test_tokens_and_positions(build: Build) -> None:
    spec = {"kind": "token_embedding", "width": 4, "positions": "learned", "segments": 2}
    node, _ = build(spec, Tokens(5, 9, 0, "x"))
    y = through(node, SignalMoments(nan, nan, 0, (5,)))
    assert numbers(y) == (0, 3, 1) and (y.width, y.sizes) == (4, (5,))
    node, _ = build({**spec, "token_dropout": 0.5}, Tokens(5, 9, 0, "x"))
    assert numbers(through(node, SignalMoments(nan, nan, 0, (5,)))) == (0, 4, 1)


def test_a_head_reads_what_dropout_leaves() -> None:
    node = Node("y", "head", {"squeeze": False, "dropout": 0.5})
    assert numbers(through(node, X)) == pytest.approx((0.5, 2 * 2.25 - 0.25, 0.6))


def test_sinusoidal_positions() -> None:
    length, width = 7, 6
    table = [
        [turn(p / 10000 ** (2 * pair / width)) for p in range(length)]
        for pair in range(width // 2)
        for turn in (sin, cos)
    ]
    means = [sum(column) / length for column in table]
    mean = sum(means) / width
    node = Node("positions", "sinusoidal_positions", {"length": 9, "width": width})
    y = through(node, SignalMoments(nan, nan, 0, (length,)))
    assert y.mean == pytest.approx(mean)
    assert y.square == pytest.approx(sum(v * v for c in table for v in c) / (length * width))
    assert y.shared == pytest.approx(sum(m * m for m in means) / width - mean**2)


def test_mlp_and_its_trace(build: Build) -> None:
    node, _ = build({"kind": "mlp", "widths": [8, 4], "activation": "relu"}, Vector(16))
    walk = Propagation(unit)
    y = walk.through(node, SignalMoments(0.0, 1.0, 16))
    assert y.mean == pytest.approx(1 / sqrt(2 * pi)) and y.width == 4
    assert list(walk.trace) == ["m.0.linear", "m.0", "m.1.linear", "m.1", "m"]
    assert walk.trace["m.1.linear"].variance == pytest.approx(1.0)


@pytest.mark.parametrize("placement", ["before_activation", "after_activation"])
def test_a_norm_stands_before_or_after_the_activation(build: Build, placement: str) -> None:
    rule = f'- {{match: "**", method: batch_norm, placement: {placement}, eps: 1.0e-12}}'
    spec = {"kind": "mlp", "widths": [8], "activation": "relu"}
    node, _ = build(spec, Vector(16), normalization=rule)
    y = through(node, SignalMoments(0.0, 7.0, 16))
    relu = function_moments("relu", 0.0, 1.0)
    assert (y.mean, y.variance) == pytest.approx(
        relu if placement == "before_activation" else (0.0, 1.0)
    )


@pytest.mark.parametrize(
    ("settings", "sizes"),
    [
        ({}, (12, 9)),
        ({"stride": 2}, (6, 5)),
        ({"pool": 2}, (6, 4)),
        ({"stride": 2, "kernel": 4, "transposed": True}, (24, 18)),
    ],
)
def test_the_sizes_of_a_map(build: Build, settings: dict[str, Any], sizes: tuple[int, int]) -> None:
    spec = {"kind": "conv", "channels": [8], "kernel": 3, **settings}
    node, signal = build(spec, FeatureMap(3, 12, 9))
    assert isinstance(signal, FeatureMap)
    y = through(node, SignalMoments(0.5, 1 / 12, 3, (12, 9)))
    assert y.sizes == sizes == (signal.height, signal.width) and y.width == signal.channels


@pytest.mark.parametrize(
    ("residual", "extra", "variance"),
    [
        ("plain", {}, 3.0),
        ("scaled", {"residual_scale": 0.5}, 1.5),
        ("rezero", {}, 3.0),
        ("none", {}, 1.0),
    ],
)
def test_the_residual_path(
    build: Build, residual: str, extra: dict[str, float], variance: float
) -> None:
    spec = {"kind": "transformer", "depth": 1, "heads": 2, "ffn": {"kind": "swiglu", "width": 8}}
    node, _ = build({**spec, "residual": residual, **extra}, SEQUENCE)
    y = through(node, SignalMoments(0.0, 1.0, 16, (10,)))
    assert y.variance == pytest.approx(variance)


def test_deepnorm_s_skip(build: Build) -> None:
    spec = {"kind": "transformer", "depth": 8, "heads": 2, "ffn": {"kind": "mlp", "width": 8}}
    rule = '- {match: "**", method: layer_norm, placement: deepnorm}'
    node, _ = build(spec, SEQUENCE, normalization=rule)
    walk = Propagation(unit)
    walk.through(node, SignalMoments(0.0, 1.0, 16, (10,)))
    # alpha² = 4: the skip path has four fifths of the variance
    assert walk.trace["m.blocks.0.attention_residual_norm"].variance == pytest.approx(1, rel=1e-4)
    before = walk.trace["m.blocks.0.attention"]
    after = walk.trace["m.blocks.0.attention_residual_norm"]
    assert after.shared == pytest.approx(before.shared / 5, rel=1e-4)


def attention(build: Build, **settings: Any) -> SignalMoments:
    """Moments of the heads, which are what the output map gets."""
    spec = {"kind": "transformer", "depth": 1, "heads": 2, "ffn": {"kind": "mlp", "width": 8}}
    node, _ = build({**spec, **settings}, SEQUENCE)
    got: list[SignalMoments] = []

    def weights(parameter: Parameter, arriving: SignalMoments | None) -> Drawn:
        if parameter.name.endswith("attention.output.weight"):
            assert arriving is not None
            got.append(arriving)
        return unit(parameter, arriving)

    Propagation(weights).through(node, SignalMoments(0.0, 1.0, 16, (10,)))
    return got[0]


def test_attention_averages(build: Build) -> None:
    heads = attention(build)
    assert heads.variance == pytest.approx(1 / (1 + 9 / 2.718281828), rel=1e-6)
    assert heads.shared == pytest.approx(1 / 10)


def test_an_attention_scale_makes_scores_sharper_or_flatter(build: Build) -> None:
    head_width = 8
    flat = attention(build, attention_scale=1e-6)
    assert flat.variance == pytest.approx(1 / 10)
    usual = attention(build, attention_scale=1 / sqrt(head_width))
    assert usual.variance == pytest.approx(attention(build).variance)
    assert attention(build, attention_scale=2.0).variance > 0.9


def test_alibi_and_a_causal_mask_count(build: Build) -> None:
    plain = attention(build).variance
    assert attention(build, positions="alibi").variance > plain
    assert attention(build, causal=True).variance > plain


@pytest.mark.parametrize(
    ("method", "mean", "variance"),
    [("mean", 0.5, 0.6 + 1.4 / 10), ("first", 0.5, 2.0), ("last", 0.5, 2.0)],
)
def test_pools(build: Build, method: str, mean: float, variance: float) -> None:
    node, _ = build({"kind": "pool", "method": method}, SEQUENCE)
    y = through(node, X)
    assert numbers(y) == pytest.approx((mean, variance, 0)) and y.sizes == ()


def test_interactions(build: Build) -> None:
    u = SignalMoments(0.0, 1.0, 16)
    found = {}
    for method in ("dot", "cosine", "matching"):
        node, signal = build({"kind": "interaction", "method": method}, Vector(16), Vector(16))
        found[method] = through(node, u, u)
        assert found[method].width == getattr(signal, "width", None)
    assert numbers(found["dot"])[:2] == pytest.approx((0.0, 16.0))
    assert numbers(found["cosine"])[:2] == pytest.approx((0.0, 1 / 16))
    # |u - v| is |N(0, 2)|; the squares are 1, 1, 2 and 1
    assert found["matching"].mean == pytest.approx(sqrt(2 * 2 / pi) / 4)
    assert found["matching"].square == pytest.approx(5 / 4)


def test_an_embedding_has_length_1() -> None:
    node = Node("y", "embedding_head", {"normalize": True})
    assert through(node, SignalMoments(0.5, 2.0, 16)).square == pytest.approx(1 / 16)


def test_both_directions_stand_side_by_side(build: Build) -> None:
    spec = {"kind": "recurrent", "cell": "gru", "width": 8}
    one, _ = build(spec, SEQUENCE)
    two, _ = build({**spec, "bidirectional": True}, SEQUENCE)
    assert numbers(through(two, X)) == pytest.approx(numbers(through(one, X)))
    assert through(two, X).width == 16
