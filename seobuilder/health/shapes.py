"""The shape that a declared distribution gives to the elements of a weight."""

from __future__ import annotations

from collections.abc import Callable
from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, ndtr

from seobuilder.planning.distributions import (
    DeltaOrthogonal,
    Distribution,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
    matrix_shape,
)

Values = NDArray[np.float64]
Cdf = Callable[[Values], Values]


def declared_cdf(distribution: Distribution | None, shape: tuple[int, ...]) -> Cdf | None:
    """The share of elements that are at most x, as a function of x, for a weight of that shape.

    Where a rule sets most elements to zero it is that of the others. An element of a
    Haar-distributed orthogonal matrix is the coordinate of a point on a sphere in
    N = max(rows, columns) dimensions, whose square follows the beta distribution of 1/2 and
    (N - 1)/2.

    Returns:
        None where nothing is declared, or where the elements are not spread out.
    """
    match distribution:
        case Normal(mean=mean, std=std) if std > 0:
            return lambda x: np.asarray(ndtr((x - mean) / std))
        case Sparse(std=std) if std > 0:
            return lambda x: np.asarray(ndtr(x / std))
        case Uniform(low=low, high=high) if low < high:
            return lambda x: np.clip((x - low) / (high - low), 0.0, 1.0)
        case TruncatedNormal(std=std) if std > 0:
            return _truncated(distribution)
        case Orthogonal(gain=gain) if gain != 0:
            return _coordinate(abs(gain), max(distribution.block_shape(shape)))
        case DeltaOrthogonal(gain=gain) if gain != 0:
            return _coordinate(abs(gain), max(shape[:2]))
        case _:
            return None


def declared_ends(distribution: Distribution | None) -> tuple[float, float] | None:
    """The smallest and the largest value that a bounded family declares; None for others."""
    match distribution:
        case Uniform(low=low, high=high):
            return low, high
        case TruncatedNormal():
            return distribution.low, distribution.high
        case _:
            return None


def declared_nonzeros(distribution: Distribution | None, shape: tuple[int, ...]) -> int | None:
    """How many elements of a weight the rule does not set to zero; None where it says nothing."""
    match distribution:
        case Sparse():
            rows, columns = matrix_shape(shape)
            return distribution.nonzeros(rows) * columns
        case DeltaOrthogonal(gain=gain) if gain != 0:
            return shape[0] * shape[1]
        case Orthogonal(gain=gain) if gain != 0:
            return prod(shape)
        case Normal() | Uniform() | TruncatedNormal() if distribution.moments(shape)[1] > 0:
            return prod(shape)
        case _:
            return None


def _truncated(d: TruncatedNormal) -> Cdf:
    # Upper tails keep their precision where 1 - CDF would round: a cut on the right is mirrored.
    sign = -1.0 if d.cut_low > 0 else 1.0
    first, last = sorted((sign * d.cut_low, sign * d.cut_high))
    below, mass = ndtr(first), ndtr(last) - ndtr(first)

    def cdf(x: Values) -> Values:
        z = np.clip((x - d.parent_mean) / d.parent_std, d.cut_low, d.cut_high)
        share = np.asarray((ndtr(sign * z) - below) / mass)
        return 1.0 - share if sign < 0 else share

    return cdf


def _coordinate(gain: float, dimensions: int) -> Cdf | None:
    if dimensions == 1:
        return None
    # The incomplete beta function takes long, and lies within 1e-6 of the line between two knots.
    knots = np.linspace(0.0, min(1.0, 12 / sqrt(dimensions)), 4097)
    halves = betainc(0.5, (dimensions - 1) / 2, knots * knots) / 2

    def cdf(x: Values) -> Values:
        return np.asarray(0.5 + np.copysign(np.interp(np.abs(x) / gain, knots, halves), x))

    return cdf
