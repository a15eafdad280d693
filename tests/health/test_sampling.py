"""Kurtosis and bounds against values from the literature and against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from seobuilder.health.sampling import (
    critical_value,
    degrees_of_freedom,
    std_bounds,
    truncated_kurtosis,
)
from seobuilder.planning.distributions import Normal, Orthogonal, Sparse, TruncatedNormal, Uniform


def numeric_kurtosis(low: float, high: float) -> float:
    x = np.linspace(low, high, 200_001)
    weight = np.exp(-(x * x - min(x * x)) / 2)
    weight /= weight.sum()
    mean = (weight * x).sum()
    moments = [(weight * (x - mean) ** k).sum() for k in (2, 4)]
    return float(moments[1] / moments[0] ** 2)


@pytest.mark.parametrize(
    ("low", "high"), [(-2, 2), (-1, 3), (0, 4), (1.5, 2.5), (-9, 9), (3, 6), (-6, -3), (-0.2, 0.2)]
)
def test_truncated_kurtosis_is_that_of_the_density(low: float, high: float) -> None:
    assert truncated_kurtosis(low, high) == pytest.approx(numeric_kurtosis(low, high), rel=1e-4)


@pytest.mark.parametrize(("low", "high"), [(-1e-5, 1e-5), (20, 30), (-30, -20), (0, 1e-7)])
def test_extreme_cuts_stay_between_uniform_and_exponential(low: float, high: float) -> None:
    assert 1.8 <= truncated_kurtosis(low, high) <= 9


def test_the_usual_standard_errors_follow() -> None:
    n = 1_000_001
    normal = degrees_of_freedom(Normal(0, 1), (n,), n)
    uniform = degrees_of_freedom(Uniform(0, 1), (n,), n)
    assert normal is not None and uniform is not None
    assert (2 * normal) ** -0.5 == pytest.approx((2 * n) ** -0.5, rel=1e-5)
    assert (2 * uniform) ** -0.5 == pytest.approx((0.2 / n) ** 0.5, rel=1e-5)


def test_sparse_counts_its_nonzero_elements_and_orthogonal_is_exact() -> None:
    assert degrees_of_freedom(Sparse(0.1, 1.0), (100, 30), 3000) == 300
    assert degrees_of_freedom(Orthogonal(), (10, 10), 100) is None


def test_bounds_with_many_elements_are_those_of_the_z_test() -> None:
    low, high = std_bounds(2.0, 1e8, 3.0)
    step = 3 / (2e8) ** 0.5
    assert (low, high) == pytest.approx((2 * (1 - step), 2 * (1 + step)), rel=1e-7)


DISTRIBUTIONS: dict[str, Normal | Uniform | TruncatedNormal] = {
    "normal": Normal(0, 1),
    "uniform": Uniform(-(3**0.5), 3**0.5),
    "truncated_normal": TruncatedNormal(0, 1),
}


@pytest.mark.parametrize("n", [3, 10, 100, 256])
@pytest.mark.parametrize("family", DISTRIBUTIONS)
def test_bounds_hold_from_a_few_elements_on(n: int, family: str) -> None:
    rng = np.random.default_rng(n)
    distribution = DISTRIBUTIONS[family]
    if isinstance(distribution, Normal):
        draws = rng.normal(size=40_000 * n)
    elif isinstance(distribution, Uniform):
        draws = rng.uniform(distribution.low, distribution.high, 40_000 * n)
    else:
        draws = rng.normal(size=44_000 * n)
        draws = draws[np.abs(draws) <= 2] * distribution.parent_std
    draws = draws[: 40_000 * n].reshape(40_000, n)
    freedom = degrees_of_freedom(distribution, (n,), n)
    assert freedom is not None
    low, high = std_bounds(1.0, freedom, 3.0)  # a normal leaves +-3 in 0.27 % of cases
    std = draws.std(axis=1, ddof=1)
    assert ((std < low) | (std > high)).mean() < 0.006


def test_more_tests_ask_for_more_evidence() -> None:
    assert critical_value(1) == pytest.approx(3.8906, abs=1e-4)
    assert critical_value(200) == pytest.approx(5.026, abs=1e-3)
