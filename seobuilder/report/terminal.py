"""Findings, tables and labels, as every report shows them on a terminal.

Nothing in a text is markup, and nothing in it moves the cursor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from seobuilder.recipe.diagnostics import printable
from seobuilder.report.grouping import grouped
from seobuilder.report.model import Finding
from seobuilder.report.text import change_title, change_yaml, evidence

STYLES = {"error": "bold red", "warning": "yellow", "info": "cyan"}

NAMED = 3
"""Places of alike findings that are named; the others are counted."""


def styled(text: str, style: str = "") -> Text:
    """Text as it is, in a style of Rich."""
    return Text(printable(text), style=style)


def labelled(rows: Iterable[tuple[str, str]]) -> Table:
    """Labels and what they label, side by side."""
    grid = Table.grid(padding=(0, 2))
    for label, text in rows:
        grid.add_row(styled(label, "dim"), styled(text))
    return grid


def columns(left: Iterable[str], right: Iterable[str], rows: Iterable[tuple[str, ...]]) -> Table:
    """A table without lines, whose first columns stand left and the others right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in left:
        table.add_column(header, no_wrap=True)
    for header in right:
        table.add_column(header, justify="right")
    for row in rows:
        table.add_row(*map(styled, row))
    return table


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """Print the first of each group of alike findings, after an empty line."""
    for first, *others in grouped(findings):
        console.print()
        alike = [findings[index].place for index in others]
        console.print(_finding(findings[first], alike), soft_wrap=True)


def _finding(finding: Finding, alike: Sequence[str]) -> Text:
    where = f"{finding.rule} " if finding.rule else ""
    text = styled(f"{where}{finding.severity} {finding.code} ", STYLES[finding.severity])
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
