"""The report for a terminal, short enough to read: one row for each rule, not each parameter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seobuilder.recipe.diagnostics import printable
from seobuilder.report.grouping import grouped
from seobuilder.report.model import Finding, Report
from seobuilder.report.parameters import ParameterRecord
from seobuilder.report.probes import Probes
from seobuilder.report.text import (
    UNKNOWN,
    change_title,
    change_yaml,
    evidence,
    headline,
    number,
    spread,
    summary_rows,
)

STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}

NAMED = 3
"""Places of alike findings that are named; the others are counted."""


def render_terminal(report: Report, console: Console) -> None:
    """Print verdict, summary, outputs, findings, signal and gradient, and rules to `console`.

    Rich itself leaves colour out where the output is no terminal or `NO_COLOR` is set.
    """
    console.print(_text(headline(report), "bold green" if report.is_healthy else "bold red"))
    summary = Table.grid(padding=(0, 2))
    for label, text in summary_rows(report):
        summary.add_row(_text(label, "dim"), _text(text))
    console.print(summary)
    if report.outputs:
        console.print()
        console.print(_outputs(report))
    for first, *others in grouped(report.findings):
        console.print()
        alike = [report.findings[index].place for index in others]
        console.print(_finding(report.findings[first], alike), soft_wrap=True)
    if report.probes is not None and (courses := _courses(report.probes)):
        console.print()
        for course in courses:
            console.print(_text(course), soft_wrap=True)
    if report.parameters:
        console.print()
        console.print(_rules(report.parameters))


def _outputs(report: Report) -> Table:
    rows = (
        (o.name, o.kind, number(o.loss), number(o.chance), f"{o.rows:,}") for o in report.outputs
    )
    return _table(("output", "kind"), ("loss", "loss of guessing", "rows"), rows)


def _finding(finding: Finding, alike: Sequence[str]) -> Text:
    where = f"{finding.rule} " if finding.rule else ""
    text = _text(f"{where}{finding.severity} {finding.code} ", STYLES[finding.severity])
    text.append(printable(f"{finding.place}: {finding.message}"))
    named = ", ".join(alike[:NAMED]) + (", ..." if len(alike) > NAMED else "")
    for label, detail in (
        ("", evidence(finding)),
        (f"and {len(alike):,} more alike: ", named),
        ("source: ", finding.source),
        ("suggestion: ", finding.suggestion),
    ):
        if detail:
            text.append(f"\n  {label}{printable(detail)}")
    for change in finding.changes:
        text.append(f"\n  {printable(change_title(change))}")
        if line := change_yaml(change):
            text.append(f"\n    {printable(line)}", "green")
    return text


def _courses(probes: Probes) -> list[str]:
    """How variance and gradient run through the model, a line each."""
    signals = probes.signals
    courses = (
        ("variance of the signal", [(s.variance, s.low, s.high) for s in signals]),
        (
            "gradient of the signal",
            [(s.gradient, s.gradient_low, s.gradient_high) for s in signals],
        ),
    )
    lines = []
    for label, points in courses:
        known = [value for value, _, _ in points if value is not None]
        if len(known) < 2:
            continue
        banded = [(v, low, high) for v, low, high in points if None not in (v, low, high)]
        within = sum(low <= v <= high for v, low, high in banded)  # type: ignore[operator]
        note = f", {within} of {len(banded)} within the band" if banded else ""
        lines.append(f"{label}: {number(known[0])} to {number(known[-1])} by depth{note}")
    return lines


def _rules(parameters: Iterable[ParameterRecord]) -> Table:
    """One row for each rule and method, in the order of the first parameter that it decided."""
    order: dict[tuple[str, str], int] = {}
    for parameter in parameters:
        order.setdefault(_rule(parameter), len(order))
    ranked = sorted(parameters, key=lambda p: order[_rule(p)])
    rows = []
    for (place, method), members in groupby(ranked, key=_rule):
        group = list(members)
        rows.append(
            (
                place,
                method,
                f"{len(group):,}",
                f"{sum(p.measured.count for p in group):,}",
                spread(p.declared_std for p in group),
                spread(p.measured.std for p in group),
            )
        )
    right = ("parameters", "elements", "declared std", "measured std")
    return _table(("rule", "method"), right, rows)


def _rule(parameter: ParameterRecord) -> tuple[str, str]:
    place = UNKNOWN if parameter.rule is None else parameter.rule.place
    return place, parameter.method or UNKNOWN


def _table(left: tuple[str, ...], right: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in left:
        table.add_column(header, no_wrap=True)
    for header in right:
        table.add_column(header, justify="right")
    for row in rows:
        table.add_row(*map(_text, row))
    return table


def _text(text: str, style: str = "") -> Text:
    """Text in which nothing is markup and nothing moves the cursor."""
    return Text(printable(text), style=style)
