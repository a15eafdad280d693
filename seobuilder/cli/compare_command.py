"""The command that shows one recipe under several initializations side by side."""

from __future__ import annotations

import click
from rich.console import Console

from seobuilder.cli.options import (
    file_option,
    format_option,
    read_recipe,
    recipe_argument,
    result_console,
    set_option,
    shown_as,
)
from seobuilder.recipe.diagnostics import Format
from seobuilder.recipe.files import Files


@click.command()
@recipe_argument
@click.option(
    "--init",
    "initializations",
    multiple=True,
    required=True,
    metavar="NAME",
    help="A method, such as orthogonal or 'method: normal, std: 0.02', or a preset.",
)
@click.option("--steps", type=click.IntRange(0, 100_000), default=0, help="Train so many steps.")
@set_option
@file_option
@format_option
def compare(
    recipe: str,
    initializations: tuple[str, ...],
    steps: int,
    overrides: tuple[str, ...],
    files: Files,
    output_format: Format,
) -> None:
    """Show a recipe under several initializations.

    A method draws all matrices but embeddings and heads; a preset replaces all rules. With --steps,
    each is trained with AdamW on the same batches of the recipe's data.
    """
    with shown_as(output_format), Console(stderr=True).status("loading torch") as progress:
        loaded = read_recipe(recipe, overrides, files)
        from seobuilder.comparison import compare as compare_initializations
        from seobuilder.report.render_comparison import render_comparison

        comparison = compare_initializations(loaded, initializations, steps, progress.update)
    if output_format == "json":
        click.echo(comparison.model_dump_json(indent=2))
    else:
        render_comparison(comparison, result_console())
