"""Shapes, roles, fans and costs of the primitive operations, by hand and against torch."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from seobuilder.building.compile import LAYERS
from seobuilder.planning import primitives
from seobuilder.planning.model import Fans, Node, Parameter
from seobuilder.planning.primitives import Scope

HERE = Scope("tower.0.forward", "tower.0.forward_cell", positions=5, variables={"depth": 2})


def by_name(node: Node) -> dict[str, Parameter]:
    return {
        parameter.name.removeprefix("tower.0.forward."): parameter for parameter in node.parameters
    }


def holds_what_torch_holds(node: Node) -> None:
    """Stored names, shapes and their order are those of the module that the node becomes."""
    with torch.device("meta"):
        module = LAYERS[node.kind](**node.settings)
    held = {f"tower.0.forward_cell.{name}": tuple(p.shape) for name, p in module.named_parameters()}
    planned = {p.stored[0]: p.shape for p in node.parameters}
    assert list(planned.items()) == list(held.items())


def test_a_scope_keeps_logical_and_stored_names_apart() -> None:
    place = Scope().child("tower").child("0", layer=0).child("forward", "forward_cell", width=3)
    assert (place.logical, place.stored) == ("tower.0.forward", "tower.0.forward_cell")
    assert (place.name, place.attribute) == ("forward", "forward_cell")
    assert place.variables == {"layer": 0, "width": 3}
    node = place.node("some kind")
    assert (node.name, node.attribute) == ("forward", "forward_cell")
    assert place.within(7, depth=2).positions == 7
    assert place.within(depth=2).variables == {"layer": 0, "width": 3, "depth": 2}
    assert place.child("x").positions == 1


def test_linear() -> None:
    node = primitives.linear(HERE, 3, 7, role="head", nonlinearity="relu", heads=7)
    weight, bias = by_name(node)["weight"], by_name(node)["bias"]
    assert (weight.shape, weight.role, weight.layer) == ((7, 3), "head", "linear")
    assert (weight.fans, weight.heads, weight.blocks) == (Fans(3, 7), 7, 1)
    assert (bias.shape, bias.role, bias.fans) == ((7,), "bias", Fans(3, 7))
    assert weight.nonlinearity == bias.nonlinearity == "relu"
    assert weight.variables == {"depth": 2, "fan_in": 3, "fan_out": 7}
    assert node.flops == 2 * 3 * 7 * 5
    assert [*by_name(primitives.linear(HERE, 3, 7, bias=False))] == ["weight"]
    holds_what_torch_holds(node)


def test_linear_has_no_heads_unless_it_says_so() -> None:
    assert by_name(primitives.linear(HERE, 3, 7))["weight"].heads == 0


def test_an_embedding_looks_up_one_row() -> None:
    node = primitives.embedding(HERE, 10, 4, padding_row=2)
    weight = by_name(node)["weight"]
    assert (weight.shape, weight.role, weight.layer) == ((10, 4), "embedding", "embedding")
    assert weight.fans == Fans(1, 4)
    assert weight.padding_row == 2
    assert weight.variables == {
        "depth": 2, "vocab_size": 10, "width": 4, "fan_in": 1, "fan_out": 4
    }  # fmt: skip
    assert node.flops == 0
    holds_what_torch_holds(node)


def test_a_position_embedding() -> None:
    node = primitives.position_embedding(HERE, 12, 4)
    weight = by_name(node)["weight"]
    assert (weight.shape, weight.role, weight.fans) == ((12, 4), "position", Fans(1, 4))
    assert weight.layer == "position_embedding"
    holds_what_torch_holds(node)


@pytest.mark.parametrize(
    ("sizes", "groups", "shape", "fans"),
    [
        ((6, 6, (3, 3)), 6, (6, 1, 3, 3), Fans(9, 9)),
        ((3, 8, (3, 3)), 1, (8, 3, 3, 3), Fans(27, 72)),
        ((8, 12, (5,)), 4, (12, 2, 5), Fans(10, 15)),
        ((8, 12, (2,)), 1, (12, 8, 2), Fans(16, 24)),
        ((4, 4, (1,)), 1, (4, 4, 1), Fans(4, 4)),
    ],
)
def test_fans_of_a_convolution_are_those_of_one_group(
    sizes: tuple[int, int, tuple[int, ...]],
    groups: int,
    shape: tuple[int, ...],
    fans: Fans,
) -> None:
    node = primitives.convolution(HERE, *sizes, groups=groups, nonlinearity="gelu")
    weight, bias = by_name(node)["weight"], by_name(node)["bias"]
    assert (weight.shape, weight.fans, weight.groups) == (shape, fans, groups)
    assert (weight.layer, weight.role) == (f"conv{len(shape) - 2}d", "weight")
    assert (bias.shape, bias.fans, bias.nonlinearity) == ((shape[0],), fans, "gelu")
    elements = 1
    for size in shape:
        elements *= size
    assert node.flops == 2 * elements * 5
    holds_what_torch_holds(node)


@pytest.mark.parametrize(
    ("kernel", "stride", "fans"),
    [((3, 3), 1, Fans(18, 27)), ((3, 3), 2, Fans(18, 6.75)), ((4, 4), 2, Fans(32, 12)),
     ((3, 3), 3, Fans(18, 3))],
)  # fmt: skip
def test_a_stride_leaves_fewer_outputs_to_an_input(
    kernel: tuple[int, int], stride: int, fans: Fans
) -> None:
    node = primitives.convolution(HERE, 4, 6, kernel, groups=2, stride=stride)
    assert by_name(node)["weight"].fans == fans


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [((3,), 1, 1), ((4,), 1, 0), ((3, 3), 1, "same"), ((3, 3), 2, (1, 1)), ((4, 4), 2, (1, 1))],
)
def test_padding(kernel: tuple[int, ...], stride: int, padding: Any) -> None:
    node = primitives.convolution(HERE, 3, 4, kernel, stride=stride)
    assert node.settings["padding"] == padding
    assert node.settings.get("stride", 1) == stride


@pytest.mark.parametrize(("cell", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_a_recurrent_cell_has_the_fans_of_one_gate(cell: str, gates: int) -> None:
    node = primitives.recurrent_cell(HERE, cell, 3, 5, bias=True)
    found = by_name(node)
    assert [*found] == ["input.weight", "hidden.weight", "input.bias", "hidden.bias"]
    assert [p.stored[0].rpartition(".")[2] for p in node.parameters] == [
        "weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"
    ]  # fmt: skip
    assert [p.shape for p in node.parameters] == [
        (gates * 5, 3), (gates * 5, 5), (gates * 5,), (gates * 5,)
    ]  # fmt: skip
    assert [p.role for p in node.parameters] == [
        "recurrent_input", "recurrent_hidden", "bias", "bias"
    ]  # fmt: skip
    assert [p.fans for p in node.parameters] == [Fans(3, 5), Fans(5, 5)] * 2
    assert {(p.blocks, p.layer, p.nonlinearity) for p in node.parameters} == {(gates, cell, "tanh")}
    assert node.flops == 2 * gates * 5 * (3 + 5) * 5
    holds_what_torch_holds(node)
    without = primitives.recurrent_cell(HERE, cell, 3, 5, bias=False)
    assert [*by_name(without)] == ["input.weight", "hidden.weight"]
    holds_what_torch_holds(without)


def test_the_stored_name_of_a_recurrent_weight() -> None:
    node = primitives.recurrent_cell(HERE, "lstm", 3, 5, bias=True)
    hidden = by_name(node)["hidden.weight"]
    assert hidden.name == "tower.0.forward.hidden.weight"
    assert hidden.stored == ("tower.0.forward_cell.weight_hh_l0",)


def test_norms_have_a_scale_and_a_shift_where_they_say_so() -> None:
    layer = primitives.norm(HERE, "layer_norm", {"eps": 1e-5}, 4, affine=True, bias=True)
    assert [(p.name[16:], p.shape, p.role, p.layer, p.fans) for p in layer.parameters] == [
        ("weight", (4,), "norm_scale", "layer_norm", None),
        ("bias", (4,), "norm_shift", "layer_norm", None),
    ]
    assert layer.settings == {"width": 4, "eps": 1e-5}
    holds_what_torch_holds(layer)
    scale = primitives.norm(HERE, "rms_norm", {}, 4, affine=True, bias=False)
    assert [*by_name(scale)] == ["weight"]
    assert primitives.norm(HERE, "rms_norm", {}, 4, affine=False, bias=True).parameters == ()


def test_a_residual_scale() -> None:
    node = primitives.residual_scale(HERE, 4)
    weight = by_name(node)["weight"]
    assert (weight.shape, weight.role, weight.layer) == ((4,), "residual_scale", "residual_scale")
    assert weight.fans is None
    holds_what_torch_holds(node)


def test_fans_can_be_picked_by_name() -> None:
    fans = Fans(3, 8)
    assert [fans.pick("fan_in"), fans.pick("fan_out"), fans.pick("fan_avg")] == [3.0, 8.0, 5.5]
