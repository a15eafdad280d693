"""Residual connections: the sum of what came in and a branch, and factors on both.

Axes: C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualScale(nn.Module):
    """A learned factor on the branch of a residual connection.

    y = weight * x, with one weight for each channel (LayerScale), or one for all (ReZero).

    Shapes: [..., C] to [..., C]. `weight` is [C] or [1].

    Source: Going deeper with Image Transformers (Touvron et al. 2021, arXiv:2103.17239, equation
    4); ReZero is All You Need (Bachlechner et al. 2020, arXiv:2003.04887, equation 2).
    """

    def __init__(self, width: int) -> None:
        """Hold `width` factors."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Factors of 1: the branch as it is."""
        nn.init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Scale `x`."""
        return x * self.weight

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return str(self.weight.shape[0])


def join(
    skip: Tensor, branch: Tensor, scale: nn.Module | None, skip_scale: float, branch_scale: float
) -> Tensor:
    """skip_scale * skip + branch_scale * scale(branch), of one shape; 0 leaves out the skip path.

    Source: Deep Residual Learning for Image Recognition (He et al. 2016, arXiv:1512.03385, equation
    1).
    """
    if scale is not None:
        branch = scale(branch)
    if branch_scale != 1.0:
        branch = branch_scale * branch
    if skip_scale == 0.0:
        return branch
    if skip_scale != 1.0:
        skip = skip_scale * skip
    return skip + branch
