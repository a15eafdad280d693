from __future__ import annotations

from math import inf, nan

import pytest

from seobuilder.training.monitors.guard import EXPLODED, PATIENCE, SKIPPED, Fault, Guard


def first_fault(guard: Guard, values: list[tuple[float, float]]) -> Fault | None:
    faults = (guard.judge(step, *pair) for step, pair in enumerate(values, 1))
    return next((fault for fault in faults if fault), None)


SOUND = [(1.0, 1.0)] * 20


@pytest.mark.parametrize("bad", [nan, inf])
def test_what_is_not_finite_is_a_fault_at_once(bad: float) -> None:
    loss = first_fault(Guard(), [*SOUND, (bad, 1.0)])
    gradient = first_fault(Guard(), [*SOUND, (1.0, bad)])
    assert loss is not None and (loss.kind, loss.since) == ("loss", 21)
    assert gradient is not None and (gradient.kind, gradient.since) == ("gradient", 21)


def test_a_gradient_explodes_against_its_median_when_it_does_not_come_back() -> None:
    high = (1.0, 2 * EXPLODED)
    spikes = [*SOUND, *[high] * (PATIENCE - 1), (1.0, 1.0)] * 3
    assert first_fault(Guard(), spikes) is None
    fault = first_fault(Guard(), [*SOUND, *[high] * PATIENCE])
    assert fault == Fault("exploding", 21, 2 * EXPLODED, 1.0, EXPLODED)


def test_a_gradient_that_was_larger_at_the_start_does_not_explode() -> None:
    converged = [(1.0, 1.0), *[(1e-6, 1e-6)] * 50, *[(1e-3, 0.1)] * 50]
    assert first_fault(Guard(), converged) is None


def test_a_loss_diverges_from_that_of_the_first_step() -> None:
    fault = first_fault(Guard(), [(0.5, 1.0), *[(6.0, 1.0)] * 30])
    assert fault == Fault("diverging", 2, 6.0, 0.5, 10.0)
    resumed = Guard()
    resumed.begin(0.5, 1.0)
    assert first_fault(resumed, [(6.0, 1.0)] * PATIENCE) is not None


def test_doubts_come_before_the_fault_and_go_again() -> None:
    guard = Guard()
    assert first_fault(guard, SOUND) is None and not guard.doubts
    guard.judge(21, 20.0, 1.0)
    assert guard.doubts
    guard.judge(22, 1.0, 1.0)
    assert not guard.doubts


def test_a_gradient_vanishes_only_while_there_is_something_to_learn() -> None:
    assert first_fault(Guard(), [(1.0, 1.0), *[(1e-3, 0.0)] * 50]) is None
    fault = first_fault(Guard(), [(1.0, 1.0), *[(0.9, 0.0)] * 50])
    assert fault is not None and (fault.kind, fault.since) == ("vanished", 2)


def test_steps_that_the_scaler_skips_are_no_fault() -> None:
    skipped = [*SOUND, *[(1.0, inf)] * (SKIPPED - 1), (1.0, 1.0)] * 2
    assert first_fault(Guard(scaled=True), skipped) is None
    fault = first_fault(Guard(scaled=True), [*SOUND, *[(1.0, inf)] * SKIPPED])
    assert fault is not None and (fault.kind, fault.since) == ("gradient", 21)
