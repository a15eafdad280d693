from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seobuilder.layers import Conv2dBlock, ConvBlock, SequenceConv1d, Stack
from seobuilder.norm import BatchNorm, GroupNorm, InstanceNorm


def conv(width: int, out: int = 8, dilation: int = 1) -> nn.Conv1d:
    # torch warns of a copy for "same" padding of an even width; the block pads that itself.
    padding = "same" if width % 2 else 0
    return nn.Conv1d(8, out, width, padding=padding, dilation=dilation)


@pytest.mark.parametrize("placement", ["before_activation", "after_activation"])
@pytest.mark.parametrize(
    "norm", [lambda: None, lambda: BatchNorm(8), lambda: GroupNorm(2, 8), lambda: InstanceNorm(8)]
)
def test_padding_changes_nothing(padding_changes_nothing, norm, placement) -> None:
    layer = Stack(
        [
            ConvBlock("gelu", norm(), placement, narrow=conv(2, 3), wide=conv(5, 5)),
            ConvBlock("sigmoid", norm(), placement, conv=conv(3, dilation=2)),
        ]
    )
    padding_changes_nothing(layer)


def test_parallel_convolutions_are_concatenated_in_order() -> None:
    narrow, wide = conv(1, 2), conv(3, 4)
    block = ConvBlock("relu", b=narrow, a=wide)
    x = torch.randn(2, 6, 8)
    y = block(x)
    assert y.shape == (2, 6, 6)
    torch.testing.assert_close(y[..., :2], narrow(x.transpose(1, 2)).transpose(1, 2).relu())
    torch.testing.assert_close(y[..., 2:], wide(x.transpose(1, 2)).transpose(1, 2).relu())
    names = {name for name, _ in block.named_parameters()}
    assert names == {"a.weight", "a.bias", "b.weight", "b.bias"}


def test_explicit_padding_that_keeps_the_length_is_accepted() -> None:
    block = ConvBlock("relu", conv=nn.Conv1d(8, 8, 5, padding=4, dilation=2))
    assert block(torch.randn(1, 3, 8)).shape == (1, 3, 8)


@pytest.mark.parametrize(("width", "padding"), [(2, 0), (3, 0), (4, 0), (3, "same")])
def test_the_length_is_kept_as_same_padding_keeps_it(width: int, padding: int | str) -> None:
    plain = nn.Conv1d(8, 8, width, padding=padding)
    x = torch.randn(2, 5, 8)
    total = width - 1
    around = F.pad(x.transpose(1, 2), (total // 2, total - total // 2))
    expected = F.conv1d(around, plain.weight, plain.bias).transpose(1, 2)
    torch.testing.assert_close(ConvBlock("identity", conv=plain)(x), expected)


@pytest.mark.parametrize(
    "bad", [nn.Conv1d(8, 8, 3, padding=2), nn.Conv1d(8, 8, 3, padding=1, stride=2)]
)
def test_convolutions_that_change_the_length_are_refused(bad: nn.Conv1d) -> None:
    with pytest.raises(ValueError, match="'conv' has a stride or too much padding"):
        ConvBlock("relu", conv=bad)


def test_a_block_without_convolution_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a convolution"):
        ConvBlock("relu")


def twins(width: int, **settings) -> tuple[SequenceConv1d, nn.Conv1d]:
    ours, torchs = SequenceConv1d(8, 6, width, **settings), nn.Conv1d(8, 6, width, **settings)
    torchs.load_state_dict(ours.state_dict())
    return ours, torchs


SETTINGS = [
    {},
    {"bias": False},
    {"padding": 2},
    {"padding": "same"},
    {"dilation": 2, "padding": 1},
    {"stride": 2},
    {"stride": 3, "padding": 1},
    {"groups": 2},
    {"padding": 1, "padding_mode": "circular"},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("width", [1, 3, 5])
def test_a_short_convolution_is_torchs(width: int, settings: dict) -> None:
    ours, torchs = twins(width, **settings)
    x = torch.randn(32, 12, 8, dtype=torch.float64)
    found, expected = (x.clone().requires_grad_() for _ in range(2))
    for conv, given in ((ours.double(), found), (torchs.double(), expected)):
        conv(given.transpose(1, 2)).square().sum().backward()
    torch.testing.assert_close(ours(x.transpose(1, 2)), torchs(x.transpose(1, 2)))
    torch.testing.assert_close(found.grad, expected.grad)
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, torchs.get_parameter(name).grad)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_short_convolution_in_half_precision_is_torchs(dtype: torch.dtype) -> None:
    ours, torchs = twins(3, padding=1)
    x = torch.randn(32, 8, 12, dtype=dtype)
    torch.testing.assert_close(ours.to(dtype)(x), torchs.to(dtype)(x))


@pytest.mark.parametrize(
    ("shape", "settings", "expected"),
    [
        ((32, 8, 12), {}, 0),
        ((32, 8, 12), {"groups": 2}, 1),
        ((32, 8, 12), {"dilation": 6, "padding": 1}, 1),
        ((32, 8, 65), {}, 1),
        ((1, 8, 12), {}, 1),
        ((8, 12), {}, 1),
    ],
    ids=["short", "groups", "wide", "long", "one row", "no rows"],
)
def test_only_batches_of_short_sequences_are_one_product(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], settings: dict, expected: int
) -> None:
    calls = []
    plain = nn.Conv1d._conv_forward
    monkeypatch.setattr(
        nn.Conv1d, "_conv_forward", lambda *given: calls.append(given) or plain(*given)
    )
    SequenceConv1d(8, 6, 3, **settings)(torch.randn(shape))
    assert len(calls) == expected


def test_an_exported_convolution_takes_any_length() -> None:
    conv = SequenceConv1d(8, 6, 3, padding=1).eval()
    axes = {0: torch.export.Dim("rows"), 2: torch.export.Dim("time")}
    program = torch.export.export(conv, (torch.randn(32, 8, 12),), dynamic_shapes=(axes,))
    for shape in ((32, 8, 12), (2, 8, 100)):
        x = torch.randn(shape)
        torch.testing.assert_close(program.module()(x), conv(x))


def test_conv2d_block() -> None:
    convolution, norm = nn.Conv2d(3, 4, 3, padding=1), BatchNorm(4)
    x = torch.randn(2, 3, 8, 8)
    block = Conv2dBlock(convolution, "relu", norm, "after_activation", pool=2).eval()
    torch.testing.assert_close(block(x), F.max_pool2d(norm(convolution(x).relu()), 2))
    assert Conv2dBlock(convolution, "relu")(x).shape == (2, 4, 8, 8)
