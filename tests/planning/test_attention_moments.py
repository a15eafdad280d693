"""How evenly softmax weighs, against sums that are written out and against drawn scores."""

from __future__ import annotations

from math import isnan, nan

import pytest
import torch

from seobuilder.planning.attention_moments import squared_weights


def test_scores_that_are_alike_weigh_evenly() -> None:
    assert squared_weights(0.0, 0.0, 40) == pytest.approx((1 / 40, 1 / 40))
    assert squared_weights(0.0, 0.0, 1) == (1.0, 1.0)


def test_one_score_outweighs_all_others_where_they_differ_much() -> None:
    assert squared_weights(1e4, 0.0, 40) == pytest.approx((1.0, 1 / 40))


@pytest.mark.parametrize("count", [1, 2, 50, 3000])
def test_under_a_causal_mask_early_queries_see_less(count: int) -> None:
    share, common = squared_weights(0.0, 0.0, count, causal=True)
    assert share == pytest.approx(sum(1 / t for t in range(1, count + 1)) / count, rel=1e-4)
    pairs = count * (count - 1) / 2
    expected = sum((t - 1) / t for t in range(1, count + 1)) / pairs if count > 1 else 1.0
    assert common == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("causal", [False, True])
def test_alibi_shortens_the_reach(causal: bool) -> None:
    share, _ = squared_weights(0.0, 0.0, 101, causal=causal, alibi_heads=4)
    distances = range(101) if causal else range(-50, 51)
    expected = 0.0
    for head in range(4):
        slope = 2.0 ** (-2 * (head + 1))
        weights = torch.tensor([-slope * abs(d) for d in distances]).softmax(dim=0)
        expected += float(weights.square().sum()) / 4
    assert share == pytest.approx(expected, rel=1e-4)


def test_drawn_scores() -> None:
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2000, 64, generator=generator, dtype=torch.float64)
    measured = scores.softmax(dim=1).square().sum(dim=1).mean()
    assert squared_weights(1.0, 0.0, 64)[0] == pytest.approx(float(measured), rel=0.15)


def test_unknown_scores_weigh_in_an_unknown_way() -> None:
    assert all(map(isnan, squared_weights(nan, 0.0, 4)))
