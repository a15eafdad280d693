"""Lines over the steps of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10, nan
from typing import TYPE_CHECKING

from markupsafe import Markup

from seobuilder.report.html.charts import PREDICTED, SERIES, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Points = Sequence[tuple[int, float | None]]
Band = Sequence[tuple[int, float, float]]


@dataclass(frozen=True)
class Line:
    """Values by step, under a name."""

    name: str
    points: Points


def draw_lines(
    name: str,
    lines: Sequence[Line],
    alt: str,
    level: float | None = None,
    band: Band = (),
    *,
    log: bool = False,
) -> Markup:
    """Lines of the colours of `SERIES` in turn, over a band, and beside a level to compare with."""

    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    def draw(axes: Axes) -> None:
        if log:
            axes.set_yscale("log")
        if band:
            at, lower, upper = (list(each) for each in zip(*band, strict=True))
            axes.fill_between(at, lower, upper, color=PREDICTED, alpha=0.18, linewidth=0)
        if level is not None:
            axes.axhline(level, color=PREDICTED, linestyle=(0, (4, 3)), linewidth=1.5)
        for line, colour in zip(lines, SERIES, strict=False):
            steps = [step for step, _ in line.points]
            values = [nan if v is None or (log and v <= 0) else v for _, v in line.points]
            marker = "o" if len(steps) <= 25 else ""
            axes.plot(steps, values, color=colour, marker=marker, markersize=3)
        shown = [
            v for each in lines for _, v in each.points if v is not None and (v > 0 or not log)
        ]
        shown += [] if level is None else [level]
        if log and shown:
            low, high = floor(log10(min(shown))), ceil(log10(max(shown)))
            axes.set_ylim(10.0**low, 10.0 ** max(high, low + 1))
            axes.yaxis.set_major_locator(LogLocator(numticks=6))
            axes.yaxis.set_minor_locator(NullLocator())
        elif shown:
            low_, high_ = min(0.0, *shown), max(shown)
            axes.set_ylim(low_, high_ + (0.06 * (high_ - low_) or 0.5))
            axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v + 0.0:.4g}"))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.grid(axis="y")

    return drawing(name, alt, (440, 230), (48, 20, 14, 10), draw)
