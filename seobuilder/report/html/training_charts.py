"""A training run as charts with what is to be seen in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

from markupsafe import Markup

from seobuilder.report.html.charts import draw_outlines
from seobuilder.report.html.lines import Line, draw_lines
from seobuilder.report.text import UNKNOWN, number
from seobuilder.report.training import Monitored, Overlay, TrainingRecord

NAMED = 6
"""Lines of a chart: more can't be told apart. Of many modules, evenly spread ones are shown."""

BAND = 9
"""Points on each side that a band of usual values is taken over."""


@dataclass(frozen=True)
class Curves:
    """A drawing under its title, over its caption; `keys` are classes and texts of a legend."""

    title: str
    unit: str
    caption: str
    keys: tuple[tuple[str, str], ...]
    drawing: Markup


def course_charts(record: TrainingRecord) -> list[Curves]:
    """Curves of the run, as far as there are numbers."""
    return [chart for draw in CURVES if (chart := draw(record)) is not None]


def depth_charts(monitored: Monitored) -> list[Curves]:
    """Signals, updates and attention over time, a line for each of some modules."""
    return [chart for draw in COURSES if (chart := draw(monitored)) is not None]


def overlay(number_: int, name: str, histogram: Overlay) -> Markup:
    """The weight before and after training, in the same bins."""
    alt = f"Histogram of {name}, from {number(histogram.low)} to {number(histogram.high)}"
    bounds = histogram.low, histogram.high
    return draw_outlines(f"o{number_}", bounds, histogram.after, histogram.before, alt)


def _loss(record: TrainingRecord) -> Curves | None:
    lines = [Line("training", [(p.step, p.loss) for p in record.curve])]
    lines += _evaluated(record, "loss")
    chance = record.chance.get("loss")
    return _chart("loss", "Loss", "of each noted step", lines, level=("guessing", chance))


def _metrics(record: TrainingRecord) -> Curves | None:
    names = [n for e in record.evaluations for n in e.figures if not n.endswith("loss")]
    shown = [name for name in dict.fromkeys(names) if not name.endswith("calibration_error")]
    lines = [line for name in shown[:NAMED] for line in _evaluated(record, name, name)]
    return _chart("metrics", "Metrics", "of the validation rows", lines)


def _rate(record: TrainingRecord) -> Curves | None:
    lines = [Line("rate", [(p.step, p.rate) for p in record.curve])]
    return _chart("rate", "Learning rate", "at each noted step", lines)


def _norm(record: TrainingRecord) -> Curves | None:
    points = [(p.step, p.gradient_norm) for p in record.curve]
    known = [value for _, value in points if value]
    if len(known) < 2:
        return None
    band = []
    for index, (step, _) in enumerate(points):
        near = [v for _, v in points[max(0, index - BAND) : index + BAND + 1] if v]
        if len(near) > 1:
            tenths = quantiles(near, n=10, method="inclusive")
            band.append((step, tenths[0], tenths[-1]))
    clip = record.settings.get("clip", {}).get("norm")
    lines = [Line("norm", points)]
    level = ("clipped to", clip) if clip else None
    return _chart(
        "norm", "Gradient", "norm before clipping", lines, level=level, band=band, log=True
    )


CURVES: tuple[Callable[[TrainingRecord], Curves | None], ...] = (_loss, _metrics, _rate, _norm)


def _updates(monitored: Monitored) -> Curves | None:
    held = {p.name: p.updates for p in monitored.parameters if p.before.count > 1}
    courses = {name: values for name, values in held.items() if name.endswith("weight")}
    return _chart(
        "updates",
        "Updates",
        "norm of a step by that of the weight",
        _some(monitored.steps, courses),
        level=("usual", 1e-3),
        log=True,
    )


def _changes(monitored: Monitored) -> Curves | None:
    courses = {p.name: p.changes for p in monitored.parameters if p.name.endswith("weight")}
    unit = "norm of weight less drawn one, by that of the drawn one"
    return _chart("changes", "Change since initialization", unit, _some(monitored.steps, courses))


def _variance(monitored: Monitored) -> Curves | None:
    courses = {s.name: s.variance for s in monitored.signals}
    unit = "variance behind a module, in training mode"
    return _chart("variance", "Signal", unit, _some(monitored.steps, courses), log=True)


def _dead(monitored: Monitored) -> Curves | None:
    courses = {s.name: s.dead for s in monitored.signals if any(s.dead)}
    unit = "share of units that are zero on all rows"
    return _chart("dead", "Dead units", unit, _some(monitored.steps, courses))


def _entropy(monitored: Monitored) -> Curves | None:
    courses = {
        a.name: [
            e / u if e is not None and u else None
            for e, u in zip(a.entropy, a.uniform, strict=True)
        ]
        for a in monitored.attention
    }
    unit = "share of that of equal weights"
    return _chart("entropy", "Entropy of attention", unit, _some(monitored.steps, courses))


def _scores(monitored: Monitored) -> Curves | None:
    courses = {a.name: a.logit_std for a in monitored.attention}
    unit = "standard deviation before the softmax"
    return _chart("scores", "Scores of attention", unit, _some(monitored.steps, courses))


COURSES: tuple[Callable[[Monitored], Curves | None], ...] = (
    *(_variance, _dead, _entropy, _scores, _updates, _changes),
)


def _evaluated(record: TrainingRecord, figure: str, name: str = "validation") -> Iterator[Line]:
    points = [
        (e.step, e.figures[figure])
        for e in record.evaluations
        if e.split == "validation" and figure in e.figures
    ]
    if points:
        yield Line(name, points)


def _some(steps: Sequence[int], courses: Mapping[str, Sequence[float | None]]) -> list[Line]:
    """Evenly spread ones of many, the first and the last among them."""
    names = [name for name, values in courses.items() if any(v is not None for v in values)]
    if len(names) > NAMED:
        names = [names[round(i * (len(names) - 1) / (NAMED - 1))] for i in range(NAMED)]
    return [Line(name, list(zip(steps, courses[name], strict=False))) for name in names]


def _chart(
    name: str,
    title: str,
    unit: str,
    lines: Sequence[Line],
    *,
    level: tuple[str, float | None] | None = None,
    band: Sequence[tuple[int, float, float]] = (),
    log: bool = False,
) -> Curves | None:
    shown = [line for line in lines if any(value is not None for _, value in line.points)]
    if not shown:
        return None
    caption = " ".join(map(_course, shown)) if len(shown) < 3 else ""
    keys = [(f"s{number_}", line.name) for number_, line in enumerate(shown, 1)]
    known = None if level is None else level[1]
    if band:
        keys.append(("band", "eight of ten nearby"))
    if level is not None and known is not None:
        keys.append(("predicted", level[0]))
        caption = f"{caption} {level[0].capitalize()}: {number(known)}.".strip()
    drawing = draw_lines(f"t-{name}", shown, f"{title}, {unit}. {caption}", known, band, log=log)
    return Curves(title, unit, caption, tuple(keys), drawing)


def _course(line: Line) -> str:
    known = [value for _, value in line.points if value is not None]
    if not known:
        return UNKNOWN
    return f"{line.name.capitalize()} from {number(known[0])} to {number(known[-1])}."
