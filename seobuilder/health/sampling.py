"""How far a sample may stray from its source by chance."""

from __future__ import annotations

from math import erfc, exp, log, pi, sqrt
from statistics import NormalDist

from seobuilder.planning.distributions import (
    Distribution,
    Normal,
    Sparse,
    TruncatedNormal,
    Uniform,
    matrix_shape,
)

ALPHA = 1e-4
"""Chance of one false alarm or more in a whole report whose weights are all as declared."""

MANY = 4096
"""Elements from which on the kurtosis alone decides how far a standard deviation may stray."""


def level(tests: int) -> float:
    """The chance of a false alarm that one of `tests` tests may have (Bonferroni's inequality)."""
    return ALPHA / max(1, tests)


def critical_value(tests: int) -> float:
    """The two-sided z that keeps `ALPHA` over `tests` tests."""
    return -NormalDist().inv_cdf(level(tests) / 2)


def most_by_chance(mean: float, tests: int) -> int:
    """The largest number of rare independent events that chance explains, of which `mean` is usual.

    Bernstein's inequality: P(X >= mean + t) <= exp(-t^2 / (2 mean + 2 t / 3)). Boucheron, Lugosi
    and Massart 2013, Concentration inequalities, section 2.8.
    """
    if mean <= level(tests):
        return 0  # one event is rarer still
    digits = -log(level(tests))
    return int(mean + digits / 3 + sqrt(digits**2 / 9 + 2 * mean * digits))


def degrees_of_freedom(distribution: Distribution, shape: tuple[int, ...], n: int) -> float | None:
    """What `n` elements know about the variance, as a number of independent normal squares.

    The variance of a sample has the relative variance (kurtosis - 1) / n, a chi-square of f degrees
    of freedom 2 / f, so f = 2 (n - 1) / (kurtosis - 1). The relative standard error of the standard
    deviation is 1 / sqrt(2 f): 1 / sqrt(2 n) for a normal, sqrt(0.2 / n) for a uniform. None for
    a family whose sum of squares is not random.
    """
    match distribution:
        case Sparse():
            rows, columns = matrix_shape(shape)
            return float(distribution.nonzeros(rows) * columns)
        case Normal():
            kurtosis = 3.0
        case Uniform():
            kurtosis = 1.8
        case TruncatedNormal(cut_low=low, cut_high=high):
            kurtosis = truncated_kurtosis(low, high)
        case _:
            return None
    # In small samples, short-tailed values fall close together more often than a chi-square says.
    if n < MANY:
        kurtosis = max(3.0, kurtosis)
    return 2 * (n - 1) / (kurtosis - 1)


def std_bounds(std: float, freedom: float, z: float) -> tuple[float, float]:
    """The interval that a sample's standard deviation leaves as rarely as a normal leaves +-z.

    The cube root of a chi-square over its degrees of freedom f is nearly normal with mean
    1 - 2/(9f) and variance 2/(9f): Wilson and Hilferty 1931, "The distribution of chi-square",
    PNAS 17(12). It holds from a few elements on; with many it is std (1 +- z / sqrt(2 f)).
    """
    variance = 2 / (9 * freedom)
    centre, reach = 1 - variance, z * sqrt(variance)
    return std * max(0.0, centre - reach) ** 1.5, std * (centre + reach) ** 1.5


def truncated_kurtosis(low: float, high: float) -> float:
    """Kurtosis of a standard normal that is cut to [low, high].

    Moments follow from m[k] = (k - 1) m[k-2] - (high^(k-1) p(high) - low^(k-1) p(low)) / mass:
    Johnson, Kotz and Balakrishnan 1994, Continuous Univariate Distributions, section 10.1.
    """
    if high < 0:
        return truncated_kurtosis(-high, -low)
    mass = (erfc(low / sqrt(2)) - erfc(high / sqrt(2))) / 2
    density_low, density_high = (exp(-x * x / 2) / sqrt(2 * pi) for x in (low, high))
    moments = [0.0, 1.0]  # of the orders -1 and 0
    for k in range(1, 5):
        edge = high ** (k - 1) * density_high - low ** (k - 1) * density_low
        moments.append((k - 1) * moments[-2] - edge / mass)
    mean, second, third, fourth = moments[2:]
    variance = second - mean * mean
    central = fourth - 4 * mean * third + 6 * mean**2 * second - 3 * mean**4
    # A narrow or far cut is nearly uniform (1.8) or exponential (9); beyond those is rounding.
    return min(9.0, max(1.8, central / variance**2 if variance > 0 else 9.0))
