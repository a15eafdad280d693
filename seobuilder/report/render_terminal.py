"""The report for a terminal, short enough to read: one row for each rule, not each parameter."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rich.console import Console
from rich.table import Table

from seobuilder.report.model import Report
from seobuilder.report.parameters import ParameterRecord
from seobuilder.report.probes import Probes
from seobuilder.report.terminal import columns, labelled, print_findings, styled
from seobuilder.report.text import UNKNOWN, headline, number, spread, summary_rows


def render_terminal(report: Report, console: Console) -> None:
    """Print verdict, summary, outputs, findings, signal and gradient, and any rules to `console`.

    Rich itself leaves colour out where the output is no terminal or `NO_COLOR` is set.
    """
    console.print(styled(headline(report), "bold green" if report.is_healthy else "bold red"))
    console.print(labelled(summary_rows(report)))
    if report.outputs:
        console.print()
        console.print(_outputs(report))
    print_findings(report.findings, console)
    if report.probes is not None and (courses := _courses(report.probes)):
        console.print()
        for course in courses:
            console.print(styled(course), soft_wrap=True)
    if any(parameter.rule for parameter in report.parameters):
        console.print()
        console.print(_rules(report.parameters))


def _outputs(report: Report) -> Table:
    rows = (
        (o.name, o.kind, number(o.loss), number(o.chance), f"{o.rows:,}") for o in report.outputs
    )
    return columns(("output", "kind"), ("loss", "loss of guessing", "rows"), rows)


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
    return columns(("rule", "method"), right, rows)


def _rule(parameter: ParameterRecord) -> tuple[str, str]:
    place = UNKNOWN if parameter.rule is None else parameter.rule.place
    return place, parameter.method or UNKNOWN
