"""`metrics.jsonl`: a line for every so many steps, and one for every evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from torch import Tensor

from seobuilder.training.callbacks import Callback, State

Line = dict[str, Any]

METRICS_FILE = "metrics.jsonl"


class Journal(Callback):
    """Keeps the lines, and writes them to a file as well if there is one.

    A line holds nothing that differs from run to run, such as the time.
    """

    def __init__(self, every: int, file: Path | None = None) -> None:
        """Note every so many steps; `file` is written anew with what `lines` holds at the start."""
        self.lines: list[Line] = []
        self._every = every
        self._file = file

    def take_up(self, file: Path, step: int) -> None:
        """Keep the lines of an earlier run up to a step."""
        lines: list[Line] = []
        for text in file.read_text(encoding="utf-8").splitlines():
            try:
                line: Line = json.loads(text)
            except ValueError:  # the line that was being written when the run was killed
                break
            lines.append(line)
        self.lines = [line for line in lines if line["step"] <= step]

    def on_start(self, state: State) -> None:
        """Begin the file."""
        if state.is_main and self._file is not None:
            self._file.write_bytes(self.content())

    def on_step(self, state: State) -> None:
        """Note a step."""
        if state.step % self._every or not state.is_main:
            return
        self.note({"step": state.step, "epoch": state.epoch, **numbers(state)})

    def on_evaluate(self, state: State, split: str, figures: Mapping[str, float]) -> None:
        """Note an evaluation."""
        if state.is_main:
            known = {name: number(value) for name, value in figures.items()}
            self.note({"step": state.step, "epoch": state.epoch, "split": split, **known})

    def content(self) -> bytes:
        """The file's content."""
        return b"".join(map(_text, self.lines))

    def note(self, line: Line) -> None:
        """Add a line of a step."""
        self.lines.append(line)
        if self._file is not None:
            with self._file.open("ab") as file:
                file.write(_text(line))


def numbers(state: State) -> dict[str, float | None]:
    """What is noted of a step: loss, rate and norm, and each loss where there are several."""
    found = {
        "loss": number(state.loss),
        "rate": state.rate,
        "gradient_norm": number(state.gradient_norm),
    }
    if state.losses is not None and len(state.losses) > 1:
        found |= {f"{name}.loss": number(loss) for name, loss in state.losses.items()}
    return found


def number(value: Tensor | float | None) -> float | None:
    """A number as JSON can hold it: NaN and infinity are null."""
    known = None if value is None else float(value)
    return known if known is not None and isfinite(known) else None


def _text(line: Line) -> bytes:
    return json.dumps(line, allow_nan=False).encode() + b"\n"
