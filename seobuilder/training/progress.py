"""How a run shows itself: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from seobuilder.recipe.spec.training import METRICS
from seobuilder.report.text import number as digits
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.journal import number

LINE_SECONDS = 10.0
"""Seconds between two lines where there is no terminal."""

BAR_SECONDS = 0.1


class ShowProgress(Callback):
    """Loss, rate, gradient norm, tokens a second and the time left, on standard error."""

    def __init__(self, console: Console | None = None) -> None:
        """Show on this console, standard error where none is given."""
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._start = self._shown = 0.0
        self._first = (0.0, 0, 0)
        self.is_main = True

    def on_start(self, state: State) -> None:
        """Begin the bar."""
        self.is_main = state.is_main
        self._start = self._shown = time.monotonic()
        self._first = (state.progress, state.tokens, state.rows)
        if state.is_main and self._console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(None),
                TextColumn("{task.fields[text]}"),
            )
            self._bar = Progress(*columns, console=self._console, transient=True, expand=True)
            self._task = self._bar.add_task("training", total=1.0, text="")
            self._bar.start()

    def on_step(self, state: State) -> None:
        """Show a step, if the last one shown is long enough ago."""
        now = time.monotonic()
        pause = LINE_SECONDS if self._bar is None else BAR_SECONDS
        if not state.is_main or now - self._shown < pause:
            return
        self._shown = now
        text = self._text(state, now)
        if self._bar is None or self._task is None:
            self._console.print(f"{state.progress:4.0%}  {text}")
        else:
            self._bar.update(self._task, completed=state.progress, text=text)

    def on_evaluate(self, state: State, split: str, figures: Mapping[str, float]) -> None:
        """Show what matters most of what was measured, to stay: metrics.jsonl has the rest."""
        if not state.is_main or not figures:
            return
        names = ["loss"]
        for name, spec in state.recipe.outputs.items():
            names += [f"{name}.{next(iter(METRICS[spec.kind]))}"]
        shown = ", ".join(
            f"{name} {digits(number(figures[name]))}" for name in names if name in figures
        )
        self._console.print(f"step {state.step:,}, epoch {state.epoch:,}, {split}: {shown}")

    def on_end(self, state: State) -> None:
        """Take the bar away."""
        self.close()

    def close(self) -> None:
        """Take the bar away, also after an interruption."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _text(self, state: State, now: float) -> str:
        seconds = now - self._start
        done, tokens, rows = self._first
        speed = (state.tokens - tokens) / seconds
        unit = "tokens/s"
        if not state.recipe.token_inputs:
            speed, unit = (state.rows - rows) / seconds, "rows/s"
        left = seconds * (1 - state.progress) / max(state.progress - done, 1e-9)
        loss = float("nan") if state.loss is None else float(state.loss)
        norm = float("nan") if state.gradient_norm is None else float(state.gradient_norm)
        return (
            f"step {state.step:,}  loss {loss:.4f}  rate {state.rate:.2e}  gradient {norm:.2g}  "
            f"{speed:,.0f} {unit}  {_clock(left)} left"
        )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
