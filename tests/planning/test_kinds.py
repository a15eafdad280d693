"""Each kind of module: its parameters, its cost, what it gives, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter

from seobuilder.planning.common import Mismatch
from seobuilder.planning.kinds import block_count, input_signal, mask_of, output
from seobuilder.planning.model import Node
from seobuilder.planning.primitives import Scope
from seobuilder.planning.signals import Category, FeatureMap, Sequence, Signal, Tokens, Vector
from seobuilder.recipe.spec.inputs import InputSpec
from seobuilder.recipe.spec.modules import ModuleSpec
from seobuilder.recipe.spec.outputs import OutputSpec

Build = Callable[..., tuple[Node, Signal]]
Parameters = Callable[[Node], dict[str, str]]

TOKENS = Tokens(5, 10, 0, "query")
SEQUENCE = Sequence(4, 5, "query")
VECTOR = Vector(6)
IMAGE = FeatureMap(3, 8, 8)


def flops(node: Node) -> int:
    return sum(part.flops for part in node.walk())


@pytest.mark.parametrize(
    ("spec", "signal"),
    [
        ({"kind": "tokens", "vocab_size": 10, "max_length": 5, "padding_id": 3},
         Tokens(5, 10, 3, "x")),
        ({"kind": "features", "size": 6}, Vector(6)),
        ({"kind": "embedding", "size": 7}, Vector(7)),
        ({"kind": "category", "values": ["a", "b"]}, Category(2)),
        ({"kind": "image", "channels": 3, "height": 8, "width": 9}, FeatureMap(3, 8, 9)),
    ],
)  # fmt: skip
def test_what_an_input_gives(spec: dict[str, Any], signal: Signal) -> None:
    assert input_signal("x", TypeAdapter(InputSpec).validate_python(spec)) == signal


def test_signals_say_their_shape() -> None:
    assert [str(signal) for signal in (TOKENS, Category(2), VECTOR, SEQUENCE, IMAGE)] == [
        "tokens [batch, 5]",
        "a category [batch]",
        "a vector [batch, 6]",
        "a sequence [batch, 5, 4]",
        "an image [batch, 3, 8, 8]",
    ]


def test_token_embedding(build: Build, parameters: Parameters) -> None:
    node, signal = build({"kind": "token_embedding", "width": 4}, Tokens(5, 10, 3, "query"))
    assert parameters(node) == {"m.tokens.weight": "10x4 embedding 1/4"}
    assert [p.padding_row for part in node.walk() for p in part.parameters] == [3]
    assert signal == Sequence(4, 5, "query")


def test_positions_are_as_long_as_the_longest_use(build: Build, parameters: Parameters) -> None:
    spec = {"kind": "token_embedding", "width": 4}
    learned, signal = build({**spec, "positions": "learned"}, TOKENS, length=12)
    assert parameters(learned) == {
        "m.tokens.weight": "10x4 embedding 1/4",
        "m.positions.weight": "12x4 position 1/4",
    }
    assert signal == Sequence(4, 5, "query")
    fixed, _ = build({**spec, "positions": "sinusoidal"}, TOKENS, length=12)
    assert [*parameters(fixed)] == ["m.tokens.weight"]
    assert fixed.children[1].settings == {"length": 12, "width": 4}


def test_category_embedding_has_a_row_for_any_other_value(
    build: Build, parameters: Parameters
) -> None:
    node, signal = build({"kind": "category_embedding", "width": 4}, Category(2))
    assert parameters(node) == {"m.weight": "3x4 embedding 1/4"}
    assert signal == Vector(4)


def test_recurrent(build: Build, parameters: Parameters) -> None:
    spec = {"kind": "recurrent", "cell": "lstm", "width": 3, "depth": 2, "bidirectional": True}
    node, signal = build(spec, SEQUENCE)
    assert parameters(node) == {
        f"m.layers.{layer}.{direction}.{part}": text
        for layer, inputs in ((0, 4), (1, 6))
        for direction in ("forward", "backward")
        for part, text in {
            "input.weight": f"12x{inputs} recurrent_input {inputs}/3",
            "hidden.weight": "12x3 recurrent_hidden 3/3",
            "input.bias": f"12 bias {inputs}/3",
            "hidden.bias": "12 bias 3/3",
        }.items()
    }
    stored = {p.name: p.stored for part in node.walk() for p in part.parameters}
    assert stored["m.layers.0.backward.hidden.bias"] == ("m.layers.0.backward_cell.bias_hh_l0",)
    assert signal == Sequence(6, 5, "query")
    assert flops(node) == 2 * (2 * 4 * 3 * (4 + 3) * 5) + 2 * (2 * 4 * 3 * (6 + 3) * 5)
    second = {p.name: p.variables for part in node.walk() for p in part.parameters}
    assert second["m.layers.1.forward.hidden.weight"] == {
        "depth": 2, "width": 3, "layer": 1, "fan_in": 3, "fan_out": 3
    }  # fmt: skip


def test_a_norm_of_a_recurrent_layer_spans_both_directions(build: Build) -> None:
    spec = {"kind": "recurrent", "cell": "gru", "width": 3, "bidirectional": True}
    rule = '- {match: "**", method: layer_norm, placement: after_activation}'
    node, _ = build(spec, SEQUENCE, normalization=rule)
    assert [p.shape for part in node.walk() for p in part.parameters if "norm" in p.role] == [
        (6,), (6,)
    ]  # fmt: skip


def test_mlp(build: Build, parameters: Parameters) -> None:
    spec = {"kind": "mlp", "widths": [8, 2], "activation": "tanh", "bias": False}
    node, signal = build(spec, VECTOR)
    assert parameters(node) == {
        "m.0.linear.weight": "8x6 weight 6/8",
        "m.1.linear.weight": "2x8 weight 8/2",
    }
    assert {p.nonlinearity for part in node.walk() for p in part.parameters} == {"tanh"}
    assert (signal, flops(node)) == (Vector(2), 2 * (6 * 8 + 8 * 2))
    again, sequence = build(spec, Sequence(6, 5, "query"))
    assert parameters(again) == parameters(node)
    assert (sequence, flops(again)) == (Sequence(2, 5, "query"), 5 * flops(node))
    assert [p.variables for part in node.walk() for p in part.parameters] == [
        {"depth": 2, "layer": 0, "width": 8, "fan_in": 6, "fan_out": 8},
        {"depth": 2, "layer": 1, "width": 2, "fan_in": 8, "fan_out": 2},
    ]


@pytest.mark.parametrize("method", ["mean", "max", "first", "last"])
def test_pools_without_weights(build: Build, parameters: Parameters, method: str) -> None:
    node, signal = build({"kind": "pool", "method": method}, SEQUENCE)
    assert (parameters(node), signal) == ({}, Vector(4))


def test_attention_pool_scores_each_position(build: Build, parameters: Parameters) -> None:
    node, signal = build({"kind": "pool", "method": "attention"}, SEQUENCE)
    assert parameters(node) == {"m.score.weight": "1x4 weight 4/1"}
    assert (signal, flops(node)) == (Vector(4), 2 * 4 * 5)


def test_an_image_is_pooled_to_its_channels(build: Build) -> None:
    assert build({"kind": "pool", "method": "max"}, IMAGE)[1] == Vector(3)


def test_what_joins(build: Build) -> None:
    assert build({"kind": "concat"}, VECTOR, Vector(2), Vector(1))[1] == Vector(9)
    other = Sequence(3, 5, "query")
    assert build({"kind": "concat"}, SEQUENCE, other)[1] == Sequence(7, 5, "query")
    assert build({"kind": "add"}, SEQUENCE, SEQUENCE)[1] == SEQUENCE
    assert build({"kind": "interaction", "method": "matching"}, VECTOR, VECTOR)[1] == Vector(24)
    for method in ("dot", "cosine"):
        assert build({"kind": "interaction", "method": method}, VECTOR, VECTOR)[1] == Vector(1)


@pytest.mark.parametrize(
    ("spec", "signals", "message", "key"),
    [
        ({"kind": "token_embedding", "width": 4}, [Category(2)],
         "needs tokens, and gets a category [batch]; use a category_embedding", "from"),
        ({"kind": "category_embedding", "width": 4}, [TOKENS],
         "needs a category, and gets tokens [batch, 5]; use a token_embedding", "from"),
        ({"kind": "recurrent", "cell": "gru", "width": 3}, [TOKENS],
         "needs a sequence, and gets tokens [batch, 5]; put a token_embedding between", "from"),
        ({"kind": "mlp", "widths": [3]}, [TOKENS],
         "needs a vector or a sequence, and gets tokens [batch, 5]; put a token_embedding and a "
         "pool between", "from"),
        ({"kind": "mlp", "widths": [3]}, [Category(2)],
         "needs a vector or a sequence, and gets a category [batch]; put a category_embedding "
         "between", "from"),
        ({"kind": "mlp", "widths": [3]}, [IMAGE],
         "needs a vector or a sequence, and gets an image [batch, 3, 8, 8]; put a pool between",
         "from"),
        ({"kind": "pool", "method": "mean"}, [VECTOR],
         "needs a sequence or an image, and gets a vector [batch, 6]", "from"),
        ({"kind": "pool", "method": "attention"}, [IMAGE],
         "`attention` needs a sequence; an image has mean and max", "method"),
        ({"kind": "interaction", "method": "dot"}, [VECTOR, SEQUENCE],
         "needs a vector, and gets a sequence [batch, 5, 4]; put a pool between", "from"),
        ({"kind": "interaction", "method": "dot"}, [VECTOR, Vector(4)],
         "widths differ: 6 and 4", "from"),
        ({"kind": "add"}, [VECTOR, Vector(4), VECTOR], "widths differ: 4, 6", "from"),
        ({"kind": "concat"}, [VECTOR, SEQUENCE],
         "can't join a vector [batch, 6] and a sequence [batch, 5, 4]; put a pool between", "from"),
        ({"kind": "concat"}, [SEQUENCE, VECTOR],
         "can't join a sequence [batch, 5, 4] and a vector [batch, 6]; put a pool between", "from"),
        ({"kind": "concat"}, [VECTOR, TOKENS],
         "can't join a vector [batch, 6] and tokens [batch, 5]; put a token_embedding and a pool "
         "between", "from"),
        ({"kind": "add"}, [SEQUENCE, Sequence(4, 5, "title")],
         "can't join sequences of two inputs, query and title; put a pool before", "from"),
    ],
)  # fmt: skip
def test_what_does_not_fit(
    build: Build, spec: dict[str, Any], signals: list[Signal], message: str, key: str
) -> None:
    with pytest.raises(Mismatch) as caught:
        build(spec, *signals)
    assert (str(caught.value), caught.value.key) == (message, key)


@pytest.mark.parametrize(
    ("spec", "width", "kind", "squeeze"),
    [
        ({"kind": "classification", "labels": ["a", "b", "c"]}, 3, "head", False),
        ({"kind": "classification", "labels": 9}, 9, "head", False),
        ({"kind": "multilabel", "labels": ["a", "b"]}, 2, "head", False),
        ({"kind": "regression"}, 1, "head", True),
        ({"kind": "regression", "size": 4}, 4, "head", False),
        ({"kind": "ranking"}, 1, "head", True),
        ({"kind": "embedding", "width": 4}, 4, "embedding_head", None),
    ],
)
def test_heads(
    parameters: Parameters, spec: dict[str, Any], width: int, kind: str, squeeze: bool | None
) -> None:
    checked: Any = TypeAdapter(OutputSpec).validate_python({"from": "x", **spec})
    node, given = output(checked, Scope().child("o"), VECTOR)
    assert parameters(node) == {
        "o.linear.weight": f"{width}x6 head 6/{width}",
        "o.linear.bias": f"{width} bias 6/{width}",
    }
    assert (node.kind, node.settings.get("squeeze"), given) == (kind, squeeze, Vector(width))
    assert flops(node) == 2 * 6 * width


def test_heads_without_a_layer(parameters: Parameters) -> None:
    read = TypeAdapter(OutputSpec).validate_python
    ranking: Any = read({"kind": "ranking", "from": "x", "score": "identity"})
    node, given = output(ranking, Scope().child("o"), Vector(1))
    settings = {"squeeze": True, "dropout": 0.0}
    assert (parameters(node), node.settings, given) == ({}, settings, Vector(1))
    embedding: Any = read({"kind": "embedding", "from": "x", "normalize": False})
    node, given = output(embedding, Scope().child("o"), VECTOR)
    assert (parameters(node), node.settings, given) == ({}, {"normalize": False}, VECTOR)
    with pytest.raises(Mismatch) as caught:
        output(ranking, Scope().child("o"), VECTOR)
    assert str(caught.value) == "`score: identity` needs a source one wide, not 6"
    assert caught.value.key == "score"
    with pytest.raises(
        Mismatch, match=r"^needs a vector, and gets a sequence \[batch, 5, 4\]; put"
    ):
        output(embedding, Scope().child("o"), SEQUENCE)


@pytest.mark.parametrize(
    ("spec", "signal", "mask"),
    [
        ({"kind": "pool", "method": "mean", "from": "x"}, SEQUENCE, "query"),
        ({"kind": "token_embedding", "width": 4, "from": "x"}, TOKENS, "query"),
        ({"kind": "pool", "method": "mean", "from": "x"}, IMAGE, None),
        ({"kind": "mlp", "widths": [4], "from": "x"}, VECTOR, None),
        ({"kind": "add", "from": ["x", "y"]}, SEQUENCE, None),
    ],
)
def test_the_mask_that_goes_along(spec: dict[str, Any], signal: Signal, mask: str | None) -> None:
    assert mask_of(TypeAdapter(ModuleSpec).validate_python(spec), signal) == mask


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ({"kind": "mlp", "widths": [4, 4, 4]}, 3),
        ({"kind": "conv", "channels": [4, 4], "kernel": [2, 3, 4]}, 6),
        ({"kind": "recurrent", "cell": "rnn", "width": 4, "depth": 7}, 7),
        ({"kind": "pool", "method": "mean"}, 1),
    ],
)
def test_blocks_are_counted(spec: dict[str, Any], count: int) -> None:
    checked: Any = TypeAdapter(ModuleSpec).validate_python({"from": "x", **spec})
    assert block_count(checked) == count
