"""How the elements of a tensor are spread, beside what was declared."""

from __future__ import annotations

from math import prod, sqrt

import numpy as np
import torch
from torch import Tensor

from seobuilder.health.shapes import Values, declared_cdf, declared_ends, declared_nonzeros
from seobuilder.init.threads import sharing
from seobuilder.planning.distributions import Distribution
from seobuilder.report.parameters import Histogram, Statistics

BINS = 33
"""An odd number: where the ends are symmetric, zero lies within a bin, and not between two."""

REACH = 4.5
"""Standard deviations on both sides of the mean that are shown where no ends are declared."""

_PART = 1 << 20


@torch.no_grad()
def histogram(
    tensor: Tensor,
    measured: Statistics,
    distribution: Distribution | None = None,
    shape: tuple[int, ...] | None = None,
) -> Histogram | None:
    """Finite elements counted in `BINS` equal bins.

    The ends are the declared ones, or `REACH` standard deviations from the mean, but no further
    than the data reaches; the few elements beyond are in no bin.

    Args:
        tensor: real and floating-point, of any shape; a padding row is left out by the caller.
        measured: its statistics.
        distribution: what it was drawn from, where that was declared.
        shape: that of the whole parameter, where the tensor is a part of it.

    Returns:
        None if nothing is finite, or all finite elements are equal.
    """
    shape = shape or tuple(tensor.shape)
    ends = _ends(measured, distribution, shape)
    if ends is None:
        return None
    low, high = ends

    def count(part: Tensor) -> Tensor:
        values = part.to(device="cpu", dtype=torch.float64)
        return torch.histc(values, BINS, low, high)

    parts = torch.split(tensor.detach().reshape(-1), _PART)
    with sharing(len(parts)) as spread:
        counts = sum(spread(count, parts), torch.zeros(BINS, dtype=torch.float64))
    edges = np.linspace(low, high, BINS + 1)
    expected = _expected(edges, tensor.numel(), distribution, shape)
    return Histogram(low=low, high=high, counts=tuple(int(c) for c in counts), expected=expected)


def _ends(
    measured: Statistics, distribution: Distribution | None, shape: tuple[int, ...]
) -> tuple[float, float] | None:
    if measured.min is None or measured.max is None or measured.min == measured.max:
        return None
    if measured.mean is None or measured.std is None:
        return None
    # Declared zeros make the standard deviation smaller than that of what was drawn.
    nonzeros = declared_nonzeros(distribution, shape) or prod(shape)
    reach = REACH * measured.std * sqrt(prod(shape) / nonzeros)
    low, high = declared_ends(distribution) or (measured.mean - reach, measured.mean + reach)
    low, high = max(low, measured.min), min(high, measured.max)
    # Data that has nothing in common with its declaration is shown as it is.
    return (low, high) if low < high else (measured.min, measured.max)


def _expected(
    edges: Values, count: int, distribution: Distribution | None, shape: tuple[int, ...]
) -> tuple[float, ...] | None:
    """The counts that the distribution predicts between the edges, of `count` elements."""
    cdf, nonzeros = declared_cdf(distribution, shape), declared_nonzeros(distribution, shape)
    if cdf is None or nonzeros is None:
        return None
    drawn = count * nonzeros / prod(shape)
    expected = drawn * np.diff(cdf(edges))
    if edges[0] <= 0 < edges[-1]:
        expected[np.searchsorted(edges, 0.0, side="right") - 1] += count - drawn
    return tuple(map(float, expected))
