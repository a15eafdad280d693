"""The command that names what differs between two builds."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from seobuilder.cli.options import result_console
from seobuilder.recipe.diagnostics import printable
from seobuilder.report.text import UNKNOWN, plural

if TYPE_CHECKING:
    from seobuilder.artifact.difference import Difference

SHOWN = 12
"""Differences of one section that are shown unless all are asked for."""


@click.command()
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path))
@click.option("--all", "every", is_flag=True, help="List every parameter that differs.")
@click.option(
    "--output-format", type=click.Choice(["full", "json"]), default="full", show_default=True
)
def diff(before: Path, after: Path, every: bool, output_format: str) -> None:
    """Name what differs between two build folders."""
    from seobuilder.artifact.difference import compare_builds

    found = compare_builds(before, after)
    if output_format == "json":
        click.echo(json.dumps([each.model_dump() for each in found], indent=2))
        return
    if found:
        result_console().print(_table(found, every=every))
    count = plural(len(found), "difference") if found else "no difference"
    click.echo(f"{count} between {before} and {after}")


def _table(found: list[Difference], *, every: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("", "", "before", "after"):
        table.add_column(header, overflow="fold")
    for section, members in groupby(found, key=lambda each: each.section):
        group = list(members)
        shown = group if every else group[:SHOWN]
        for each in shown:
            cells = (section, each.place, each.before or UNKNOWN, each.after or UNKNOWN)
            table.add_row(*(Text(printable(cell)) for cell in cells))
        if hidden := len(group) - len(shown):
            table.add_row(section, f"... and {hidden} more (--all lists them)", "", "")
    return table
