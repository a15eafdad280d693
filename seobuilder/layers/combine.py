"""Several tensors to one.

Axes: B batch, T time, C channels, H height, W width.
"""

from __future__ import annotations

from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn

from seobuilder.layers.heads import unit_vectors


class Concat(nn.Module):
    """Tensors side by side along their channels.

    Shapes: n of [B, C_i] to [B, sum C_i]; also [B, T, C_i], or [B, C_i, H, W], alike but in C_i.
    """

    def forward(self, *xs: Tensor) -> Tensor:
        """Put `xs` side by side."""
        return torch.cat(xs, dim=1 if xs[0].ndim == 4 else -1)


class Add(nn.Module):
    """The sum of tensors: y = x_1 + ... + x_n.

    Shapes: n of one shape to the same.

    Raises:
        ValueError: the shapes differ.
    """

    def forward(self, *xs: Tensor) -> Tensor:
        """Add `xs` up."""
        if any(x.shape != xs[0].shape for x in xs):
            raise ValueError(f"cannot add the shapes {', '.join(str(tuple(x.shape)) for x in xs)}")
        return reduce(torch.add, xs)


class Interaction(nn.Module):
    """How two vectors u and v relate.

    dot: u . v. cosine: u . v / (|u| |v|), and 0 where one is the zero vector. matching:
    [u, v, |u - v|, u * v], elementwise.

    Shapes: two of [B, C] to [B, 1] for dot and cosine, [B, 4 C] for matching.

    Raises:
        ValueError: the method is unknown.

    Source: matching, Natural Language Inference by Tree-Based Convolution and Heuristic Matching
    (Mou et al. 2016, arXiv:1512.08422, equation 3).
    """

    def __init__(self, method: Literal["dot", "cosine", "matching"]) -> None:
        """Relate by `method`."""
        super().__init__()
        if method not in ("dot", "cosine", "matching"):
            raise ValueError(f"unknown interaction {method!r}, expected dot, cosine or matching")
        self.method = method

    def forward(self, u: Tensor, v: Tensor) -> Tensor:
        """Relate `u` to `v`."""
        if self.method == "matching":
            return torch.cat((u, v, (u - v).abs(), u * v), dim=-1)
        if self.method == "cosine":
            u, v = unit_vectors(u), unit_vectors(v)
        return (u * v).sum(dim=-1, keepdim=True)

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return self.method
