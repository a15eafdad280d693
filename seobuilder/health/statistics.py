"""Statistics of one tensor, in one pass and little memory."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from math import isfinite, sqrt

import torch
from torch import Tensor

from seobuilder.init.threads import sharing
from seobuilder.report.parameters import Statistics

BLOCK = 1 << 18
"""Elements that are held in float64 at a time: 2 MiB, few enough for a processor's cache, and so
many that threads seldom wait for Python between two steps."""

PART = 1 << 21
"""Elements that one thread takes at a time."""

_ENOUGH = 1e-3
"""Share of the squares that must be left beside those of the mean for their difference to hold."""


@torch.no_grad()
def measure(tensor: Tensor) -> Statistics:
    """Statistics of a real floating-point tensor of any shape, accumulated in float64.

    Non-finite elements are counted and left out of everything else. Means and squared deviations
    of blocks are merged by Chan, Golub and LeVeque 1983, "Algorithms for computing the sample
    variance", equation 2.1, which loses no digits where the mean is far from zero. Blocks are
    merged in their order, so the number of threads changes no bit.

    Raises:
        TypeError: the tensor holds integers, truth values or complex numbers.
    """
    if not tensor.is_floating_point():
        raise TypeError(f"only real floating-point tensors are measured, not {tensor.dtype}")
    parts = torch.split(tensor.detach().reshape(-1), PART)
    with sharing(len(parts)) as spread:
        return reduce(_Sums.merge, spread(_sum_part, parts)).statistics()


@dataclass(frozen=True, slots=True)
class _Sums:
    """What some elements add up to; `squares` are those of deviations from the mean."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    l1: float = 0.0
    l2_squared: float = 0.0
    low: float = float("inf")
    high: float = float("-inf")
    zeros: int = 0
    nan: int = 0
    inf: int = 0

    def merge(self, other: _Sums) -> _Sums:
        """The sums of both."""
        count = self.count + other.count
        step = other.mean - self.mean
        share = other.count / count if count else 0.0
        return _Sums(
            count,
            self.mean + step * share,
            self.squares + other.squares + step * step * self.count * share,
            self.l1 + other.l1,
            self.l2_squared + other.l2_squared,
            min(self.low, other.low),
            max(self.high, other.high),
            self.zeros + other.zeros,
            self.nan + other.nan,
            self.inf + other.inf,
        )

    def statistics(self) -> Statistics:
        """The record of these sums."""
        some = self.count > 0
        # Rounding of the mean would otherwise give a constant a tiny deviation from itself.
        constant = self.low == self.high
        return Statistics(
            count=self.count + self.nan + self.inf,
            mean=(self.low if constant else self.mean) if some else None,
            std=(0.0 if constant else sqrt(self.squares / self.count)) if some else None,
            min=self.low if some else None,
            max=self.high if some else None,
            l1=self.l1 if some else None,
            l2=sqrt(self.l2_squared) if some else None,
            zeros=self.zeros,
            nan=self.nan,
            inf=self.inf,
        )


def _sum_part(part: Tensor) -> _Sums:
    wide = torch.empty(min(BLOCK, part.numel()), dtype=torch.float64)
    # float32 has half the bytes to read, and as exact extremes; narrower ones lack operations.
    is_single = part.dtype == torch.float32 and part.device.type == "cpu"
    total = _Sums()
    for block in torch.split(part, BLOCK):
        copy = wide[: block.numel()].copy_(block)
        total = total.merge(_sum_block(block if is_single else copy, copy))
    return total


def _sum_block(block: Tensor, wide: Tensor) -> _Sums:
    """Sums of a block; `wide` are its elements in float64, and may be the block itself."""
    total = float(wide.sum())
    if isfinite(total):
        return _sum_finite(block, wide, total)
    nan, inf = int(wide.isnan().sum()), int(wide.isinf().sum())
    finite = wide[wide.isfinite()]
    return _Sums(nan=nan, inf=inf).merge(_sum_finite(finite, finite, float(finite.sum())))


def _sum_finite(block: Tensor, wide: Tensor, total: float) -> _Sums:
    """Sums of finite elements; `wide`, which may be the block itself, is overwritten."""
    count = block.numel()
    if count == 0:
        return _Sums()
    mean = total / count
    low, high = map(float, block.aminmax())
    l2_squared = float(torch.dot(wide, wide))
    squares = l2_squared - total * mean
    if not squares > _ENOUGH * l2_squared:
        deviations = wide - mean
        squares = float(torch.dot(deviations, deviations))
    l1 = float(wide.abs_().sum())
    # Counting takes longer than finding the smallest, and most weights hold no zero.
    zeros = 0
    if low <= 0 <= high and float(wide.amin()) == 0:
        zeros = count - int(wide.count_nonzero())
    return _Sums(count, mean, squares, l1, l2_squared, low, high, zeros)
