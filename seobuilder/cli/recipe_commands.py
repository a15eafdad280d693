"""Commands on the text of a recipe. None of them needs torch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from seobuilder.cli.options import (
    file_option,
    format_option,
    read_recipe,
    recipe_argument,
    scan_option,
    set_option,
    shown_as,
)
from seobuilder.errors import EnvironmentProblem
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.diagnostics import Format, quote, render
from seobuilder.recipe.dump import dump
from seobuilder.recipe.files import Files
from seobuilder.recipe.load import LoadedRecipe, find_recipe
from seobuilder.recipe.scalars import resolve as resolve_scalar
from seobuilder.recipe.shipped import recipe_names, schema_path
from seobuilder.report.text import plural

if TYPE_CHECKING:
    from seobuilder.data.check import DataCheck


@click.command()
@recipe_argument
@set_option
@file_option
@scan_option
@click.option("--data", "with_data", is_flag=True, help="Read and check the data as well.")
def check(
    recipe: str,
    overrides: tuple[str, ...],
    files: Files,
    output_format: Format,
    with_data: bool,
) -> None:
    """Say everything that is wrong with a recipe."""
    with shown_as(output_format):
        loaded = read_recipe(recipe, overrides, files)
        plan = make_plan(loaded)
        data = _check_data(loaded) if with_data else None
    warnings = [*plan.warnings, *(data.warnings if data else ())]
    if output_format in ("json", "sarif") or warnings:
        click.echo(render(warnings, loaded.sources, output_format))
    if output_format in ("full", "concise"):
        decided = f"{len(plan.assignments)} parameters, each decided by one rule"
        found = plural(len(warnings), "warning") if warnings else "no problems"
        click.echo(f"{loaded.file}: {found}; {decided}")
    if data and output_format in ("full", "concise"):
        held_out = f", {data.test:,} held out" if data.test else ""
        click.echo(f"data: {plural(data.train, 'row')} to train on{held_out}")


def _check_data(loaded: LoadedRecipe) -> DataCheck:
    # What reads data takes a moment to import, and a plain check does without.
    from seobuilder.data.check import check_data

    return check_data(loaded)


@click.command()
@recipe_argument
@set_option
@format_option
def resolve(recipe: str, overrides: tuple[str, ...], output_format: Format) -> None:
    """Print a recipe with all that it refers to worked in.

    That is `extends`, `--set`, presets and label files.
    """
    with shown_as(output_format):
        resolved = read_recipe(recipe, overrides).resolved
    if output_format == "json":
        click.echo(json.dumps(resolved, indent=2))
    else:
        click.echo(dump(resolved), nl=False)


@click.command()
@click.argument(
    "document", type=click.Choice(["recipe", "report", "manifest", "training"]), default="recipe"
)
def schema(document: str) -> None:
    """Print the JSON Schema of a document."""
    click.echo(schema_path(document).read_text(encoding="utf-8"), nl=False)


@click.command()
@click.argument("name")
@click.option(
    "--from",
    "origin",
    default="search_intent",
    show_default=True,
    help="The shipped recipe to start from.",
)
def new(name: str, origin: str) -> None:
    """Start a recipe of your own from a shipped one.

    Writes NAME.yaml, its data, and a schema for your editor to the current folder.
    """
    # YAML would not read a name such as null as text.
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) or not isinstance(resolve_scalar(name), str):
        raise click.UsageError(
            f"{quote(name)} can't be a recipe's name: use lower-case letters, digits and _, "
            "at most 64, and not null, true or false"
        )
    if origin not in recipe_names():
        raise click.UsageError(f"{origin} is not shipped; there are {', '.join(recipe_names())}")
    source = find_recipe(origin)
    loaded = read_recipe(str(source))
    text = re.sub(r"(?m)^name:.*$", f"name: {name}", source.read_text(encoding="utf-8"), count=1)
    text = re.sub(r"\$schema=\S+", "$schema=recipe.schema.json", text, count=1)
    files = {Path(f"{name}.yaml"): text.encode()}
    for data in _data_files(loaded):
        files[Path(data)] = (source.parent / data).read_bytes()
    files[Path("recipe.schema.json")] = schema_path("recipe").read_bytes()
    _write_new(files)
    click.echo(f"Wrote {', '.join(map(str, files))}")
    click.echo(f"Next: seobuild check {name}.yaml, then seobuild {name}.yaml")


def _data_files(loaded: LoadedRecipe) -> tuple[str, ...]:
    data = loaded.recipe.data
    return () if data is None else data.all_files


def _write_new(files: dict[Path, bytes]) -> None:
    """Write files, none of which may hold something else already."""
    try:
        for path, content in files.items():
            if path.exists() and path.read_bytes() != content:
                raise EnvironmentProblem(f"{path} is there already; nothing was written")
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise EnvironmentProblem(f"can't write {error.filename}: {error.strerror}") from None
