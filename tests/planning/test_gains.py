"""Gains, held against torch's table and against quadrature."""

from __future__ import annotations

from collections.abc import Callable
from math import erfc, exp, expm1, fsum, log1p, pi, sqrt, tanh

import pytest
import torch

from seobuilder.planning.gains import SECOND_MOMENT, TORCH, Gain, gain

FUNCTIONS: dict[str, Callable[[float], float]] = {
    "linear": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + exp(-z)),
    "tanh": tanh,
    "selu": lambda z: 1.0507009873554805 * (z if z > 0 else 1.6732632423543772 * expm1(z)),
    "gelu": lambda z: z * erfc(-z / sqrt(2)) / 2,
    "silu": lambda z: z / (1 + exp(-z)),
    "mish": lambda z: z * tanh(log1p(exp(z))),
    "relu": lambda z: max(z, 0.0),
    "leaky_relu": lambda z: max(z, 0.01 * z),
}
KINKED = {"relu", "leaky_relu", "selu"}
"""The trapezoidal rule loses digits at a kink; elsewhere its error is far below 1e-10."""


def gain_by_quadrature(function: Callable[[float], float]) -> float:
    step = 0.01
    points = [i * step for i in range(-1400, 1401)]
    second = fsum(function(z) ** 2 * exp(-z * z / 2) for z in points) * step / sqrt(2 * pi)
    return 1 / sqrt(second)


@pytest.mark.parametrize("name", SECOND_MOMENT)
def test_second_moments_are_kept(name: str) -> None:
    found = gain(name, convention="second_moment")
    assert found.convention == "second_moment"
    digits = 1e-5 if name in KINKED else 1e-10
    assert found.value == pytest.approx(gain_by_quadrature(FUNCTIONS[name]), abs=digits)


@pytest.mark.parametrize("name", TORCH)
def test_torch_s_table(name: str) -> None:
    expected = torch.nn.init.calculate_gain(name)  # type: ignore[arg-type]
    assert gain(name) == Gain(pytest.approx(expected), "torch")


def test_both_conventions_agree_on_rectifiers() -> None:
    for name in ("linear", "relu", "leaky_relu"):
        assert TORCH[name] == SECOND_MOMENT[name]


def test_what_torch_lacks_is_the_second_moment_s_and_says_so() -> None:
    assert set(SECOND_MOMENT) - set(TORCH) == {"gelu", "silu", "mish"}
    for name in ("gelu", "silu", "mish"):
        assert gain(name) == Gain(SECOND_MOMENT[name], "second_moment")


def test_identity_is_linear() -> None:
    assert gain("identity") == gain("linear") == Gain(1.0, "torch")


def test_the_slope_of_a_leaky_rectifier_counts() -> None:
    for convention in ("torch", "second_moment"):
        assert gain("leaky_relu", 1.0, convention).value == pytest.approx(1)
        assert gain("leaky_relu", 0.5, convention).value == pytest.approx(sqrt(1.6))
        assert gain("leaky_relu", 0.5, convention).convention == convention
    assert gain("relu", 1.0) == gain("relu")
