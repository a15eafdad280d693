"""Statistics against numpy in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seobuilder.health import statistics
from seobuilder.health.statistics import measure
from seobuilder.init.threads import one_thread
from seobuilder.report.parameters import Statistics

floats = st.floats(-1e6, 1e6, width=32)


def reference(values: np.ndarray) -> Statistics:
    finite = values[np.isfinite(values)]
    return Statistics(
        count=values.size,
        mean=float(finite.mean()),
        std=float(finite.std()),
        min=float(finite.min()),
        max=float(finite.max()),
        l1=float(np.abs(finite).sum()),
        l2=float(np.sqrt(np.square(finite).sum())),
        zeros=int((finite == 0).sum()),
        nan=int(np.isnan(values).sum()),
        inf=int(np.isinf(values).sum()),
    )


@given(
    values=st.lists(floats | st.sampled_from([0.0, math.nan, math.inf, -math.inf]), max_size=40),
    block=st.integers(1, 50),
)
@settings(deadline=None)
def test_blocks_of_any_size_give_the_statistics_of_the_whole(
    values: list[float], block: int
) -> None:
    array = np.array([*values, 1.5])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "BLOCK", block)
        got = measure(torch.tensor(array, dtype=torch.float32))
    for name, expected in reference(array).model_dump().items():
        scale = max(1.0, abs(np.nan_to_num(array, posinf=0, neginf=0)).max())
        assert getattr(got, name) == pytest.approx(expected, rel=1e-9, abs=1e-8 * scale), name


def test_a_small_deviation_from_a_large_mean_keeps_its_digits() -> None:
    array = 1e6 + np.random.default_rng(0).normal(0, 1e-3, 300_000)
    got = measure(torch.tensor(array))
    assert got.std == pytest.approx(array.std(), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_a_constant_has_exactly_no_deviation(dtype: torch.dtype) -> None:
    got = measure(torch.full((777, 500), 0.1, dtype=dtype))
    assert got.std == 0
    assert got.mean == got.min == got.max == float(torch.tensor(0.1, dtype=dtype))


@pytest.mark.parametrize("values", [[], [math.nan, math.inf, -math.inf]])
def test_nothing_finite_gives_none_rather_than_nan(values: list[float]) -> None:
    got = measure(torch.tensor(values))
    assert (got.count, got.nan, got.inf) == (len(values), values[:1] != [], 2 * (values != []))
    assert {got.mean, got.std, got.min, got.max, got.l1, got.l2, got.sparsity} == {None}


def test_sparsity_is_the_share_among_finite_elements() -> None:
    assert measure(torch.tensor([0.0, -0.0, 1.0, 2.0, math.nan])).sparsity == 0.5


def test_what_exceeds_float64_is_none() -> None:
    got = measure(torch.tensor([1e300, -1e300], dtype=torch.float64))
    assert got.l2 is None and got.std is None and got.max == 1e300


def test_scalars_and_views_are_measured_in_full() -> None:
    assert measure(torch.tensor(3.0, requires_grad=True)).mean == 3.0
    assert measure(torch.arange(6.0).reshape(2, 3).T[1:]).l1 == 1 + 2 + 4 + 5


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_only_real_floating_point_tensors_are_measured(dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match=f"not {dtype}"):
        measure(torch.ones(3, dtype=dtype))


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "PART", 1 << 12)
    monkeypatch.setattr(statistics, "BLOCK", 1 << 10)
    tensor = torch.randn(100_000, generator=torch.Generator().manual_seed(0)) + 0.3
    before = torch.get_num_threads()
    results = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        results.append(measure(tensor))
    torch.set_num_threads(before)
    assert results[0] == results[1] == results[2]
    with one_thread():  # a report is made inside
        assert measure(tensor) == results[0]
