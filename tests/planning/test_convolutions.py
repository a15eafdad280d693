"""Stacks of convolutions over sequences and images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from seobuilder.planning.common import Mismatch
from seobuilder.planning.model import Node
from seobuilder.planning.signals import FeatureMap, Sequence, Signal, Tokens, Vector

Build = Callable[..., tuple[Node, Signal]]
Parameters = Callable[[Node], dict[str, str]]

SEQUENCE = Sequence(4, 5, "query")
IMAGE = FeatureMap(3, 9, 12)


def flops(node: Node) -> list[int]:
    return [part.flops for part in node.walk() if part.flops]


def test_parallel_kernels_stand_side_by_side(build: Build, parameters: Parameters) -> None:
    node, signal = build({"kind": "conv", "channels": [6, 2], "kernel": [2, 3]}, SEQUENCE)
    assert parameters(node) == {
        "m.0.kernel_2.weight": "6x4x2 weight 8/12",
        "m.0.kernel_2.bias": "6 bias 8/12",
        "m.0.kernel_3.weight": "6x4x3 weight 12/18",
        "m.0.kernel_3.bias": "6 bias 12/18",
        "m.1.kernel_2.weight": "2x12x2 weight 24/4",
        "m.1.kernel_2.bias": "2 bias 24/4",
        "m.1.kernel_3.weight": "2x12x3 weight 36/6",
        "m.1.kernel_3.bias": "2 bias 36/6",
    }
    assert signal == Sequence(4, 5, "query")
    assert flops(node) == [2 * 5 * n for n in (6 * 4 * 2, 6 * 4 * 3, 2 * 12 * 2, 2 * 12 * 3)]


def test_a_norm_spans_all_kernels(build: Build) -> None:
    rule = '- {match: "m.*", method: batch_norm, placement: after_activation}'
    spec = {"kind": "conv", "channels": [6], "kernel": [2, 3], "activation": "tanh"}
    node, _ = build(spec, SEQUENCE, normalization=rule)
    (block,) = node.children
    assert block.settings == {
        "activation": "tanh", "dropout": 0.0, "placement": "after_activation"
    }  # fmt: skip
    assert [child.name for child in block.children] == ["norm", "kernel_2", "kernel_3"]
    assert block.children[0].settings["width"] == 12


def test_groups_of_a_sequence(build: Build, parameters: Parameters) -> None:
    spec = {"kind": "conv", "channels": [8], "kernel": 3, "groups": 4, "bias": False}
    node, _ = build(spec, SEQUENCE)
    assert parameters(node) == {"m.0.kernel_3.weight": "8x1x3 weight 3/6"}
    assert [p.groups for part in node.walk() for p in part.parameters] == [4]


def test_images(build: Build, parameters: Parameters) -> None:
    spec = {"kind": "conv", "channels": [6, 6], "kernel": 3, "pool": 2, "groups": 3, "bias": False}
    node, signal = build(spec, IMAGE)
    assert parameters(node) == {
        "m.0.conv.weight": "6x1x3x3 weight 9/18",
        "m.1.conv.weight": "6x2x3x3 weight 18/18",
    }
    assert signal == FeatureMap(6, 2, 3)
    assert flops(node) == [2 * 6 * 9 * 9 * 12, 2 * 6 * 18 * 4 * 6]
    assert [p.variables for part in node.walk() for p in part.parameters] == [
        {"depth": 2, "layer": 0, "width": 6, "fan_in": 9, "fan_out": 18},
        {"depth": 2, "layer": 1, "width": 6, "fan_in": 18, "fan_out": 18},
    ]


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("stride", [2, 3])
def test_a_stride_leaves_what_torch_leaves(build: Build, kernel: int, stride: int) -> None:
    spec = {"kind": "conv", "channels": [4], "kernel": kernel, "stride": stride}
    node, signal = build(spec, IMAGE)
    conv = nn.Conv2d(**node.children[0].children[0].settings, device="meta")
    shape = conv(torch.empty(1, 3, 9, 12, device="meta")).shape
    assert signal == FeatureMap(*shape[1:])
    assert flops(node) == [2 * 4 * 3 * kernel**2 * shape[2] * shape[3]]


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("stride", [2, 3])
def test_transposed_a_stride_makes_an_image_so_many_times_as_large(
    build: Build, kernel: int, stride: int
) -> None:
    spec = {"kind": "conv", "channels": [4], "kernel": kernel, "stride": stride, "transposed": True}
    node, signal = build(spec, IMAGE)
    primitive = node.children[0].children[0]
    assert primitive.kind == "conv_transpose2d"
    conv = nn.ConvTranspose2d(**primitive.settings, device="meta")
    assert primitive.parameters[0].shape == tuple(conv.weight.shape)
    shape = conv(torch.empty(1, 3, 9, 12, device="meta")).shape
    assert signal == FeatureMap(*shape[1:]) == FeatureMap(4, 9 * stride, 12 * stride)
    assert flops(node) == [2 * 4 * 3 * kernel**2 * 9 * 12]


def test_transposed_fans_count_the_inputs_that_reach_an_output(
    build: Build, parameters: Parameters
) -> None:
    spec = {"kind": "conv", "channels": [6], "groups": 3, "transposed": True}
    even, _ = build({**spec, "kernel": 4, "stride": 2}, IMAGE)
    assert parameters(even) == {
        "m.0.conv.weight": "3x2x4x4 weight 4/32",
        "m.0.conv.bias": "6 bias 4/32",
    }
    # Of nine taps, a stride of two leaves one, two, two or four for an output.
    odd, _ = build({**spec, "kernel": 3, "stride": 2}, IMAGE)
    assert parameters(odd)["m.0.conv.weight"] == "3x2x3x3 weight 2.25/18"
    same, _ = build({**spec, "kernel": 3}, IMAGE)
    assert parameters(same)["m.0.conv.weight"] == "3x2x3x3 weight 9/18"


@pytest.mark.parametrize(
    ("spec", "signal", "message", "key"),
    [
        ({"kernel": 3}, Tokens(5, 10, 0, "query"),
         "needs a sequence or an image, and gets tokens [batch, 5]; put a token_embedding between",
         "from"),
        ({"kernel": 3}, Vector(4),
         "needs a sequence or an image, and gets a vector [batch, 4]", "from"),
        ({"kernel": 3, "transposed": True}, SEQUENCE,
         "`transposed` is for images; a sequence keeps its length", "transposed"),
        ({"kernel": 3, "stride": 2}, SEQUENCE,
         "`stride` is for images; a sequence keeps its length", "stride"),
        ({"kernel": 3, "pool": 2}, SEQUENCE,
         "`pool` is for images; a sequence keeps its length", "pool"),
        ({"kernel": [3, 2, 3]}, SEQUENCE, "a kernel size is listed twice", "kernel"),
        ({"kernel": 3, "groups": 3}, SEQUENCE,
         "3 groups do not divide 4 input and 8 output channels", "groups"),
        ({"kernel": 3, "groups": 4}, IMAGE,
         "4 groups do not divide 3 input and 8 output channels", "groups"),
        ({"kernel": [3, 5]}, IMAGE,
         "parallel kernel sizes are for sequences; name one for an image", "kernel"),
        ({"kernel": 4}, IMAGE, "an image needs an odd kernel size, or a stride", "kernel"),
        ({"kernel": 3, "pool": 4}, IMAGE, "nothing is left of the image after layer 1", "channels"),
        ({"kernel": 4, "stride": 4}, FeatureMap(3, 1, 9),
         "nothing is left of the image after layer 0", "channels"),
    ],
)  # fmt: skip
def test_what_does_not_fit(
    build: Build, spec: dict[str, Any], signal: Signal, message: str, key: str
) -> None:
    with pytest.raises(Mismatch) as caught:
        build({"kind": "conv", "channels": [8, 8], **spec}, signal)
    assert (str(caught.value), caught.value.key) == (message, key)
