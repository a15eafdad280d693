"""Moments of functions of normal variables, by quadrature in plain Python.

Expectations of one normal hold to 1e-8: the integral is cut where a function has its kink, or bends
most, and Gauss-Legendre nodes lie between the cuts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, lru_cache
from itertools import pairwise
from math import cos, erf, erfc, exp, expm1, isnan, log1p, pi, sqrt, tanh

from seobuilder.planning.gains import LEAKY_SLOPE

Moments = tuple[float, float]
"""Mean and variance."""

_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

_REACH = 9.0
"""Standard deviations that an integral covers; less than 1e-18 of a normal lies beyond."""
_BENDS = [sign * size for sign in (-1, 1) for size in (1, 2, 4, 8, 16, 32)]
"""Distances from 0, in the unit of the argument, between which functions below change little."""
_COARSE_STEP, _COARSE_REACH = 0.25, 6.0


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x)) if x >= 0 else exp(x) / (1 + exp(x))


def _mish(x: float) -> float:
    return x * tanh(x + log1p(exp(-x)) if x > 0 else log1p(exp(x)))


FUNCTIONS: dict[str, Callable[[float], float]] = {
    "identity": lambda x: x,
    "abs": abs,
    "relu": lambda x: max(x, 0.0),
    "leaky_relu": lambda x: x if x > 0 else LEAKY_SLOPE * x,
    "tanh": tanh,
    "sigmoid": _sigmoid,
    "selu": lambda x: _SELU_SCALE * (x if x > 0 else _SELU_ALPHA * expm1(x)),
    "gelu": lambda x: x * (1 + erf(x / sqrt(2))) / 2,
    "silu": lambda x: x * _sigmoid(x),
    "mish": _mish,
}
"""The activations by name, as torch computes them, and the absolute value."""


@lru_cache(maxsize=4096)
def function_moments(name: str, mean: float, variance: float) -> Moments:
    """Mean and variance of f(x), x normal with this mean and variance; NaN gives NaN."""
    function = FUNCTIONS[name]
    if isnan(mean) or isnan(variance):
        return mean + variance, mean + variance
    if variance <= 0:
        return function(mean), 0.0
    values = [(function(x), weight) for x, weight in _nodes(mean, sqrt(variance))]
    first = sum(value * weight for value, weight in values)
    return first, sum((value - first) ** 2 * weight for value, weight in values)


def expectation(
    function: Callable[[float], float], mean: float = 0.0, variance: float = 1.0
) -> float:
    """E[f(x)] for normal x."""
    return sum(function(x) * weight for x, weight in _nodes(mean, sqrt(variance)))


@lru_cache(maxsize=4096)
def function_covariance(name: str, mean: float, variance: float, covariance: float) -> float:
    """Covariance of f(x) and f(y), x and y normal, alike, of this covariance, to about 1e-3.

    x = mean + w + e and y = mean + w + e', where w of variance `covariance` is common to both, so
    that the result is the variance of E[f(x) | w].
    """
    if covariance <= 0 or variance <= 0 or isnan(mean + variance + covariance):
        return 0.0 * (mean + variance + covariance)
    common, own = sqrt(covariance), sqrt(max(variance - covariance, 0.0))
    function = FUNCTIONS[name]
    given = [
        (sum(function(mean + common * w + own * e) * weight for e, weight in _coarse()), outer)
        for w, outer in _coarse()
    ]
    first = sum(value * weight for value, weight in given)
    return sum((value - first) ** 2 * weight for value, weight in given)


@lru_cache(maxsize=4096)
def maximum_moments(count: int) -> Moments:
    """Mean and variance of the greatest of `count` independent standard normals."""
    nodes = [
        (z, count * weight * (erfc(-z / sqrt(2)) / 2) ** (count - 1)) for z, weight in _nodes(0, 1)
    ]
    first = sum(z * weight for z, weight in nodes)
    return first, sum((z - first) ** 2 * weight for z, weight in nodes)


def _nodes(mean: float, std: float) -> Iterator[tuple[float, float]]:
    """Values of a normal, and weights with which sums over them are expectations."""
    cuts = {-_REACH, _REACH, *(i / 2 for i in range(-10, 11))}
    cuts |= {(x - mean) / std for x in (0.0, *_BENDS)}
    for low, high in pairwise(sorted(cut for cut in cuts if -_REACH <= cut <= _REACH)):
        half, middle = (high - low) / 2, (high + low) / 2
        for node, weight in _legendre(16):
            z = middle + half * node
            yield mean + std * z, half * weight * exp(-z * z / 2) / sqrt(2 * pi)


@cache
def _coarse() -> tuple[tuple[float, float], ...]:
    """Values of a standard normal and their weights, by the trapezoidal rule."""
    count = round(_COARSE_REACH / _COARSE_STEP)
    steps = [_COARSE_STEP * index for index in range(-count, count + 1)]
    return tuple((z, _COARSE_STEP * exp(-z * z / 2) / sqrt(2 * pi)) for z in steps)


@cache
def _legendre(count: int) -> tuple[tuple[float, float], ...]:
    """Nodes and weights of Gauss-Legendre quadrature on [-1, 1], the nodes by Newton's method."""
    rule = []
    for index in range(count):
        x = cos(pi * (index + 0.75) / (count + 0.5))
        for _ in range(100):
            value, before = x, 1.0
            for degree in range(2, count + 1):
                value, before = (
                    ((2 * degree - 1) * x * value - (degree - 1) * before) / degree,
                    value,
                )
            slope = count * (x * value - before) / (x * x - 1)
            x -= value / slope
            if abs(value / slope) < 1e-15:
                break
        rule.append((x, 2 / ((1 - x * x) * slope * slope)))
    return tuple(rule)
