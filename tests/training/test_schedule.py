"""The learning rate over the steps."""

from __future__ import annotations

import pytest

from seobuilder.recipe.spec.training import Schedule
from seobuilder.training.schedule import rate_factor


def rates(schedule: Schedule, steps: int = 100) -> list[float]:
    return [rate_factor(schedule, step, step / steps, steps) for step in range(steps)]


def test_it_rises_in_a_line_and_falls_by_the_decay() -> None:
    linear = rates(Schedule(decay="linear", warmup_steps=3))
    assert linear[:4] == [0.25, 0.5, 0.75, 1.0]
    assert linear[-1] == pytest.approx(1 / 97)
    cosine = rates(Schedule(decay="cosine", warmup=0.2, end=0.1))
    assert cosine[20] == 1.0 and cosine[60] == pytest.approx(0.55)
    assert cosine[19] == pytest.approx(20 / 21) and 0.1 < cosine[-1] < 0.101
    assert set(rates(Schedule(decay="none", warmup=0.0))) == {1.0}


def test_a_warmup_longer_than_the_training_never_falls() -> None:
    long = rates(Schedule(warmup_steps=400))
    assert long == sorted(long) and long[-1] == 100 / 401
