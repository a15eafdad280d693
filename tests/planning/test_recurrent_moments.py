"""States of recurrent cells by hand, one position after the other."""

from __future__ import annotations

from math import exp, isnan, nan, tanh

import pytest

from seobuilder.planning.gaussian import function_moments
from seobuilder.planning.recurrent_moments import HIDDEN_STATES, Drive

CELLS = ["rnn", "lstm", "gru"]


def square(name: str, mean: float, variance: float) -> float:
    first, spread = function_moments(name, mean, variance)
    return spread + first**2


def test_the_first_state_of_each_cell() -> None:
    drive = Drive(0.0, 0.5, 0.0, 0.0, 1)
    new, gate = square("tanh", 0, 0.5), square("sigmoid", 0, 0.5)
    assert HIDDEN_STATES["rnn"](drive, 3.0)[:2] == pytest.approx((0, new))
    shown = gate * square("tanh", 0, gate * new)
    assert HIDDEN_STATES["lstm"](drive, 3.0)[:2] == pytest.approx((0, shown))
    # E[(1 - z)²] is E[z²], for z lies as far above 1/2 as below
    assert HIDDEN_STATES["gru"](drive, 3.0)[:2] == pytest.approx((0, gate * new))


def test_two_states_of_a_plain_cell() -> None:
    first = square("tanh", 0, 0.5)
    second = square("tanh", 0, 0.5 + 2.0 * first)
    _, variance, _ = HIDDEN_STATES["rnn"](Drive(0.0, 0.5, 0.0, 0.0, 2), 2.0)
    assert variance == pytest.approx((first + second) / 2)


@pytest.mark.parametrize("cell", CELLS)
def test_gates_without_variance_move_states_as_numbers_move(cell: str) -> None:
    gate, new = 1 / (1 + exp(-0.7)), tanh(0.7)
    states, state = [], 0.0
    for _ in range(3):
        if cell == "lstm":
            state = gate * (state + new)
            states.append(gate * tanh(state))
        else:
            state = new if cell == "rnn" else (1 - gate) * new + gate * state
            states.append(state)
    mean, variance, _ = HIDDEN_STATES[cell](Drive(0.7, 0.0, 0.0, 0.0, 3), 0.0)
    assert mean == pytest.approx(sum(states) / 3)
    assert variance + mean**2 == pytest.approx(sum(h * h for h in states) / 3)


@pytest.mark.parametrize("cell", CELLS)
def test_states_settle(cell: str) -> None:
    states = HIDDEN_STATES[cell]
    long = states(Drive(0.0, 0.5, 0.0, 0.0, 10**6), 1.0)
    longer = states(Drive(0.0, 0.5, 0.0, 0.0, 2 * 10**6), 1.0)
    assert long[1] == pytest.approx(longer[1], rel=1e-4)
    assert 0 < long[1] < 1


def test_an_open_forget_gate_lets_the_state_grow() -> None:
    closed, neutral, opened = (
        HIDDEN_STATES["lstm"](Drive(0.0, 0.5, 0.0, forget, 50), 1.0)[1] for forget in (-5.0, 0, 2.0)
    )
    assert closed < neutral < opened / 2


def test_without_a_hidden_weight_it_gives_as_much_as_the_input() -> None:
    drive = Drive(0.0, 0.5, 0.0, 0.0, 10**4)
    _, assumed, _ = HIDDEN_STATES["rnn"](drive, None)
    assert assumed == pytest.approx(square("tanh", 0, 1.0), rel=1e-3)
    assert HIDDEN_STATES["rnn"](drive, 0.5 / assumed)[1] == pytest.approx(assumed, rel=1e-3)


@pytest.mark.parametrize("cell", CELLS)
def test_an_input_that_never_changes_gives_states_that_share_all(cell: str) -> None:
    _, variance, shared = HIDDEN_STATES[cell](Drive(0.0, 0.5, 0.5, 0.0, 1000), 0.0)
    assert shared == pytest.approx(variance)
    assert HIDDEN_STATES[cell](Drive(0.0, 0.5, 0.0, 0.0, 1000), 0.0)[2] < 0.01 * variance


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_unknown_stays_so(cell: str) -> None:
    assert all(map(isnan, HIDDEN_STATES[cell](Drive(0.0, nan, nan, 0.0, 5), 1.0)))
    assert all(map(isnan, HIDDEN_STATES[cell](Drive(0.0, 1.0, 0.0, 0.0, 5), nan)))
