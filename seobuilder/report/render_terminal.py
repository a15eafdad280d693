"""The report for a terminal, short enough to read: one row for each rule, not each parameter."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seobuilder.recipe.diagnostics import printable
from seobuilder.report.model import Finding, Report
from seobuilder.report.parameters import ParameterRecord
from seobuilder.report.text import UNKNOWN, evidence, headline, number, spread, summary_rows

STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def render_terminal(report: Report, console: Console) -> None:
    """Print verdict, summary, outputs, findings, and the rules to `console`.

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
    for finding in report.findings:
        console.print()
        console.print(_finding(finding), soft_wrap=True)
    if report.parameters:
        console.print()
        console.print(_rules(report.parameters))


def _outputs(report: Report) -> Table:
    rows = (
        (o.name, o.kind, number(o.loss), number(o.chance), f"{o.rows:,}") for o in report.outputs
    )
    return _table(("output", "kind"), ("loss", "loss of guessing", "rows"), rows)


def _finding(finding: Finding) -> Text:
    where = f"{finding.rule} " if finding.rule else ""
    text = _text(f"{where}{finding.severity} {finding.code} ", STYLES[finding.severity])
    text.append(printable(f"{finding.place}: {finding.message}"))
    for label, detail in (
        ("", evidence(finding)),
        ("source: ", finding.source),
        ("suggestion: ", finding.suggestion),
    ):
        if detail:
            text.append(f"\n  {label}{printable(detail)}")
    return text


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
