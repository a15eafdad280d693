"""Blocks of convolutions over sequences and maps.

Axes: B batch, T time, C channels, H height, W width.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seobuilder.layers.activation import Activated, Placement
from seobuilder.layers.masks import zero_padding

SHORT, WORTH_IT = 64, 256
"""Positions of a sequence at most, and of a batch at least, where one matrix product is faster."""


class SequenceConv1d(nn.Conv1d):
    """PyTorch's convolution along a sequence, for batches of short ones faster on a processor.

    y[b, :, t] = W [x[b, :, t], ..., x[b, :, t + d (K - 1)]] + bias, x with its padding: the windows
    of all positions, side by side, times the kernel as one matrix. That takes K times the memory of
    x, and two thirds of the time of a convolution for texts of a few words; in long sequences
    the copies cost what the product saves. Parameters and values are those of `nn.Conv1d`, values
    but for rounding. What is compiled or exported is PyTorch's convolution, for any shape.

    Shapes: x [B, C, T] to [B, C', T'], as in `nn.Conv1d`; fastest where x is [B, T, C] in memory.

    Source: High Performance Convolutional Neural Networks for Document Processing (Chellapilla,
    Puri and Simard 2006, section 2.2).
    """

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if torch.compiler.is_compiling() or not self._is_product_faster(input):
            found: Tensor = super()._conv_forward(input, weight, bias)
            return found
        (step,), (stride,), (taps,) = self.dilation, self.stride, self.kernel_size
        x = F.pad(input.transpose(1, 2), (0, 0, *self._reversed_padding_repeated_twice))
        length = x.shape[1] - step * (taps - 1)
        shifted = [x[:, step * tap : step * tap + length : stride] for tap in range(taps)]
        windows = torch.cat(shifted, dim=2) if taps > 1 else shifted[0]
        return F.linear(windows, weight.transpose(1, 2).flatten(1), bias).transpose(1, 2)

    def _is_product_faster(self, x: Tensor) -> bool:
        return (
            x.device.type == "cpu"
            and x.ndim == 3
            and self.groups == 1
            and self.padding_mode == "zeros"
            and self.dilation[0] * (self.kernel_size[0] - 1) < x.shape[2] <= SHORT
            and x.shape[0] * x.shape[2] >= WORTH_IT
        )


class ConvBlock(Activated):
    """Convolutions along a sequence, side by side, then an activation and a norm around it.

    y = dropout(activation(norm([conv_1(x), conv_2(x), ...]))), channels concatenated in the order
    given; the norm may stand after the activation, and a skip path adds x, as `Activated` says.
    Padded positions are zero when the convolutions see them, as the sequence's surroundings are;
    where a convolution pads less than keeps T, the block adds the rest.

    Shapes: x [B, T, C] and mask [B, T] to [B, T, sum of the convolutions' channels]. The
    convolutions keep T.

    Raises:
        ValueError: no convolution is given, or one has a stride, or more padding than keeps T.

    Source: Convolutional Neural Networks for Sentence Classification (Kim 2014, arXiv:1408.5882,
    equations 2 and 3).
    """

    def __init__(
        self,
        activation: str,
        norm: nn.Module | None = None,
        placement: Placement = "before_activation",
        dropout: float = 0.0,
        scale: nn.Module | None = None,
        skip_scale: float = 0.0,
        branch_scale: float = 1.0,
        **convs: nn.Module,
    ) -> None:
        """Take the activation's name, what stands around it, and named convolutions."""
        super().__init__(activation, norm, placement, dropout, scale, skip_scale, branch_scale)
        if not convs:
            raise ValueError("a convolution block needs a convolution")
        for name, conv in convs.items():
            if not _keeps_length(conv):
                raise ValueError(f"convolution {name!r} has a stride or too much padding")
            self.add_module(name, conv)
        self._conv_names = tuple(convs)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Send `x` through the block."""
        x = zero_padding(x, mask)
        found = [_convolve(getattr(self, name), x) for name in self._conv_names]
        y = found[0] if len(found) == 1 else torch.cat(found, dim=2)
        return self._join(x, self._activate(y, mask))


class Conv2dBlock(Activated):
    """A convolution over a map, an activation, a norm around it, and max-pooling.

    y = dropout(pool(activation(norm(conv(x))))); the norm may stand after the activation, and a
    skip path adds x, as `Activated` says.

    Shapes: [B, C, H, W] to [B, C', H' // pool, W' // pool], where H' and W' are the convolution's;
    the same with a skip path.

    Source: Very Deep Convolutional Networks for Large-Scale Image Recognition (Simonyan and
    Zisserman 2014, arXiv:1409.1556, section 2.1).
    """

    def __init__(
        self,
        conv: nn.Module,
        activation: str,
        norm: nn.Module | None = None,
        placement: Placement = "before_activation",
        pool: int = 1,
        **more: Any,
    ) -> None:
        """Take the convolution, the activation's name, and what `Activated` takes beside it.

        `pool` is max-pooling's factor, 1 for none.
        """
        super().__init__(activation, norm, placement, **more)
        self.conv = conv
        self.pool = pool

    def forward(self, x: Tensor, mask: None = None) -> Tensor:
        """Send `x` through the block; maps have no mask."""
        y = self._activate(self.conv(x), mask)
        if self.pool > 1:
            y = F.max_pool2d(y, self.pool)
        return self._join(x, y)


def _convolve(conv: nn.Module, x: Tensor) -> Tensor:
    """`conv` over x [B, T, C] with what it lacks of "same" padding, the odd zero at the end."""
    missing = _missing_padding(conv)
    if missing:
        x = F.pad(x, (0, 0, missing // 2, missing - missing // 2))
    found: Tensor = conv(x.transpose(1, 2)).transpose(1, 2)
    return found


def _missing_padding(conv: nn.Module) -> int:
    """Zeros that "same" padding needs beyond the convolution's own, negative if it has too many."""
    assert isinstance(conv, nn.Conv1d)
    if isinstance(conv.padding, str):
        return 0 if conv.padding == "same" else -1
    return conv.dilation[0] * (conv.kernel_size[0] - 1) - 2 * conv.padding[0]


def _keeps_length(conv: nn.Module) -> bool:
    return isinstance(conv, nn.Conv1d) and conv.stride == (1,) and _missing_padding(conv) >= 0
