"""Cumulative distribution functions against draws, densities and their ends."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betainc

from seobuilder.health.shapes import declared_cdf, declared_ends, declared_nonzeros
from seobuilder.init.draw import draw
from seobuilder.planning.distributions import (
    Constant,
    DeltaOrthogonal,
    Distribution,
    Keep,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)


@pytest.mark.parametrize(
    "distribution",
    [
        Normal(0.1, 0.02),
        Uniform(-0.1, 0.3),
        TruncatedNormal(0, 0.02),
        TruncatedNormal(0.1, 0.02, 1, 4),
        TruncatedNormal(0, 0.02, 9, 12),
        TruncatedNormal(0, 0.02, -9, -6),
        Orthogonal(-1.4),
        Orthogonal(1, blocks=100),
        Sparse(0.2, 0.5),
        DeltaOrthogonal(0.9),
    ],
)
def test_the_share_below_each_value_is_that_of_a_draw(distribution: Distribution) -> None:
    shape = (400, 300, 1)
    values = np.sort(draw(distribution, shape, name="a", seed=1).double().numpy().ravel())
    values = values[values != 0]
    drawn = declared_nonzeros(distribution, shape)
    assert drawn is not None and drawn - 3 < len(values) <= drawn  # float32 cancels a far mean
    cdf = declared_cdf(distribution, shape)
    assert cdf is not None
    shares = np.arange(1, len(values) + 1) / len(values)
    assert np.abs(cdf(values) - shares).max() < 1.6 / np.sqrt(len(values))
    ends = cdf(np.array([-100.0, 100.0]))
    assert ends == pytest.approx([0, 1], abs=1e-12)


@pytest.mark.parametrize("dimensions", [4, 50, 144, 1000])
def test_knots_lie_close_to_the_beta_distribution(dimensions: int) -> None:
    cdf = declared_cdf(Orthogonal(), (dimensions, 2))
    assert cdf is not None
    x = np.linspace(0, 1, 12_345)
    exact = 0.5 + betainc(0.5, (dimensions - 1) / 2, x * x) / 2
    assert np.abs(cdf(x) - exact).max() < 2e-6
    assert np.abs(cdf(-x) - (1 - exact)).max() < 2e-6


def test_what_is_not_spread_out_has_no_shape() -> None:
    for distribution in (None, Constant(1), Keep(), Normal(0, 0), Uniform(1, 1), Orthogonal(0)):
        assert declared_cdf(distribution, (8, 8)) is None
        assert declared_nonzeros(distribution, (8, 8)) is None
    assert declared_cdf(Orthogonal(), (1, 1)) is None


def test_ends_and_nonzeros_are_the_declared_ones() -> None:
    assert declared_ends(Uniform(-1, 2)) == (-1, 2)
    cut = TruncatedNormal(0, 1, -1, 3)
    assert declared_ends(cut) == (cut.low, cut.high)
    assert declared_ends(Normal(0, 1)) is None
    assert declared_nonzeros(Sparse(0.25, 1), (8, 3, 2)) == 12
    assert declared_nonzeros(DeltaOrthogonal(), (8, 3, 5)) == 24
