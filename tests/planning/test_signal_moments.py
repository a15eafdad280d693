"""What operations make of mean and variance, by hand and against drawn numbers."""

from __future__ import annotations

from math import isnan, sqrt

import pytest
import torch

from seobuilder.planning.signal_moments import (
    NOTHING,
    Drawn,
    SignalMoments,
    activated,
    dropped,
    input_moments,
    largest,
    mapped,
    product,
    scaled,
    side_by_side,
    summed,
)
from seobuilder.planning.signals import Category, FeatureMap, Signal, Tokens, Vector

X = SignalMoments(mean=0.5, variance=2.0, width=8, sizes=(10,), shared=0.6)
VECTOR = SignalMoments(mean=0.5, variance=2.0, width=8)


def numbers(moments: SignalMoments) -> tuple[float, float, float]:
    return moments.mean, moments.variance, moments.shared


def test_what_inputs_are_taken_to_be() -> None:
    assert input_moments(Vector(3)) == SignalMoments(0, 1, 3)
    assert input_moments(FeatureMap(3, 4, 5)) == SignalMoments(0.5, 1 / 12, 3, (4, 5))
    signals: tuple[Signal, ...] = (Tokens(7, 9, 0, "x"), Category(4))
    for signal in signals:
        assert isnan(input_moments(signal).square)
    assert input_moments(signals[0]).sizes == (7,) and input_moments(signals[1]).sizes == ()


def test_a_matrix() -> None:
    y = mapped(X, 8, Drawn(0.0, 0.1), Drawn(0.25, 0.01))
    assert numbers(y) == pytest.approx((0.25, 8 * 0.1 * 2.25 + 0.01, 8 * 0.1 * 0.85 + 0.01))


def test_a_matrix_whose_weights_are_all_alike() -> None:
    y = mapped(X, 8, Drawn(0.5, 0.0), NOTHING)
    assert numbers(y) == pytest.approx((8 * 0.5 * 0.5, 8 * 0.25 * 2.0, 8 * 0.25 * 0.6))


def test_sums_factors_and_products() -> None:
    assert numbers(summed(X, X)) == pytest.approx((1.0, 4.0, 1.2))
    assert numbers(scaled(X, -2.0)) == pytest.approx((-1.0, 8.0, 2.4))
    assert numbers(product(X, X)) == pytest.approx((0.25, 2.25**2 - 0.0625, 0.85**2 - 0.0625))


def test_dropout_keeps_the_mean_and_raises_the_square() -> None:
    y = dropped(X, 0.2)
    assert (y.mean, y.square) == pytest.approx((0.5, 2.25 / 0.8))
    assert dropped(X, 0.0) is X


def test_units_side_by_side_count_by_their_number() -> None:
    both = side_by_side(VECTOR, SignalMoments(mean=-1.0, variance=1.0, width=24))
    assert both.width == 32
    assert both.mean == pytest.approx((8 * 0.5 - 24) / 32)
    assert both.square == pytest.approx((8 * 2.25 + 24 * 2.0) / 32)


def test_a_mean_over_positions_keeps_what_they_share() -> None:
    mean = X.averaged(1 / 10)
    assert numbers(mean) == pytest.approx((0.5, 0.6 + 1.4 / 10, 0.6))
    assert mean.vector().sizes == ()


def positions(shared: float) -> torch.Tensor:
    """[examples, positions], standard normal, with this covariance of two positions."""
    generator = torch.Generator().manual_seed(1)
    both = torch.randn(20_000, 1, generator=generator, dtype=torch.float64)
    own = torch.randn(20_000, 10, generator=generator, dtype=torch.float64)
    return both * sqrt(shared) + own * sqrt(1 - shared)


@pytest.mark.parametrize("name", ["relu", "tanh", "silu", "abs"])
def test_an_activation(name: str) -> None:
    z = positions(0.4)
    function = {"relu": torch.relu, "tanh": torch.tanh, "abs": torch.abs}.get(
        name, torch.nn.functional.silu
    )
    y = activated(SignalMoments(0.0, 1.0, 1, (10,), 0.4), name)
    drawn = function(z)
    pairs = drawn[:, 0] * drawn[:, 1]
    assert y.mean == pytest.approx(float(drawn.mean()), abs=0.02)
    assert y.variance == pytest.approx(float(drawn.var()), rel=0.03)
    assert y.shared == pytest.approx(float(pairs.mean() - drawn.mean() ** 2), abs=0.03)


def test_an_identity_is_nothing() -> None:
    assert activated(X, "identity") is X


@pytest.mark.parametrize("shared", [0.0, 0.5])
def test_the_greatest_position_after_an_activation(shared: float) -> None:
    z = SignalMoments(0.0, 1.0, 1, (10,), shared)
    drawn = positions(shared).relu().amax(dim=1) / 0.9
    y = largest(scaled_by_dropout(activated(z, "relu")), 10)
    assert y.mean == pytest.approx(float(drawn.mean()), rel=0.02)
    assert y.variance == pytest.approx(float(drawn.var()), rel=0.05)


def scaled_by_dropout(x: SignalMoments) -> SignalMoments:
    """Dropout with rate 0.1 multiplies what it leaves by 1 / 0.9."""
    return dropped(x, 0.1)


def test_what_comes_after_an_activation_is_normal_again() -> None:
    y = activated(SignalMoments(0.0, 1.0, 1, (10,)), "relu")
    assert y.origin is not None
    assert all(
        z.origin is None for z in (summed(y, y), scaled(y, 2.0), mapped(y, 1, NOTHING, NOTHING))
    )
