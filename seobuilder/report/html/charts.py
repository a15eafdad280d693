"""Charts as inline SVG, drawn by matplotlib without pyplot.

Colours are CSS variables of the page, so that one drawing suits light and dark, and texts are text
in the page's own font. Nothing in a chart depends on the time, the machine or a user's settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from io import StringIO
from math import ceil, floor, log10, nan
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from seobuilder.recipe.diagnostics import printable
from seobuilder.report.parameters import Histogram, Spectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What matplotlib is told, and the style sheet's variable that the page shows.
INK, GRID, MEASURED, PREDICTED, OUTSIDE = "#010101", "#020202", "#030303", "#040404", "#050505"
SERIES = ("#0a0a01", "#0a0a02", "#0a0a03", "#0a0a04", "#0a0a05", "#0a0a06")
VARIABLES = {
    **{colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)},
    INK: "var(--muted)",
    GRID: "var(--line)",
    MEASURED: "var(--accent)",
    PREDICTED: "var(--predicted)",
    OUTSIDE: "var(--error)",
}

SETTINGS: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a name may hold a dollar
    "axes.unicode_minus": False,
    "font.size": 11,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 1,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "lines.linewidth": 1.75,
    "lines.markersize": 4,
    "lines.solid_capstyle": "round",
}

LONE = 0.3
"""Half the width at which a prediction is drawn that has none beside it."""

Values = Sequence[float | None]


@dataclass(frozen=True)
class Curve:
    """Values by depth or step; the axis of a `log` curve spans whole decades.

    `groups` are names and counts of neighbouring points that belong together.
    """

    measured: Values
    predicted: Values = ()
    low: Values = ()
    high: Values = ()
    log: bool = False
    ends: tuple[float, float] | None = None
    percent: bool = False
    groups: Sequence[tuple[str, int]] = ()


@contextmanager
def settings() -> Iterator[None]:
    """Matplotlib's own defaults and ours, whatever a user's matplotlibrc says."""
    import matplotlib

    defaults = {k: v for k, v in matplotlib.rcParamsDefault.items() if "backend" not in k}
    with matplotlib.rc_context(defaults | SETTINGS):  # type: ignore[arg-type]
        yield


def outside(curve: Curve) -> list[int]:
    """Indices of the points that lie outside their band."""
    return [
        index
        for index, (value, low, high) in enumerate(
            zip(curve.measured, curve.low, curve.high, strict=False)
        )
        if value is not None and low is not None and high is not None and not low <= value <= high
    ]


def _lone(values: Values) -> list[int]:
    """Indices of values that stand between unknown ones, where no line leads to or from them."""
    known = [False, *(value is not None for value in values), False]
    return [i for i in range(len(values)) if known[i : i + 3] == [False, True, False]]


def draw_curve(name: str, curve: Curve, alt: str) -> Markup:
    """`curve` over the index of its points, its band behind it.

    `name` sets the identifiers within the drawing apart from those of others; `alt` says in words
    what is to be seen.
    """

    from matplotlib.ticker import MaxNLocator

    def draw(axes: Axes) -> None:
        x = range(len(curve.measured))
        _vertical_axis(axes, curve)
        _groups(axes, curve.groups)
        floor_, ceiling = axes.get_ylim()
        if curve.low and curve.high:
            low = [_within(value, floor_, ceiling) for value in curve.low]
            high = [_within(value, floor_, ceiling) for value in curve.high]
            axes.fill_between(x, low, high, color=PREDICTED, alpha=0.18, linewidth=0)
            for i in _lone(curve.low):
                ends = [i - LONE, i + LONE]
                axes.fill_between(ends, low[i], high[i], color=PREDICTED, alpha=0.18, linewidth=0)
        if curve.predicted:
            predicted = _known(curve.predicted, curve.log)
            axes.plot(x, predicted, color=PREDICTED, linestyle=(0, (4, 3)))
            for i in _lone(curve.predicted):
                axes.plot([i - LONE, i + LONE], [predicted[i]] * 2, color=PREDICTED)
        measured = _known(curve.measured, curve.log)
        marker = "o" if len(measured) <= 60 else ""
        axes.plot(x, measured, color=MEASURED, marker=marker)
        strays = outside(curve)
        axes.plot(strays, [measured[i] for i in strays], "o", color=OUTSIDE, markersize=6)
        axes.set_xlim(-0.5, len(measured) - 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))

    return drawing(name, alt, (440, 230), (48, 20, 10, 18), draw)


def draw_histogram(name: str, histogram: Histogram, alt: str) -> Markup:
    """Counts as a filled outline, and what was declared as a line over it."""
    bounds = histogram.low, histogram.high
    return draw_outlines(name, bounds, histogram.counts, histogram.expected, alt)


def draw_outlines(
    name: str,
    bounds: tuple[float, float],
    filled: Sequence[float],
    line: Sequence[float] | None,
    alt: str,
) -> Markup:
    """Counts in equal bins between bounds as a filled outline, and others as a line over it."""

    from matplotlib.ticker import MaxNLocator

    def draw(axes: Axes) -> None:
        low, high = bounds
        step = (high - low) / len(filled)
        edges = [low + step * i for i in range(len(filled) + 1)]
        axes.stairs(filled, edges, fill=True, color=MEASURED, alpha=0.35)
        if line is not None:
            axes.stairs(line, edges, color=PREDICTED, linewidth=1.75)
        axes.set_ylim(0, max(1.0, *filled, *(line or ())) * 1.08)
        axes.set_yticks([])
        axes.xaxis.set_major_locator(MaxNLocator(5))

    return drawing(name, alt, (320, 140), (10, 20, 10, 4), draw)


def draw_spectrum(name: str, spectrum: Spectrum, alt: str) -> Markup:
    """Singular values from the largest to the smallest, and the predicted edges."""

    from matplotlib.ticker import MaxNLocator

    def draw(axes: Axes) -> None:
        count = len(spectrum.values)
        shares = [100 * i / max(1, count - 1) for i in range(count)]
        top = spectrum.values[0]
        if spectrum.edges is not None:
            axes.axhspan(*spectrum.edges, color=PREDICTED, alpha=0.18, linewidth=0)
            for edge in spectrum.edges:
                axes.axhline(edge, color=PREDICTED, linestyle=(0, (4, 3)), linewidth=1.25)
            top = max(top, *spectrum.edges)
        axes.plot(shares, spectrum.values, color=MEASURED)
        axes.set_ylim(0, top * 1.12 or 1)
        axes.set_xlim(-2, 102)
        axes.set_xticks([0, 50, 100], ["largest", "median", "smallest"])
        first, _, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.grid(axis="y")

    return drawing(name, alt, (320, 140), (40, 20, 24, 4), draw)


def _vertical_axis(axes: Axes, curve: Curve) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    shown = [
        value
        for values in (curve.measured, curve.predicted, curve.low, curve.high)
        for value in values
        if value is not None and (value > 0 or not curve.log)
    ]
    if curve.log:
        axes.set_yscale("log")
        low, high = (log10(end(shown)) for end in (min, max)) if shown else (0.0, 0.0)
        # Whole decades, and never less than two: a flat line must look flat.
        bottom, top = floor(low), ceil(high)
        if top == bottom:
            bottom, top = bottom - 1, top + 1
        elif top - bottom == 1:
            bottom, top = (bottom - 1, top) if low - bottom < top - high else (bottom, top + 1)
        axes.set_ylim(10.0**bottom, 10.0**top)
        axes.yaxis.set_major_locator(LogLocator(numticks=6))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        low, high = curve.ends or (min(shown, default=0.0), max(shown, default=1.0))
        margin = 0.06 * (high - low) or 0.5
        axes.set_ylim(low - margin, high + margin)
        axes.yaxis.set_major_locator(MaxNLocator(5))
    factor, unit = (100, " %") if curve.percent else (1, "")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v * factor + 0.0:.4g}{unit}"))
    axes.grid(axis="y")


def _groups(axes: Axes, groups: Sequence[tuple[str, int]]) -> None:
    """A line between neighbouring groups, and their names where there is room."""
    width = 382 / max(1, sum(count for _, count in groups))
    start = 0
    for name, count in groups:
        if start:
            axes.axvline(start - 0.5, color=GRID, linewidth=1)
        if len(name) * 5.6 < width * count:
            axes.annotate(
                printable(name),
                (start + (count - 1) / 2, 1),
                xycoords=("data", "axes fraction"),
                xytext=(0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=10,
            )
        start += count


def _known(values: Values, log: bool) -> list[float]:
    return [nan if value is None or (log and value <= 0) else value for value in values]


def _within(value: float | None, low: float, high: float) -> float:
    return nan if value is None else min(max(value, low), high)


def drawing(
    name: str,
    alt: str,
    size: tuple[int, int],
    margins: tuple[int, int, int, int],
    draw: Callable[[Axes], None],
) -> Markup:
    """A drawing of `size` units whose axes leave `margins` at the left, bottom, right and top."""
    import matplotlib
    from matplotlib.figure import Figure

    width, height = size
    left, bottom, right, top = margins
    box = (
        left / width,
        bottom / height,
        (width - left - right) / width,
        (height - bottom - top) / height,
    )
    figure = Figure(figsize=(width / 72, height / 72), frameon=False)
    axes = figure.add_axes(box, frameon=True)
    axes.patch.set_visible(False)
    draw(axes)
    text = StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(text, format="svg", metadata=nothing)
    return _inline(text.getvalue(), alt, size)


def _tag(match: re.Match[str]) -> str:
    """A tag with hundredths of a pixel, and the page's colours."""
    tag = re.sub(r"(\.\d\d)\d+", r"\1", match[0]).replace("xlink:href", "href")
    tag = re.sub(r' clip-path="[^"]*"', "", tag)  # every axis is wide enough for what it shows
    return re.sub("|".join(VARIABLES), lambda colour: VARIABLES[colour[0]], tag)


def _inline(document: str, alt: str, size: tuple[int, int]) -> Markup:
    """The drawing without what only a document of its own needs."""
    _, _, inner = document[document.index("<svg") :].partition(">")
    inner = re.sub(
        r"<style.*?</style>", "", inner, flags=re.DOTALL
    )  # it would reach the whole page
    inner = re.sub(r"<clipPath.*?</clipPath>|<!--.*?-->", "", inner, flags=re.DOTALL)
    inner = re.sub(r"<defs>\s*</defs>", "", inner)
    inner = re.sub(r'(<g) id="[^"]*"', r"\1", inner)
    inner = re.sub(r" transform=\"rotate\(-?0 [^\"]*\"", "", inner)
    inner = re.sub(r"font-family: [^;\"]*;? ?", "", inner)
    inner = re.sub(r"<[^>]*>", _tag, re.sub(r"\s*\n\s*", " ", inner)).replace("> <", "><")
    inner = inner.replace("<g/>", "")
    head = f'<svg class="chart" viewBox="0 0 {size[0]} {size[1]}" role="img"'
    return Markup(f'{head} aria-label="{escape(printable(alt))}">{inner.strip()}')
