"""Statistics of one tensor, in one pass and little memory."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor

from seobuilder.report.parameters import Statistics

BLOCK = 2**17
"""Elements that are held in float64 at a time: 1 MiB."""


@torch.no_grad()
def measure(tensor: Tensor) -> Statistics:
    """Statistics of a real floating-point tensor of any shape, accumulated in float64.

    Non-finite elements are counted and left out of everything else. Means and squared deviations
    of blocks are merged by Chan, Golub and LeVeque 1983, "Algorithms for computing the sample
    variance", equation 2.1, which loses no digits where the mean is far from zero.
    """
    nan = inf = zeros = finite = 0
    mean = squares = l1 = l2_squared = 0.0
    low, high = float("inf"), float("-inf")
    for part in torch.split(tensor.detach().reshape(-1), BLOCK):
        block = part.to(torch.float64)
        is_finite = block.isfinite()
        if not is_finite.all():
            nan += int(block.isnan().sum())
            inf += int(block.isinf().sum())
            block = block[is_finite]
        count = block.numel()
        if count == 0:
            continue
        block_mean = float(block.mean())
        step = block_mean - mean
        total = finite + count
        squares += float((block - block_mean).square().sum()) + step * step * finite * count / total
        mean += step * count / total
        finite = total
        zeros += int((block == 0).sum())
        l1 += float(block.abs().sum())
        l2_squared += float(block.square().sum())
        block_low, block_high = block.aminmax()
        low, high = min(low, float(block_low)), max(high, float(block_high))
    if finite == 0:
        return _nothing_finite(tensor.numel(), nan, inf)
    if low == high:
        # Rounding of the mean would otherwise give a constant a tiny deviation from itself.
        mean, squares = low, 0.0
    return Statistics(
        count=tensor.numel(),
        mean=mean,
        std=sqrt(squares / finite),
        min=low,
        max=high,
        l1=l1,
        l2=sqrt(l2_squared),
        zeros=zeros,
        nan=nan,
        inf=inf,
    )


def _nothing_finite(count: int, nan: int, inf: int) -> Statistics:
    return Statistics(
        count=count,
        mean=None,
        std=None,
        min=None,
        max=None,
        l1=None,
        l2=None,
        zeros=0,
        nan=nan,
        inf=inf,
    )
