"""Initializations side by side, for a terminal."""

from __future__ import annotations

from statistics import fmean

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seobuilder.recipe.diagnostics import printable
from seobuilder.report.comparison import Candidate, Comparison
from seobuilder.report.text import UNKNOWN, number, plural

BARS = "▁▂▃▄▅▆▇█"
"""Heights of a curve in one line of text."""

POINTS = 24
"""Points of a curve."""


def render_comparison(comparison: Comparison, console: Console) -> None:
    """Print one row for each candidate, and what the columns mean."""
    trained = comparison.steps > 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("initialization", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for header in ("loss", "signal", "gradient"):
        table.add_column(header, justify="right")
    if trained:
        table.add_column(f"after {plural(comparison.steps, 'step')}", justify="right")
        table.add_column("held out", justify="right")
        table.add_column("training", no_wrap=True)
    top = _highest(comparison)
    for candidate in comparison.candidates:
        row = [
            candidate.label,
            _verdict(candidate),
            *map(number, (candidate.loss, candidate.signal, candidate.gradient)),
        ]
        if trained:
            row += [_end(candidate), number(candidate.held_out), curve(candidate.losses, top)]
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)
    console.print(Text(_legend(comparison), style="dim"))


def curve(losses: tuple[float | None, ...], top: float) -> str:
    """A curve in one line, from 0 at the bottom to `top`; a loss that is not finite is a cross."""
    count = min(POINTS, len(losses))
    parts = [
        losses[index * len(losses) // count : (index + 1) * len(losses) // count]
        for index in range(count)
    ]
    return "".join(_bar(part, top) for part in parts)


def _bar(losses: tuple[float | None, ...], top: float) -> str:
    known = [loss for loss in losses if loss is not None]
    if len(known) < len(losses) or top <= 0:
        return "×"
    height = min(max(fmean(known) / top, 0.0), 1.0)
    return BARS[min(int(height * len(BARS)), len(BARS) - 1)]


def _highest(comparison: Comparison) -> float:
    """Twice the loss of guessing, so that one bad candidate does not flatten the others."""
    if comparison.chance:
        return 2 * comparison.chance
    return max((loss for c in comparison.candidates for loss in c.losses if loss), default=0.0)


def _end(candidate: Candidate) -> str:
    """The mean of the last tenth of the losses: single batches scatter."""
    last = candidate.losses[-max(1, len(candidate.losses) // 10) :]
    known = [loss for loss in last if loss is not None]
    return number(fmean(known)) if len(known) == len(last) else "not finite"


def _verdict(candidate: Candidate) -> str:
    counts = [
        plural(count, noun)
        for count, noun in ((candidate.errors, "error"), (candidate.warnings, "warning"))
        if count
    ]
    return candidate.verdict + (f" ({', '.join(counts)})" if counts else "")


def _legend(comparison: Comparison) -> str:
    chance = UNKNOWN if comparison.chance is None else number(comparison.chance)
    text = (
        f"loss: before training, that of guessing is {chance}; signal, gradient: the last block's "
        "variance and gradient, by the first's"
    )
    if comparison.steps:
        text += (
            f"; trained with AdamW at {comparison.learning_rate:g}, "
            f"{comparison.batch} rows a step, the same for all"
        )
    return text
