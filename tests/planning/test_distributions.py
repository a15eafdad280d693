"""What distributions declare, held against counting and quadrature."""

from __future__ import annotations

from math import exp, fsum, pi, sqrt
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seobuilder.planning.distributions import (
    Constant,
    DeltaOrthogonal,
    Dirac,
    Distribution,
    Identity,
    Keep,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)


def cut_moments_by_quadrature(low: float, high: float) -> tuple[float, float]:
    steps = 4000
    width = (high - low) / steps
    points = [low + (i + 0.5) * width for i in range(steps)]
    weights = [exp(-x * x / 2) / sqrt(2 * pi) for x in points]
    mass = fsum(weights)
    mean = fsum(w * x for w, x in zip(weights, points, strict=True)) / mass
    variance = fsum(w * (x - mean) ** 2 for w, x in zip(weights, points, strict=True)) / mass
    return mean, sqrt(variance)


@given(st.floats(-6, 5), st.floats(0.1, 8), st.floats(-3, 3), st.floats(0.01, 10))
def test_the_cut_of_the_parent_has_the_declared_moments(
    low: float, length: float, mean: float, std: float
) -> None:
    d = TruncatedNormal(mean, std, low, low + length)
    cut_mean, cut_std = cut_moments_by_quadrature(low, low + length)
    assert d.parent_std * cut_std == pytest.approx(std, rel=1e-5)
    assert d.parent_mean + d.parent_std * cut_mean == pytest.approx(mean, abs=1e-5 * std)
    assert d.low == pytest.approx(d.parent_mean + low * d.parent_std)
    assert d.high == pytest.approx(d.parent_mean + (low + length) * d.parent_std)


def test_the_usual_cut_widens_the_parent_by_the_known_factor() -> None:
    # The constant of TensorFlow's variance scaling: standard deviation after a cut at two.
    assert TruncatedNormal(0, 1).parent_std == pytest.approx(1 / 0.87962566103423978)
    assert TruncatedNormal(0, 1).parent_mean == 0


@pytest.mark.parametrize(
    ("distribution", "shape", "moments"),
    [
        (Constant(2.5), (3, 4), (2.5, 0)),
        (Uniform(-1, 3), (2,), (1, sqrt(4 / 3))),
        (Normal(0.5, 0.02), (2,), (0.5, 0.02)),
        (TruncatedNormal(0.1, 0.3, -1, 2), (2,), (0.1, 0.3)),
        (Identity(3), (2, 4), (0.75, 3 * sqrt(0.25 * 0.75))),
        (Identity(3, blocks=2), (4, 4), (0.75, 3 * sqrt(0.25 * 0.75))),
        (Dirac(), (4, 3, 3), (1 / 12, sqrt(1 / 12 * 11 / 12))),
        (Dirac(groups=2), (6, 2, 3), (1 / 9, sqrt(1 / 9 * 8 / 9))),
        (Orthogonal(2), (64, 16), (0, 0.25)),
        (Orthogonal(1, blocks=4), (64, 16), (0, 0.25)),
        (Orthogonal(1), (4, 2, 8), (0, 0.25)),
        (DeltaOrthogonal(2), (16, 4, 2, 2), (0, 0.25)),
        (Sparse(0.3, 2), (10, 7), (0, 2 * sqrt(0.3))),
        (Sparse(0.001, 2, dead_rows=True), (16, 7), (0, 0.5)),
    ],
)
def test_moments(
    distribution: Distribution, shape: tuple[int, ...], moments: tuple[float, float]
) -> None:
    assert distribution.moments(shape) == pytest.approx(moments)


def test_a_default_that_is_kept_declares_no_moments() -> None:
    assert Keep().moments((2, 2)) is None


@pytest.mark.parametrize(
    ("shape", "density", "dead_rows", "fits"),
    [
        ((10, 10), 0.1, False, True),
        ((10, 9), 0.1, False, False),
        ((10, 9), 0.1, True, True),
        ((10, 5), 0.2, False, True),
    ],
)
def test_sparse_knows_whether_every_row_can_be_reached(
    shape: tuple[int, int], density: float, dead_rows: bool, fits: bool
) -> None:
    assert Sparse(density, 1, dead_rows).fits(shape) is fits


@pytest.mark.parametrize(
    ("distribution", "text"),
    [
        (Constant(1), "constant(1)"),
        (Normal(-0.0, 0.02), "normal(0, 0.02)"),
        (Uniform(-1 / 16, 1 / 16), "uniform(-0.0625, 0.0625)"),
        (TruncatedNormal(0, 0.02), "truncated_normal(0, 0.02, cut -2 to 2)"),
        (Identity(), "identity(1)"),
        (Identity(2, blocks=3), "identity(2, blocks 3)"),
        (Dirac(2), "dirac(groups 2)"),
        (Orthogonal(sqrt(2)), "orthogonal(1.41421)"),
        (Orthogonal(1, 4), "orthogonal(1, blocks 4)"),
        (DeltaOrthogonal(), "delta_orthogonal(1)"),
        (Sparse(0.1, 0.01), "sparse(density 0.1, std 0.01)"),
        (Sparse(0.1, 0.01, True), "sparse(density 0.1, std 0.01, dead rows allowed)"),
        (Keep(), "keep"),
    ],
)
def test_descriptions(distribution: Distribution, text: str) -> None:
    assert distribution.describe() == text
    assert text.startswith(distribution.family)


def test_the_quadrature_itself_agrees_with_a_known_quantile() -> None:
    # Half of a normal: mean sqrt(2/pi), here up to a cut that holds nearly all of it.
    mean, _ = cut_moments_by_quadrature(0, NormalDist().inv_cdf(1 - 1e-12))
    assert mean == pytest.approx(sqrt(2 / pi), rel=1e-6)
