"""Gains: how much a weight must amplify to make up for the nonlinearity that follows it.

With weights of variance gain² / fan_in, the signal keeps its variance from layer to layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal

Convention = Literal["torch", "second_moment"]
"""`torch`: the table of torch.nn.init.calculate_gain, PyTorch's values by tradition.
`second_moment`: 1 / sqrt(E[phi(z)²]) with z standard normal, which keeps the second moment of the
signal exactly (He et al. 2015, arXiv:1502.01852, equation 8, with any phi)."""

MEANING: dict[str, str] = {
    "torch": "torch's table",
    "second_moment": "1/sqrt(E[phi(z)^2])",
}
"""Each convention in the words of a report."""

LEAKY_SLOPE = 0.01


@dataclass(frozen=True, slots=True)
class Gain:
    """A gain, and the convention that it follows."""

    value: float
    convention: Convention


TORCH: dict[str, float] = {
    "linear": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": sqrt(2),
    "leaky_relu": sqrt(2 / (1 + LEAKY_SLOPE**2)),
    "selu": 3 / 4,
}
"""PyTorch has no gain for gelu, silu and mish."""

SECOND_MOMENT: dict[str, float] = {
    "linear": 1.0,
    "sigmoid": 1.8462285453,
    "tanh": 1.5925374197,
    "relu": sqrt(2),
    "leaky_relu": sqrt(2 / (1 + LEAKY_SLOPE**2)),
    # The constants of selu were chosen so (Klambauer et al. 2017, arXiv:1706.02515).
    "selu": 1.0,
    "gelu": 1.5335304412,
    "silu": 1.6765324703,
    "mish": 1.4868475813,
}


def gain(nonlinearity: str, slope: float | None = None, convention: Convention = "torch") -> Gain:
    """Gain for a nonlinearity.

    Args:
        nonlinearity: its name; `identity` is linear.
        slope: leaky_relu's, 0.01 unless given; others ignore it.
        convention: whose gain. Where PyTorch has none, it is the second moment's, as the result
            says.
    """
    name = "linear" if nonlinearity == "identity" else nonlinearity
    assert name in SECOND_MOMENT, f"no gain for {nonlinearity!r}"
    if name == "leaky_relu" and slope is not None:
        return Gain(sqrt(2 / (1 + slope**2)), convention)
    if convention == "torch" and name in TORCH:
        return Gain(TORCH[name], "torch")
    return Gain(SECOND_MOMENT[name], "second_moment")
