"""Commands that build, and that check what was built."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from seobuilder.cli.options import (
    file_option,
    read_recipe,
    recipe_argument,
    result_console,
    scan_option,
    set_option,
    shown_as,
)
from seobuilder.errors import BuildFolderError
from seobuilder.recipe.diagnostics import Diagnostic, Format, Sources, render
from seobuilder.recipe.files import Files
from seobuilder.report.annotations import annotate, annotate_file
from seobuilder.report.model import Report
from seobuilder.report.render_json import render_json
from seobuilder.report.render_terminal import render_terminal
from seobuilder.report.text import scaled

if TYPE_CHECKING:
    from seobuilder.stages import Building


@click.command()
@recipe_argument
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The build folder [builds/NAME]."
)
@click.option("--force", is_flag=True, help="Replace another build that is there.")
@click.option("--strict", is_flag=True, help="Exit with 1 if the model is unhealthy.")
@click.option(
    "--probe",
    "extra",
    type=click.Choice(["coordinates"]),
    help="Measure as well how far signals move in training, at half and at twice the widths.",
)
@set_option
@file_option
@scan_option
def build(
    recipe: str,
    output: Path | None,
    force: bool,
    strict: bool,
    extra: str | None,
    overrides: tuple[str, ...],
    files: Files,
    output_format: Format,
) -> None:
    """Draw a recipe's weights, measure them, write the folder."""
    with shown_as(output_format):
        loaded = read_recipe(recipe, overrides, files)
        with Console(stderr=True).status("loading torch") as progress:
            from seobuilder.stages import Building

            building = Building(loaded, with_coordinates=extra == "coordinates")
            progress.update("planning")
            plan = building.plan
            target = output or Path("builds") / plan.name
            found = building.status(target)
            unchanged = found == "same"
            if found in ("different", "broken") and not force:
                raise BuildFolderError(_in_the_way(building, target))
            if not unchanged:
                progress.update("reading the data")
                _ = building.tokenizers
                progress.update("drawing the weights")
                _ = building.model
                progress.update("measuring")
                _ = building.report
                progress.update("writing")
                building.write(target, force=force)
    report = Report.model_validate_json((target / "report.json").read_text(encoding="utf-8"))
    problems = annotate(report, loaded, plan)
    _show(report, problems, loaded.sources, output_format, whole=not unchanged)
    if output_format not in ("json", "sarif"):
        word = "unchanged, " if unchanged else ""
        count = scaled(report.summary.parameters)
        click.echo(f"{word}{report.verdict}, {count} parameters, report: {target / 'report.html'}")
    if strict and not report.is_healthy:
        click.get_current_context().exit(1)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def verify(folder: Path) -> None:
    """Check that a build folder is complete and unchanged."""
    from seobuilder.artifact.verify import require

    manifest = require(folder)
    click.echo(f"{folder}: complete and unchanged, {len(manifest.files) + 1} files")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Exit with 1 if there is an error.")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report as a page as well.",
)
@scan_option
def inspect(file: Path, strict: bool, page: Path | None, output_format: Format) -> None:
    """Measure the weights in a file: safetensors, or of torch.save."""
    from seobuilder.artifact.texts import write_text
    from seobuilder.builder import inspect as measured
    from seobuilder.report.render_html import render_html

    report = measured(file)
    if page is not None:
        write_text(page, render_html(report))
    _show(report, annotate_file(report, file), {}, output_format)
    if strict and not report.is_healthy:
        click.get_current_context().exit(1)


def _in_the_way(building: Building, target: Path) -> str:
    """Why `target` is not written to, and what to do about it."""
    from seobuilder.artifact.folder import refuse

    try:
        refuse(target, force=True)
    except BuildFolderError as error:
        return f"{error}\n-o names another folder"
    try:
        lines = "".join(f"\n  {line}" for line in building.differences(target))
    except BuildFolderError as error:
        return f"{error}\n--force replaces a damaged build, -o names another folder"
    return f"{target} holds another build:{lines}\n--force replaces it, -o names another folder"


def _show(
    report: Report,
    problems: list[Diagnostic],
    sources: Sources,
    output_format: Format,
    *,
    whole: bool = True,
) -> None:
    """Show a report; `problems` are its findings in the lines of a file.

    Programs get one document, or a workflow command for each problem above what people read.
    """
    if output_format == "json":
        click.echo(render_json(report), nl=False)
        return
    if output_format == "sarif" or (output_format in ("github", "concise") and problems):
        click.echo(render(problems, sources, output_format))
    if output_format in ("full", "github") and whole:
        render_terminal(report, result_console())
