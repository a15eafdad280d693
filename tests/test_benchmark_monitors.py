"""What benchmarks/monitors.py makes of the times that it takes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def benchmark() -> Iterator[Any]:
    """The benchmark, which is a script."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield import_module("monitors")
        for name in ("monitors", "measure"):
            del sys.modules[name]


def test_what_is_beyond_a_bare_step_counts_and_what_is_within_the_others(benchmark: Any) -> None:
    timed = benchmark.Timed([])
    timed.steps, timed.within = [1.1] * 14, [0.1] * 14
    timed.steps[4], timed.steps[5] = 3.0, 1.5  # the fifth is measured, and the sixth feels it
    timed.steps[12] = 9.0  # something else took a while
    first, second = benchmark.rounds_of(timed, 5)
    assert first == pytest.approx((1.0, 2.5, 0.1))
    assert first.cost(5) == pytest.approx((2.0 + 0.5 + 3 * 0.1) / 5)
    assert second == pytest.approx((1.0, 0.2, 0.1))
    assert second.cost(5) == pytest.approx(0.1)
