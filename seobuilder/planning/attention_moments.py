"""How evenly attention weighs positions, when scores are normal and independent.

A softmax over n scores of variance v has weights whose squares sum to 1 / (1 + (n - 1) exp(-v)),
about: E[exp(s)²] = exp(v) E[exp(s)]². That is 1 / n for scores that are alike, and 1 for scores of
which one outweighs all.
"""

from __future__ import annotations

from math import exp, isnan, log, nan

_EXACT = 64
"""Terms of a sum that are added one by one; an integral stands for the others."""


def squared_weights(
    variance: float, covariance: float, count: int, *, causal: bool = False, alibi_heads: int = 0
) -> tuple[float, float]:
    """Sum over positions of a weight's square, and of the product of two queries' weights.

    Args:
        variance: of the scores of one query.
        covariance: of the scores that two queries give to the same position.
        count: positions.
        causal: a query at position t sees t positions; the sums are means over the queries.
        alibi_heads: heads that weigh by distance, each with a slope of its own; 0 for none. What
            two queries have in common is then counted without the slopes.
    """
    if isnan(variance) or isnan(covariance):
        return nan, nan
    alone, together = (exp(-min(max(each, 0.0), 700.0)) for each in (variance, covariance))
    common = _pairs(together, count) if causal else 1 / (1 + (count - 1) * together)
    if alibi_heads:
        reaches = [
            _reach(2 ** (-8 * (h + 1) / alibi_heads), count, causal) for h in range(alibi_heads)
        ]
        return sum(1 / (1 + (reach - 1) * alone) for reach in reaches) / alibi_heads, common
    if causal:
        return _harmonic(alone, count) / count, common
    return 1 / (1 + (count - 1) * alone), common


def _harmonic(step: float, count: int) -> float:
    """Sum of 1 / (1 + m * step) over m = 0 .. count - 1."""
    exact = sum(1 / (1 + m * step) for m in range(min(count, _EXACT)))
    if count <= _EXACT:
        return exact
    if step * count < 1e-6:
        return float(count)
    return exact + log((1 + (count - 0.5) * step) / (1 + (_EXACT - 0.5) * step)) / step


def _pairs(step: float, count: int) -> float:
    """Mean of 1 / (1 + m * step) over pairs of queries, of which the later one sees m + 1.

    Sum of 2 m / (1 + m * step) over count (count - 1), and m / (1 + m step) is (1 - 1 / (1 + m
    step)) / step.
    """
    if count == 1 or step * count < 1e-6:
        return 1.0
    return 2 * (count - _harmonic(step, count)) / (step * count * (count - 1))


def _reach(slope: float, count: int, causal: bool) -> float:
    """Positions that weigh as much as all do when weights are exp(-slope * distance).

    Of a query in the middle, or under a causal mask of the last one: (sum of weights)² over the sum
    of their squares.
    """
    sides = 1 if causal else 2
    length = (count - 1) / sides

    def total(rate: float) -> float:
        ratio = exp(-rate)
        return 1 + sides * ratio * (1 - exp(-rate * length)) / (1 - ratio)

    whole = total(slope)
    return whole * whole / total(2 * slope)
