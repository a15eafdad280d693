"""PyTorch's norms for layouts that they don't take: channels on the last axis, or on any number.

After a linear layer channels are on the last axis of however many there are; after a convolution
they are on axis 1.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn


class _OnePositionAxis(nn.Module):
    """Reads all axes but batch and channels as one, so that a norm over [B, C, N] takes any shape.

    Shapes: [B, C] and [B, ..., C] with `channels_last`, else [B, C] and [B, C, ...]; the same out.
    """

    def __init__(self, *args: Any, channels_last: bool = True, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.channels_last = channels_last

    def forward(self, x: Tensor) -> Tensor:
        """Normalize `x`."""
        if x.ndim < 3:
            return self._vectors(x)
        flat = x.flatten(1, -2).mT if self.channels_last else x.flatten(2)
        y: Tensor = super().forward(flat)
        return (y.mT if self.channels_last else y).reshape(x.shape)

    def _vectors(self, x: Tensor) -> Tensor:
        y: Tensor = super().forward(x)
        return y


class BatchNorm(_OnePositionAxis, nn.BatchNorm1d):
    """Each channel over the batch and all positions."""


class GroupNorm(_OnePositionAxis, nn.GroupNorm):
    """Each group of channels of each example over all positions."""


class InstanceNorm(_OnePositionAxis, nn.InstanceNorm1d):
    """Each channel of each example over all positions.

    A vector [B, C] has no positions; its channels are taken for those of one signal, which is what
    `torch.nn.InstanceNorm1d` makes of an input of two axes, and here the affine form takes too.
    """

    def _vectors(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, (self.num_features,), self.weight, self.bias, self.eps)


class ChannelLayerNorm(nn.LayerNorm):
    """Layer norm over the channels on axis 1, at each position. Shapes: [B, C, ...] in and out."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalize `input`."""
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


class ChannelRMSNorm(nn.RMSNorm):
    """RMS norm over the channels on axis 1, at each position. Shapes: [B, C, ...] in and out."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalize `x`."""
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)
