"""Whether training goes wrong, by the loss and the gradient's norm of each step.

Bounds are factors that sound training does not reach, and hold for steps in a row: one bad batch is
no fault, and neither is what a scaler of float16 skips.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import isfinite
from statistics import median
from typing import Literal

WINDOW = 100
"""Steps that the running median of the gradient's norm looks back on."""

LEAST = 5
"""Norms that a median needs."""

EXPLODED = 1e3
"""Times the running median, from which on a gradient has exploded."""

GROWN = 10.0
"""Times the first step's value, that an exploded gradient and a diverged loss also have."""

SILENT = 1e-9
"""Norm of the whole gradient up to which nothing is learned."""

LEARNED = 0.05
"""Share of the first loss, below which a silent gradient has nothing left to say."""

PATIENCE = 10
"""Steps in a row that it takes to call the training bad."""

SKIPPED = 40
"""Steps in a row that float16 may skip while its scale shrinks: 2^40 is more than any scale."""

Kind = Literal["loss", "gradient", "exploding", "diverging", "vanished"]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong: a loss or gradient that is not finite, or has run away or died.

    `measured` is the value, `expected` what it was held against, `tolerance` the factor allowed,
    and `since` the first of the steps in a row.
    """

    kind: Kind
    since: int
    measured: float
    expected: float | None = None
    tolerance: float | None = None


class Guard:
    """Judges step after step."""

    def __init__(self, *, scaled: bool = False) -> None:
        """Begin; `scaled` where a scaler of float16 skips steps whose gradient is not finite."""
        self._scaled = scaled
        self._norms: deque[float] = deque(maxlen=WINDOW)
        self._first: tuple[float, float] | None = None
        self._counts: dict[Kind, int] = {}

    @property
    def doubts(self) -> bool:
        """Whether the weights may be bad already, so that they should not be saved."""
        return bool(self._counts.get("exploding") or self._counts.get("diverging"))

    def begin(self, loss: float, norm: float) -> None:
        """Take the first step of a run that goes on."""
        self._first = (loss, norm)

    def judge(self, step: int, loss: float, norm: float) -> Fault | None:
        """What is wrong with a step, counted from 1, by its loss and its gradient's norm.

        Both are those before the step of the optimizer, the norm before it is clipped.
        """
        for kind, value in (("loss", loss), ("gradient", norm)):
            if not isfinite(value):
                return self._not_finite(kind, step, value)  # type: ignore[arg-type]
        self._counts["gradient"] = self._counts["loss"] = 0
        if self._first is None:
            self._first = (loss, norm)
        first_loss, first_norm = self._first
        usual = median(self._norms) if len(self._norms) >= LEAST else None
        bound = None if usual is None else max(EXPLODED * usual, GROWN * first_norm)
        is_high = bound is not None and norm > bound
        if not is_high:
            self._norms.append(norm)
        return (
            self._held("exploding", is_high, step, norm, usual, EXPLODED)
            or self._held("diverging", loss > GROWN * first_loss > 0, step, loss, first_loss, GROWN)
            or self._held(
                "vanished",
                norm <= SILENT and loss > LEARNED * first_loss > 0,
                step,
                norm,
                None,
                SILENT,
            )
        )

    def _not_finite(self, kind: Kind, step: int, value: float) -> Fault | None:
        allowed = SKIPPED if self._scaled else 1
        self._counts[kind] = count = self._counts.get(kind, 0) + 1
        return Fault(kind, step - count + 1, value) if count >= allowed else None

    def _held(
        self,
        kind: Kind,
        is_bad: bool,
        step: int,
        measured: float,
        expected: float | None,
        tolerance: float,
    ) -> Fault | None:
        """The fault, once it holds for long enough."""
        self._counts[kind] = count = self._counts.get(kind, 0) + 1 if is_bad else 0
        if count < PATIENCE:
            return None
        return Fault(kind, step - count + 1, measured, expected, tolerance)
