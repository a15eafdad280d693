"""Norm over groups of channels of one example."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from seobuilder.norm.statistics import (
    ChannelAffine,
    as_given,
    as_map,
    check_layout,
    in_blocks,
    standardized,
)


class GroupNorm(ChannelAffine):
    """Group norm whose statistics see real positions only.

    y = weight * (x - mean) / sqrt(var + eps) + bias. The channels are cut into `num_groups` groups
    of neighbours; mean and biased variance of each group of each example are over the group's
    channels and all real positions. Without a mask it is `torch.nn.GroupNorm`.

    Shapes: [B, C], [B, T, C] (mask [B, T]) or [B, C, H, W] in and out.

    Raises:
        ValueError: `num_groups` does not divide `width`.

    Source: Group Normalization (Wu and He 2018, arXiv:1803.08494, equations 1, 2 and 7).
    """

    def __init__(self, num_groups: int, width: int, eps: float = 1e-5, affine: bool = True) -> None:
        """Cut `width` channels into `num_groups`; `eps` joins the variance."""
        if width % num_groups:
            raise ValueError(f"{num_groups} groups do not divide {width} channels")
        super().__init__(width, scale=affine, shift=affine)
        self.num_groups = num_groups
        self.eps = eps

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalize each group of each example of `x` by its own real positions."""
        check_layout(x, mask)
        if mask is not None:
            return self._masked(x, mask)
        # The functional form refuses groups of one value, which a sequence of one token may have.
        y = torch.group_norm(as_map(x), self.num_groups, self.weight, self.bias, self.eps)
        return as_given(y, x)

    def _masked(self, x: Tensor, mask: Tensor) -> Tensor:
        groups = x.reshape(*x.shape[:2], self.num_groups, -1)
        affine = self._affine((self.num_groups, -1))
        steps = partial(standardized, axes=(1, 3), eps=self.eps)
        return in_blocks(steps, groups, mask[..., None, None], *affine, axes=(1, 3)).flatten(-2)

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        affine = self.weight is not None
        return f"{self.num_groups}, {self.width}, eps={self.eps}, affine={affine}"
