"""Quadrature against integrals that are known in closed form, and against torch's activations."""

from __future__ import annotations

from math import acos, erf, exp, isnan, nan, pi, sin, sqrt
from typing import get_args

import pytest
import torch

from seobuilder.layers.activation import ACTIVATIONS, activation_module
from seobuilder.planning.gains import SECOND_MOMENT
from seobuilder.planning.gaussian import (
    FUNCTIONS,
    function_covariance,
    function_moments,
    maximum_moments,
)
from seobuilder.recipe.spec.base import Activation


def relu_moments(mean: float, std: float) -> tuple[float, float]:
    share, density = (1 + erf(mean / std / sqrt(2))) / 2, exp(-((mean / std) ** 2) / 2)
    density *= std / sqrt(2 * pi)
    first = mean * share + density
    return first, (mean**2 + std**2) * share + mean * density - first**2


def test_relu_of_a_standard_normal() -> None:
    mean, variance = function_moments("relu", 0.0, 1.0)
    assert mean == pytest.approx(1 / sqrt(2 * pi), abs=1e-12)
    assert variance + mean**2 == pytest.approx(1 / 2, abs=1e-12)


@pytest.mark.parametrize("std", [1e-4, 0.3, 1.0, 20.0, 1e4])
@pytest.mark.parametrize("mean", [-1.5, 0.0, 0.4])
def test_relu_of_any_normal(mean: float, std: float) -> None:
    found = function_moments("relu", mean, std**2)
    size = abs(mean) + std
    assert found[0] / size == pytest.approx(relu_moments(mean, std)[0] / size, abs=1e-9)
    assert found[1] / size**2 == pytest.approx(relu_moments(mean, std)[1] / size**2, abs=1e-9)


def test_the_other_activations_against_a_fine_sum() -> None:
    for mean, std in ((0.0, 1.0), (0.7, 0.2), (-1.0, 5.0)):
        z = torch.linspace(-9, 9, 400_001, dtype=torch.float64)
        weight = torch.exp(-z.square() / 2)
        weight /= weight.sum()
        for name in ACTIVATIONS:
            y = activation_module(name)(mean + std * z)
            first = (y * weight).sum()
            expected = float(first), float(((y - first).square() * weight).sum())
            assert function_moments(name, mean, std**2) == pytest.approx(
                expected, rel=1e-7, abs=1e-9
            ), name


@pytest.mark.parametrize("name", ["relu", "gelu", "silu", "mish", "sigmoid", "tanh", "leaky_relu"])
def test_gains_of_the_second_moment_follow(name: str) -> None:
    mean, variance = function_moments(name, 0.0, 1.0)
    assert 1 / sqrt(variance + mean**2) == pytest.approx(SECOND_MOMENT[name], abs=1e-8)


def test_every_activation_of_the_language_has_a_function() -> None:
    assert set(FUNCTIONS) == {*get_args(Activation), "abs"}


def test_no_variance_and_no_knowledge() -> None:
    assert function_moments("sigmoid", 0.0, 0.0) == (0.5, 0.0)
    assert all(map(isnan, function_moments("tanh", nan, 1.0)))
    assert isnan(function_covariance("tanh", 0.0, nan, nan))


@pytest.mark.parametrize("correlation", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_covariance_of_relu_is_the_arc_cosine_kernel(correlation: float) -> None:
    """Cho and Saul 2009, Kernel methods for deep learning, equation 6 with n = 1."""
    angle = acos(correlation)
    product = (sin(angle) + (pi - angle) * correlation) / (2 * pi)
    found = function_covariance("relu", 0.0, 4.0, 4.0 * correlation)
    assert found == pytest.approx(4 * (product - 1 / (2 * pi)), abs=6e-3)


def test_covariance_ends_at_the_variance() -> None:
    variance = function_moments("gelu", 0.3, 1.5)[1]
    assert function_covariance("gelu", 0.3, 1.5, 1.5) == pytest.approx(variance, rel=1e-6)


def test_the_greatest_of_a_few_normals() -> None:
    assert maximum_moments(1) == pytest.approx((0.0, 1.0), abs=1e-12)
    assert maximum_moments(2) == pytest.approx((1 / sqrt(pi), 1 - 1 / pi), abs=1e-12)
    assert maximum_moments(3)[0] == pytest.approx(1.5 / sqrt(pi), abs=1e-12)
    assert maximum_moments(100)[0] == pytest.approx(2.50759, abs=1e-5)  # Harter 1961, table 1
