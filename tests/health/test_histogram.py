"""Histograms against numpy's, and expected counts against draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from seobuilder.health.histogram import BINS, histogram
from seobuilder.health.statistics import measure
from seobuilder.init.draw import draw
from seobuilder.planning.distributions import (
    Constant,
    DeltaOrthogonal,
    Distribution,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)
from seobuilder.report.parameters import Histogram


def of(tensor: Tensor, distribution: Distribution | None = None) -> Histogram:
    result = histogram(tensor, measure(tensor), distribution)
    assert result is not None
    return result


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_counts_are_those_between_the_ends(dtype: torch.dtype) -> None:
    tensor = torch.randn(5000, generator=torch.Generator().manual_seed(0)).to(dtype)
    tensor[:3] = torch.tensor([math.nan, math.inf, 40.0])
    got = of(tensor)
    values = tensor.double().numpy()
    expected, _ = np.histogram(values[np.isfinite(values)], BINS, (got.low, got.high))
    assert got.counts == tuple(expected) and got.expected is None
    assert sum(got.counts) == 4997  # neither what is not finite, nor what lies far out
    assert got.low == tensor[3:].min() and 4 < got.high < 6


@pytest.mark.parametrize(
    ("distribution", "shape"),
    [
        (Normal(0.1, 0.02), (300, 200)),
        (Uniform(-0.1, 0.3), (300, 200)),
        (TruncatedNormal(0, 0.02), (300, 200)),
        (TruncatedNormal(0, 0.02, 0.5, 3), (300, 200)),
        (TruncatedNormal(0, 0.02, -9, -6), (300, 200)),
        (Orthogonal(1.4), (300, 200)),
        (Orthogonal(0.7, blocks=500), (1500, 3)),
        (Sparse(0.1, 0.5), (300, 200)),
        (DeltaOrthogonal(), (64, 96, 3)),
    ],
)
def test_expected_counts_are_those_of_a_draw(
    distribution: Distribution, shape: tuple[int, ...]
) -> None:
    got = of(draw(distribution, shape, name="a.weight", seed=3), distribution)
    assert got.expected is not None and len(got.counts) == len(got.expected) == BINS
    counts, expected = np.array(got.counts), np.array(got.expected)
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected) + 5).all()
    assert sum(got.expected) == pytest.approx(math.prod(shape), rel=2e-3)


def test_ends_are_the_declared_ones_but_no_further_than_the_data() -> None:
    drawn = draw(Uniform(-1, 1), (100_000,), name="a", seed=0)
    got = of(drawn, Uniform(-1, 1))
    assert (got.low, got.high) == (float(drawn.min()), float(drawn.max()))
    narrow = of(drawn, Uniform(-0.5, 0.5))
    assert (narrow.low, narrow.high) == (-0.5, 0.5)
    beside = of(drawn + 10, Uniform(-1, 1))
    assert beside.low > 8 and sum(beside.counts) == 100_000


def test_a_padding_row_left_out_scales_what_is_expected() -> None:
    distribution = Orthogonal()
    drawn = draw(distribution, (100, 60), name="a", seed=0)[1:]
    got = histogram(drawn, measure(drawn), distribution, (100, 60))
    assert got is not None and got.expected is not None
    assert sum(got.expected) == pytest.approx(99 * 60, rel=1e-3)


@pytest.mark.parametrize("values", [[], [math.nan], [2.0, 2.0], [1e308, -1e308]])
def test_what_has_no_spread_has_no_histogram(values: list[float]) -> None:
    tensor = torch.tensor(values, dtype=torch.float64)
    assert histogram(tensor, measure(tensor)) is None


def test_what_is_declared_constant_has_no_expected_counts() -> None:
    assert of(torch.tensor([1.0, 2.0, 2.0]), Constant(2)).expected is None
