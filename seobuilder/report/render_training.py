"""The report of a training run: as a page, as Markdown, and shortly for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup
from rich.console import Console

from seobuilder.report.grouping import grouped
from seobuilder.report.html import charts, findings
from seobuilder.report.html.sparkline import HEIGHT, WIDTH
from seobuilder.report.html.training_charts import Curves, course_charts, depth_charts, overlay
from seobuilder.report.render_html import render_page
from seobuilder.report.render_markdown import code, finding_lines, plain, table
from seobuilder.report.terminal import columns, labelled, print_findings, styled
from seobuilder.report.text import UNKNOWN, number, plural
from seobuilder.report.training import ParameterCourse, TrainingRecord

OPEN = 4
"""Groups of findings that are shown at once; the others unfold."""


@dataclass(frozen=True)
class Weight:
    """The largest weight of a rule, before and after."""

    course: ParameterCourse
    drawing: Markup


@dataclass(frozen=True)
class Figure:
    """A metric of the kept weights, beside that of guessing."""

    name: str
    validation: float | None
    test: float | None
    chance: float | None


def render_training_html(record: TrainingRecord) -> str:
    """`record` as a page of its own; text from a recipe stays text, and the page loads nothing."""
    monitored = record.monitors
    parameters = () if monitored is None else monitored.parameters
    anchors = {each.name: f"parameter-{i}" for i, each in enumerate(parameters, 1)}
    placed = [
        findings.Placed(i, each, anchors.get(each.place))
        for i, each in enumerate(record.findings, 1)
    ]
    weights: list[Weight] = []
    depth: list[Curves] = []
    with charts.settings():
        courses = course_charts(record)
        if monitored is not None:
            depth = depth_charts(monitored)
            weights = [
                Weight(each, overlay(i, each.name, each.histogram))
                for i, each in enumerate(parameters, 1)
                if each.histogram is not None
            ]
    return render_page(
        "training.html.j2",
        record=record,
        groups=[[placed[index] for index in group] for group in grouped(record.findings)],
        shown=OPEN,
        back=findings.by_anchor(placed),
        anchors=anchors,
        large={},
        figures=figures(record),
        facts=facts(record),
        courses=courses,
        depth=depth,
        weights=weights,
        parameters=parameters,
        roles=sorted({p.role for p in parameters if p.role}),
        rules=sorted({p.rule for p in parameters if p.rule}),
        codes=sorted({f.code for f in record.findings}),
        spark_box=(WIDTH, HEIGHT),
    )


def render_training_markdown(record: TrainingRecord) -> str:
    """Figures, findings, facts, and the parameters that changed most."""
    sections = [
        f"# {plain(headline(record))}",
        "## Figures",
        table(
            ("figure", "validation", "test", "guessing"),
            [
                (code(f.name), number(f.validation), number(f.test), number(f.chance))
                for f in figures(record)
            ],
        ),
        "## Findings",
        "\n".join(finding_lines(record.findings)) or "None.",
        "## The run",
        table(("", ""), [(plain(label), plain(text)) for label, text in facts(record)]),
    ]
    if record.monitors is not None:
        header = ("parameter", "elements", "std before", "std after", "change", "last update")
        rows = [
            (
                *(code(p.name), f"{p.elements:,}", number(p.before.std), number(p.after.std)),
                *(number(p.change), number(p.updates[-1] if p.updates else None)),
            )
            for p in record.monitors.parameters
        ]
        sections += ["## Weights before and after", table(header, rows)]
    return "\n\n".join(sections) + "\n"


def render_training_terminal(record: TrainingRecord, console: Console) -> None:
    """Print how the run went, its figures beside those of guessing, and its findings."""
    console.print(styled(headline(record), "bold yellow" if record.findings else "bold green"))
    console.print(labelled(facts(record)))
    if found := figures(record):
        console.print()
        rows = [(f.name, *map(number, (f.validation, f.test, f.chance))) for f in found]
        console.print(columns(("figure",), ("validation", "test", "guessing"), rows))
    print_findings(record.findings, console)


def headline(record: TrainingRecord) -> str:
    """How the run went, in one line."""
    warnings = sum(each.severity == "warning" for each in record.findings)
    note = f" ({plural(warnings, 'warning')})" if warnings else ""
    return f"{record.name}: trained {plural(record.steps, 'step')}{note}"


def last_line(record: TrainingRecord) -> str:
    """What a run came to: `trained 500 steps, intent.accuracy 0.71 on 146 test rows`."""
    text = f"trained {plural(record.steps, 'step')}"
    for split in ("test", "validation"):
        found = record.figures.get(split, {})
        stopping = record.settings["early_stopping"] or {}
        metrics = (name for name in found if not name.endswith("loss"))
        name = stopping.get("metric") or next(metrics, "loss")
        if found.get(name) is not None:
            rows = plural(record.rows[split], f"{split} row")
            return f"{text}, {name} {number(found[name])} on {rows}"
    return text


def figures(record: TrainingRecord) -> list[Figure]:
    """Everything that was measured of the kept weights."""
    validation, test = (record.figures.get(split, {}) for split in ("validation", "test"))
    return [
        Figure(name, validation.get(name), test.get(name), record.chance.get(name))
        for name in dict.fromkeys((*validation, *test))
    ]


def facts(record: TrainingRecord) -> Iterator[tuple[str, str]]:
    """The run as pairs of label and text."""
    yield "steps", f"{record.steps:,}, {record.epochs:.4g} epochs, {record.ended}"
    yield "weights kept", _kept(record)
    yield "rows", ", ".join(f"{split} {count:,}" for split, count in record.rows.items())
    processes = "1 process" if record.processes == 1 else f"{record.processes} processes"
    yield "seconds", f"{number(record.seconds)} on {record.device}, {processes}"
    if record.monitors is not None and (timing := record.monitors.timing) is not None:
        yield (
            "seconds a step",
            f"{number(timing.median)} in the middle, nine of ten below {number(timing.slow)}, "
            f"longest {number(timing.longest)}",
        )
    optimizer = record.settings["optimizer"]
    yield "optimizer", f"{optimizer['method']}, rate {number(optimizer['learning_rate'])}"
    for each in record.earlier:
        rate = each.settings["optimizer"]["learning_rate"]
        yield f"until step {each.until:,}", f"other settings, rate {number(rate)}"
    if not record.rows["validation"]:
        yield "validation", UNKNOWN


def _kept(record: TrainingRecord) -> str:
    """Which weights the model has, and why."""
    epoch = record.epochs * record.kept / record.steps if record.steps else 0.0
    text = f"those of step {record.kept:,}, epoch {epoch:.3g}"
    stopping = record.settings["early_stopping"]
    best = record.figures.get("validation", {}).get(stopping["metric"]) if stopping else None
    if best is not None:
        looks = sum(each.split == "validation" for each in record.evaluations)
        text += f", the best by {stopping['metric']} of {plural(looks, 'look')}: {number(best)}"
    return text + (", averaged" if record.settings["average"] else "")
