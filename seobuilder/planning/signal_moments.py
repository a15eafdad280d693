"""How large a signal is: its mean and variance, and what operations make of them.

As in AutoInit (Bingham and Miikkulainen 2023, arXiv:2109.08958), elements are taken to be
independent, and normal where they enter an activation. A third number goes along, which the paper
does not have: what the positions of a sequence or a map have in common, for an average over
positions keeps that and loses the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import nan, prod, sqrt
from typing import NamedTuple

from seobuilder.planning.gaussian import function_covariance, function_moments, maximum_moments
from seobuilder.planning.signals import Category, FeatureMap, Sequence, Signal, Tokens


@dataclass(frozen=True, slots=True)
class SignalMoments:
    """Mean and variance of a value's elements, over units, positions, examples and weights.

    `width` counts the units of a position, `sizes` the positions along each axis, () for a vector.
    `shared` is the covariance of one unit at two positions of an example. `origin` is kept while a
    value is an activation's: its name, the moments that went in, and a factor that came after.
    NaN stands for what is unknown, and comes out of whatever depends on it.
    """

    mean: float
    variance: float
    width: int
    sizes: tuple[int, ...] = ()
    shared: float = 0.0
    origin: tuple[str, SignalMoments, float] | None = None

    @property
    def square(self) -> float:
        """Mean of the squared elements."""
        return self.variance + self.mean**2

    @property
    def shared_square(self) -> float:
        """Mean of the product of one unit at two positions."""
        return self.shared + self.mean**2

    @property
    def positions(self) -> int:
        """How many positions there are."""
        return prod(self.sizes)

    def turned(self, mean: float, variance: float, shared: float = 0.0) -> SignalMoments:
        """Other moments of the same shape."""
        return replace(self, mean=mean, variance=variance, shared=shared, origin=None)

    def averaged(self, share: float) -> SignalMoments:
        """The moments of a weighted mean over positions whose squared weights sum to `share`."""
        variance = share * self.variance + (1 - share) * self.shared
        return self.turned(self.mean, variance, self.shared)

    def vector(self) -> SignalMoments:
        """The same without positions."""
        return replace(self, sizes=(), shared=0.0, origin=None)


def input_moments(signal: Signal) -> SignalMoments:
    """What an input is taken to be.

    Features and vectors have mean 0 and variance 1, which scaling sees to, or whoever made the
    vectors; pixels are uniform from 0 to 1 and independent; no two tokens of a text are alike.
    """
    if isinstance(signal, FeatureMap):
        return SignalMoments(0.5, 1 / 12, signal.channels, (signal.height, signal.width))
    if isinstance(signal, Tokens):
        return SignalMoments(nan, nan, 0, (signal.length,))
    if isinstance(signal, Category):
        return SignalMoments(nan, nan, 0)
    assert not isinstance(signal, Sequence), "no input is a sequence of vectors"
    return SignalMoments(0.0, 1.0, signal.width)


class Drawn(NamedTuple):
    """Mean and variance of a parameter's elements; `forget` is added to the forget gate's mean."""

    mean: float
    variance: float
    forget: float = 0.0


NOTHING = Drawn(0.0, 0.0)
"""A bias that is not there."""


def mapped(x: SignalMoments, fan: float, weight: Drawn, bias: Drawn) -> SignalMoments:
    """Sums of `fan` products of weight and signal, and a bias.

    Var[y] = fan * (E[w²] E[x²] - E[w]² E[x]²) + Var[b], and likewise what positions share.
    """
    mean = fan * weight.mean * x.mean + bias.mean
    square, lost = weight.variance + weight.mean**2, (weight.mean * x.mean) ** 2
    variance = fan * (square * x.square - lost) + bias.variance
    shared = fan * (square * x.shared_square - lost) + bias.variance if x.sizes else 0.0
    return x.turned(mean, variance, shared)


def summed(*signals: SignalMoments) -> SignalMoments:
    """The sum of independent signals."""
    return signals[0].turned(
        sum(signal.mean for signal in signals),
        sum(signal.variance for signal in signals),
        sum(signal.shared for signal in signals),
    )


def scaled(x: SignalMoments, factor: float) -> SignalMoments:
    """The signal times a number."""
    return x.turned(factor * x.mean, factor**2 * x.variance, factor**2 * x.shared)


def dropped(x: SignalMoments, rate: float) -> SignalMoments:
    """Dropout: E[y²] = E[x²] / (1 - rate), and the mean stays."""
    if rate == 0:
        return x
    origin = x.origin and (*x.origin[:2], x.origin[2] / (1 - rate))
    return replace(x, variance=x.square / (1 - rate) - x.mean**2, origin=origin)


def activated(x: SignalMoments, name: str) -> SignalMoments:
    """An activation of the signal."""
    if name == "identity":
        return x
    mean, variance = function_moments(name, x.mean, x.variance)
    shared = function_covariance(name, x.mean, x.variance, x.shared) if x.sizes else 0.0
    return replace(x.turned(mean, variance, shared), origin=(name, x, 1.0))


def product(x: SignalMoments, y: SignalMoments) -> SignalMoments:
    """Elementwise, of independent signals."""
    mean = x.mean * y.mean
    shared = x.shared_square * y.shared_square - mean**2 if x.sizes else 0.0
    return x.turned(mean, x.square * y.square - mean**2, shared)


def largest(x: SignalMoments, count: int) -> SignalMoments:
    """The greatest of `count` positions, unit by unit.

    It comes before an activation rather than after: the two commute where the activation rises,
    and what comes after is far from normal.
    """
    if x.origin is not None:
        name, before, factor = x.origin
        return scaled(activated(largest(before, count), name), factor)
    first, spread = maximum_moments(count)
    own = x.variance - x.shared
    return x.turned(x.mean + sqrt(max(own, 0.0)) * first, x.shared + own * spread, x.shared)


def side_by_side(*signals: SignalMoments) -> SignalMoments:
    """Units of several signals: the moments of all together."""
    if len(signals) == 1:
        return signals[0]
    width = sum(signal.width for signal in signals)
    mean = sum(signal.width * signal.mean for signal in signals) / width
    square = sum(signal.width * signal.square for signal in signals) / width
    shared = sum(signal.width * signal.shared_square for signal in signals) / width
    both = signals[0].turned(mean, square - mean**2, shared - mean**2)
    return replace(both, width=width)
