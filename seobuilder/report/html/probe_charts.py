"""What data that ran through the model showed, as charts with what is to be seen in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from seobuilder.report.html.charts import Curve, draw_curve, outside
from seobuilder.report.probes import AttentionRecord, Probes, SignalRecord
from seobuilder.report.text import UNKNOWN, number, plural

NAMED = 3
"""Modules outside their band that a caption names."""


@dataclass(frozen=True)
class Chart:
    """A drawing under its title, over its caption; `keys` are the lines that a legend names."""

    title: str
    unit: str
    caption: str
    keys: tuple[str, ...]
    drawing: Markup


def probe_charts(probes: Probes | None) -> list[Chart]:
    """The charts that `probes` has numbers for."""
    if probes is None:
        return []
    charts = [draw(probes) for draw in CHARTS]
    return [chart for chart in charts if chart is not None]


def _signal(probes: Probes) -> Chart | None:
    signals = probes.signals
    curve = Curve(
        measured=[s.variance for s in signals],
        predicted=[s.expected for s in signals],
        low=[s.low for s in signals],
        high=[s.high for s in signals],
        log=True,
        groups=_groups([s.name for s in signals]),
    )
    return _banded("signal", "Signal by depth", "variance", curve, signals)


def _gradient(probes: Probes) -> Chart | None:
    signals = probes.signals
    curve = Curve(
        measured=[s.gradient for s in signals],
        predicted=[s.gradient_expected for s in signals],
        low=[s.gradient_low for s in signals],
        high=[s.gradient_high for s in signals],
        log=True,
        groups=_groups([s.name for s in signals]),
    )
    return _banded("gradient", "Gradient by depth", "root mean square", curve, signals)


def _similarity(probes: Probes) -> Chart | None:
    signals = probes.signals
    values = [s.similarity for s in signals]
    curve = Curve(
        measured=values,
        ends=(min(0.0, *(v for v in values if v is not None), 0.0), 1.0),
        groups=_groups([s.name for s in signals]),
    )
    return _chart("similarity", "Similarity of positions", "mean cosine", curve)


def _dead(probes: Probes) -> Chart | None:
    signals = [s for s in probes.signals if s.dead is not None]
    if not any(s.dead or s.dead_expected for s in signals):
        return None
    curve = Curve(
        measured=[s.dead for s in signals],
        predicted=[s.dead_expected for s in signals],
        ends=(0.0, max(0.1, *(max(s.dead or 0, s.dead_expected or 0) for s in signals))),
        percent=True,
        groups=_groups([s.name for s in signals]),
    )
    return _chart("dead", "Dead units", "share of units that are zero on all rows", curve)


def _entropy(probes: Probes) -> Chart | None:
    def share(record: AttentionRecord) -> float | None:
        return record.entropy / record.uniform if record.entropy and record.uniform else None

    curve = Curve(
        measured=[share(record) for record in probes.attention],
        ends=(0.0, 1.0),
        percent=True,
        groups=_groups([record.name for record in probes.attention]),
    )
    return _chart("entropy", "Entropy of attention", "share of that of equal weights", curve)


def _losses(probes: Probes) -> Chart | None:
    title = f"First {plural(probes.steps, 'step')} of AdamW"
    unit = f"loss, learning rate {number(probes.learning_rate)}"
    return _chart("losses", title, unit, Curve(measured=probes.losses))


def _rehearsal(probes: Probes) -> Chart | None:
    """One curve: of several outputs the one that is learned least."""
    record = max(probes.rehearsal, key=lambda each: each.left or 0.0, default=None)
    if record is None:
        return None
    title = f"{plural(record.rows, 'row')} learned by heart"
    unit = f"loss of {record.name} by step of AdamW; dashed, that of guessing"
    guessing = [record.chance] * len(record.losses)
    return _chart("rehearsal", title, unit, Curve(measured=record.losses, predicted=guessing))


CHARTS: tuple[Callable[[Probes], Chart | None], ...] = (
    _signal,
    _gradient,
    _similarity,
    _dead,
    _entropy,
    _losses,
    _rehearsal,
)


def _banded(
    name: str, title: str, unit: str, curve: Curve, signals: Sequence[SignalRecord]
) -> Chart | None:
    strays = [signals[index].name for index in outside(curve)]
    banded = sum(
        low is not None and high is not None
        for low, high in zip(curve.low, curve.high, strict=True)
    )
    if strays:
        more = f" and {len(strays) - NAMED} more" if len(strays) > NAMED else ""
        verdict = f"{len(strays)} of {banded} outside the band: {', '.join(strays[:NAMED])}{more}."
    elif banded:
        verdict = f"All {banded} within the predicted band."
    else:
        verdict = ""
    return _chart(name, title, unit, curve, verdict)


def _chart(name: str, title: str, unit: str, curve: Curve, verdict: str = "") -> Chart | None:
    known = [value for value in curve.measured if value is not None]
    if not known:
        return None
    caption = f"{_course(curve)} {verdict}".strip()
    keys = ["measured"]
    if any(value is not None for value in curve.predicted):
        keys.append("predicted")
    if any(value is not None for value in curve.low):
        keys.append("band")
    if verdict and outside(curve):
        keys.append("outside")
    drawing = draw_curve(name, curve, f"{title}, {unit}. {caption}")
    return Chart(title, unit, caption, tuple(keys), drawing)


def _course(curve: Curve) -> str:
    """How the values run, in a sentence."""
    show = _percent if curve.percent else number
    known = [value for value in curve.measured if value is not None]
    first, last = show(known[0]), show(known[-1])
    low, high = show(min(known)), show(max(known))
    if low == high:
        return f"{low} throughout."
    ends = [f"From {first} to {last}"]
    if {low, high} != {first, last}:
        ends.append(f"least {low}, most {high}")
    return "; ".join(ends) + "."


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{100 * value:.3g} %"


def _groups(names: Sequence[str]) -> list[tuple[str, int]]:
    """Neighbours of one module of the graph, counted; those without a name, all together."""
    heads = (name.partition(".")[0] for name in names)
    named = ("" if head.isdecimal() else head for head in heads)
    return [(name, sum(1 for _ in members)) for name, members in groupby(named)]
