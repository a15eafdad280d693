"""The command that shows, and makes, the changes that the findings of a recipe suggest."""

from __future__ import annotations

import json
from pathlib import PurePath
from typing import TYPE_CHECKING

import click
from rich.console import Console

from seobuilder.cli.options import (
    file_option,
    format_option,
    read_recipe,
    recipe_argument,
    set_option,
    shown_as,
)
from seobuilder.errors import EnvironmentProblem
from seobuilder.recipe.diagnostics import Format, printable
from seobuilder.recipe.files import Files
from seobuilder.recipe.load import LoadedRecipe, find_recipe
from seobuilder.recipe.shipped import shipped_folder
from seobuilder.report.grouping import grouped
from seobuilder.report.text import plural

if TYPE_CHECKING:
    from seobuilder.fixing import Fixed
    from seobuilder.report.model import Finding


@click.command()
@recipe_argument
@click.option("--write", is_flag=True, help="Make the changes, rather than show them.")
@click.option("--strict", is_flag=True, help="Exit with 1 if an error is left for you.")
@set_option
@file_option
@format_option
def fix(
    recipe: str,
    write: bool,
    strict: bool,
    overrides: tuple[str, ...],
    files: Files,
    output_format: Format,
) -> None:
    """Change what a recipe's findings say is wrong.

    The model is drawn and measured in memory, the changes that its findings and warnings suggest
    are made, and it is drawn and measured again, until nothing is left to change. The changes are
    shown as a diff, and made with --write; comments and layout stay as they are, and what --set
    sets is left alone.
    """
    if write:
        _refuse(recipe)
    with shown_as(output_format), Console(stderr=True).status("loading torch") as progress:
        loaded = read_recipe(recipe, overrides, files)
        from seobuilder.artifact.texts import replace_texts
        from seobuilder.fixing import fix as fix_recipe

        fixed = fix_recipe(loaded, overrides, progress.update)
    if write:
        replace_texts(
            {loaded.folder / name: (fixed.before[name], text) for name, text in fixed.after.items()}
        )
    if output_format == "json":
        click.echo(json.dumps(_record(fixed), indent=2))
    else:
        _show(fixed, loaded, written=write)
    if strict and not fixed.is_healthy:
        click.get_current_context().exit(1)


def _refuse(recipe: str) -> None:
    """Refuse to write to what is no file of the user's."""
    if recipe == "-":
        raise click.UsageError("--write needs a file; standard input can't be written to")
    path = find_recipe(recipe).resolve()
    if path.is_relative_to(shipped_folder("recipes").resolve()):
        raise EnvironmentProblem(
            f"{recipe} is shipped with seobuilder; `seobuild new NAME --from {path.stem}` makes a "
            "copy of your own"
        )


def _show(fixed: Fixed, loaded: LoadedRecipe, *, written: bool) -> None:
    """The diff on standard output, what it is for and what is left on standard error."""
    click.echo(fixed.diff, nl=False)
    for label, findings in (("mends", fixed.mended), ("left ", fixed.left)):
        for index, *alike in grouped(findings):
            more = f" (and {len(alike)} more)" if alike else ""
            click.echo(f"{label} {_line(findings[index])}{more}", err=True)
    name = PurePath(loaded.file).name
    left = plural(sum(finding.severity != "info" for finding in fixed.left), "finding")
    state = "healthy" if fixed.is_healthy else f"unhealthy, {left} left for you"
    if not fixed.after:
        tried = any(finding.changes for finding in fixed.left if finding.severity != "info")
        reason = "the changes of its findings make it no better" if tried else "nothing to change"
        text = f"{name}: {state}, {reason}"
    else:
        names = ", ".join(fixed.after)
        text = f"{name}: {state} after it; " + (
            f"wrote {names}" if written else f"--write changes {names}"
        )
    click.echo(printable(text), err=True)


def _line(finding: Finding) -> str:
    where = f"{finding.rule} " if finding.rule else ""
    message = f"{where}{finding.severity} {finding.code} {finding.place}: {finding.message}"
    return printable(message)


def _record(fixed: Fixed) -> dict[str, object]:
    return {
        "healthy": fixed.is_healthy,
        "diff": fixed.diff,
        "mended": [finding.model_dump(mode="json") for finding in fixed.mended],
        "left": [finding.model_dump(mode="json") for finding in fixed.left],
    }
