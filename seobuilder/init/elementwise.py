"""Families in which element i of the flat tensor depends on word i of the stream alone.

Each sampler is called as (distribution, uniforms, out): it fills `out`, contiguous float32 or
float64 [n], in place with the elements whose uniforms come next. Continuous families are drawn by
inversion: the uniform of the element goes through the inverse of the distribution's CDF. Every step
works in place, in the memory of the weight itself, on a block that stays in the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erf, erfc, sqrt
from typing import Any

import torch
from torch import Tensor

from seobuilder.init.streams import Stream, Uniforms
from seobuilder.init.threads import Spread
from seobuilder.planning.distributions import Constant, Normal, TruncatedNormal, Uniform

BLOCK = 1 << 19
"""Elements drawn at a time: few enough for a processor's cache, and so many that threads seldom
wait for Python between two steps."""

WIDE_BLOCK = 1 << 16
"""Elements found at a time in float64, which takes several copies."""

Sampler = Callable[[Any, Uniforms, Tensor], object]


def constant(d: Constant, uniforms: Uniforms, out: Tensor) -> None:
    """One value, without a draw."""
    out.fill_(d.value)


def uniform(d: Uniform, uniforms: Uniforms, out: Tensor) -> None:
    """The middle, and half the width times a uniform in (-1, 1)."""
    uniforms.read_(out).mul_((d.high - d.low) / 2)
    if d.low != -d.high:
        # Rounding might step over an end.
        out.add_((d.low + d.high) / 2).clamp_(d.low, d.high)


def normal(d: Normal, uniforms: Uniforms, out: Tensor) -> None:
    """mean + std sqrt(2) erfinv(x), x in (-1, 1). Up to 5.42 standard deviations in float32."""
    uniforms.read_(out).erfinv_().mul_(sqrt(2) * d.std)
    if d.mean:
        out.add_(d.mean)


def truncated_normal(d: TruncatedNormal, uniforms: Uniforms, out: Tensor) -> None:
    """Inversion between the CDF values of the cuts.

    With symmetric cuts erf(cut / sqrt(2)) x takes the place of x, at full relative precision.
    Others are found in float64, whatever the weight's dtype.
    """
    if d.cut_low == -d.cut_high:
        uniforms.read_(out).mul_(erf(d.cut_high / sqrt(2)))
        out.erfinv_().mul_(sqrt(2) * d.parent_std)
        if d.mean:
            out.add_(d.mean)
    else:
        for part in torch.split(out, WIDE_BLOCK):
            wide = part if part.dtype == torch.float64 else torch.empty_like(part).double()
            standard = _between(d.cut_low, d.cut_high, uniforms.read_(wide))
            # Both may be many times the result, between cuts far out.
            part.copy_(standard.mul_(d.parent_std).add_(d.parent_mean))
    out.clamp_(d.low, d.high)


def write(
    flat: Tensor,
    sample: Sampler,
    distribution: object,
    stream: Stream,
    start: int,
) -> None:
    """Fill `flat` with the elements from index `start` on, block by block, on this thread.

    A narrower dtype than float32 gets rounded float32 values.
    """
    uniforms = stream.uniforms(start)
    direct = flat.dtype in (torch.float32, torch.float64)
    values = torch.empty(0 if direct else min(BLOCK, len(flat)))
    size = WIDE_BLOCK if flat.dtype == torch.float64 else BLOCK
    for offset in range(0, len(flat), size):
        block = flat[offset : offset + size]
        out = block if direct else values[: len(block)]
        sample(distribution, uniforms, out)
        if not direct:
            block.copy_(out)


def standard_normal_(tensor: Tensor, stream: Stream, spread: Spread) -> Tensor:
    """Fill a whole contiguous tensor, float32 or float64, with standard normals."""
    flat, distribution = tensor.view(-1), Normal(0.0, 1.0)

    def part(start: int) -> None:
        write(flat[start : start + BLOCK], normal, distribution, stream, start)

    spread(part, range(0, len(flat), BLOCK))
    return tensor


def _between(low: float, high: float, uniforms: Tensor) -> Tensor:
    """Standard normals between two cuts, from float64 uniforms in (-1, 1).

    A value on the right of zero is found from its upper tail, mirrored: an upper tail keeps its
    precision where 1 - CDF would round to zero.
    """
    mass = _upper_tail(low) - _upper_tail(high)
    if high <= 0:
        mass = _upper_tail(-high) - _upper_tail(-low)
    left_mass = max(0.0, _upper_tail(-min(high, 0.0)) - _upper_tail(-low))
    # 1 + x and 1 - x are exact where they are small.
    from_low, from_high = (1 + uniforms) * (mass / 2), (1 - uniforms) * (mass / 2)
    left = from_low < left_mass
    tails = torch.where(left, from_low.add_(_upper_tail(-low)), from_high.add_(_upper_tail(high)))
    quantiles = torch.special.ndtri(tails)
    return torch.where(left, quantiles, -quantiles).clamp_(low, high)


def _upper_tail(x: float) -> float:
    """Probability that a standard normal exceeds x, with full relative precision for x > 0."""
    return erfc(x / sqrt(2)) / 2
