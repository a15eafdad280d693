"""Moments of the hidden states of recurrent cells, position by position from state 0.

Gates of one cell are normal before their sigmoid or tanh, and taken to be independent of each other
and of the state that they act on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from math import isnan

from seobuilder.planning.gaussian import function_moments

SETTLED = 1e-9
"""Relative change of a state's square from one position to the next that counts as none."""
MAX_POSITIONS = 512
"""A state that still changes after so many positions is taken to stay as it is."""


@dataclass(frozen=True, slots=True)
class Drive:
    """What the input gives to each gate: mean, variance, and the part that positions share.

    `forget` is added to the mean of an LSTM's forget gate.
    """

    mean: float
    variance: float
    shared: float
    forget: float
    positions: int


States = tuple[float, float, float]
"""Mean, variance, and covariance of one unit at two positions, averaged over the positions."""

_Squares = tuple[float, float, float]
"""Mean and square of a state at one position, and how much of it the next state keeps."""


def _rnn(drive: Drive, squares: Callable[[float], float]) -> Iterator[_Squares]:
    """h = tanh(a). A hidden map mixes all units, so that none remembers itself."""
    square = 0.0
    while True:
        first, spread = function_moments("tanh", drive.mean, squares(square))
        square = spread + first * first
        yield first, square, 0.0


def _lstm(drive: Drive, squares: Callable[[float], float]) -> Iterator[_Squares]:
    """c = f c + i g and h = o tanh(c)."""
    square = cell = cell_square = 0.0
    while True:
        variance = squares(square)
        gate, gate_square = _raw("sigmoid", drive.mean, variance)
        kept, kept_square = _raw("sigmoid", drive.mean + drive.forget, variance)
        new, new_square = _raw("tanh", drive.mean, variance)
        cell_square = (
            kept_square * cell_square + gate_square * new_square + 2 * kept * cell * gate * new
        )
        cell = kept * cell + gate * new
        shown, shown_square = _raw("tanh", cell, cell_square - cell * cell)
        square = gate_square * shown_square
        yield gate * shown, square, kept


def _gru(drive: Drive, squares: Callable[[float], float]) -> Iterator[_Squares]:
    """h = (1 - z) n + z h, with n = tanh(W x + r * U h)."""
    square = first = 0.0
    while True:
        variance = squares(square)
        gate, gate_square = _raw("sigmoid", drive.mean, variance)
        given = squares(0.0)
        new, new_square = _raw("tanh", drive.mean, given + gate_square * (variance - given))
        square = (
            (1 - 2 * gate + gate_square) * new_square
            + gate_square * square
            + 2 * (gate - gate_square) * new * first
        )
        first = (1 - gate) * new + gate * first
        yield first, square, gate


def _raw(name: str, mean: float, variance: float) -> tuple[float, float]:
    """Mean and mean square of f(x)."""
    first, spread = function_moments(name, mean, max(variance, 0.0))
    return first, spread + first * first


def _states(
    cell: Callable[[Drive, Callable[[float], float]], Iterator[_Squares]],
    drive: Drive,
    back: float | None,
) -> States:
    """The states of a cell whose hidden map multiplies squares by `back`.

    None stands for a hidden map that gives as much as the input map does.
    """

    def squares(hidden: float) -> float:
        if back is None:
            return drive.variance * (2 if hidden else 1)
        return drive.variance + back * hidden

    if isnan(drive.variance + drive.mean) or (back is not None and isnan(back)):
        unknown = drive.variance + drive.mean + (back or 0.0)
        return unknown, unknown, unknown
    seen: list[_Squares] = []
    for state in islice(cell(drive, squares), min(drive.positions, MAX_POSITIONS)):
        seen.append(state)
        if len(seen) > 1 and abs(state[1] - seen[-2][1]) <= SETTLED * state[1]:
            break
    rest = drive.positions - len(seen)
    last_mean, last_square, memory = seen[-1]
    mean = (sum(mean for mean, _, _ in seen) + rest * last_mean) / drive.positions
    square = (sum(square for _, square, _ in seen) + rest * last_square) / drive.positions
    variance = square - mean * mean
    return mean, variance, _shared(drive, variance, memory)


def _shared(drive: Drive, variance: float, kept: float) -> float:
    """Covariance of a unit at two positions.

    The states are as alike as the gates' arguments: s / v = (a + back s) / (b + back v), where a is
    what the input's positions share and b its variance, hence s = v a / b. Neighbours have `kept`
    in common as well, their neighbours its square, and so on.
    """
    alike = drive.shared / drive.variance if drive.variance else 0.0
    memory = min(1.0, 2 * kept / ((1 - kept) * drive.positions)) if kept < 1 else 1.0
    return variance * (alike + (1 - alike) * memory)


HIDDEN_STATES: dict[str, Callable[[Drive, float | None], States]] = {
    "rnn": lambda drive, back: _states(_rnn, drive, back),
    "lstm": lambda drive, back: _states(_lstm, drive, back),
    "gru": lambda drive, back: _states(_gru, drive, back),
}
"""By kind of cell: the moments of its states."""
