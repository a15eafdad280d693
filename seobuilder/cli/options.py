"""What several commands share: the recipe argument, its options, and how a recipe is read."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem
from rich.console import Console

from seobuilder.errors import InvalidInput
from seobuilder.recipe.diagnostics import Format, quote
from seobuilder.recipe.files import NO_FILES, Files
from seobuilder.recipe.load import LoadedRecipe, load_recipe, parse_recipe
from seobuilder.recipe.shipped import recipe_names

F = TypeVar("F", bound=Callable[..., Any])


class RecipeType(click.ParamType[str]):
    """A path, `-`, or the name of a shipped recipe."""

    name = "recipe"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Shipped names first, then files."""
        names = [CompletionItem(n) for n in recipe_names() if n.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type="file")]


def recipe_argument(function: F) -> F:
    """RECIPE."""
    return click.argument("recipe", type=RecipeType())(function)


def set_option(function: F) -> F:
    """`--set PATH=VALUE`, as often as needed."""
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="PATH=VALUE",
        help="Change a value of the recipe, such as modules.encoder.depth=12.",
    )(function)


def _given(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not (name and equals and path):
            raise click.BadParameter(f"expected NAME=PATH, found {quote(value)}")
        if name in files:
            raise click.BadParameter(f"{quote(name)} is given twice")
        files[name] = Path(path)
    return files


def file_option(function: F) -> F:
    """`--file NAME=PATH`, as often as needed."""
    return click.option(
        "--file",
        "files",
        multiple=True,
        metavar="NAME=PATH",
        callback=_given,
        help="Where a file lies that the recipe names: weights to load, or a tokenizer.",
    )(function)


def _format_option(*formats: Format) -> Callable[[F], F]:
    return click.option(
        "--output-format",
        "output_format",
        type=click.Choice(formats),
        default="full",
        show_default=True,
        help="How problems (and results, for json) are written.",
    )


format_option = _format_option("full", "concise", "json", "github")
"""`--output-format` of a command whose result is no list of problems."""

scan_option = _format_option("full", "concise", "json", "github", "sarif")
"""`--output-format` of a command that looks for problems."""


class _ResultConsole(Console):
    """A console that leaves it to the command line how a closed pipe ends the process."""

    def on_broken_pipe(self) -> None:
        """Called while the error is handled."""
        raise BrokenPipeError


def result_console() -> Console:
    """Standard output: wide where nobody looks, so that a pipe or a file gets whole lines."""
    console = _ResultConsole(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 160
    return console


@contextmanager
def shown_as(output_format: Format) -> Iterator[None]:
    """Problems that are raised inside are shown in this format."""
    try:
        yield
    except InvalidInput as error:
        error.format = output_format
        raise


def read_recipe(
    recipe: str, overrides: tuple[str, ...] = (), files: Files = NO_FILES
) -> LoadedRecipe:
    """The recipe that an argument names.

    Raises:
        RecipeError: it is invalid.
        EnvironmentProblem: it can't be read.
    """
    if recipe == "-":
        return parse_recipe(sys.stdin.buffer.read(), "<stdin>", Path.cwd(), overrides, files)
    return load_recipe(recipe, overrides, files)
