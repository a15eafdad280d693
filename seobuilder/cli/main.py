"""The command `seobuild`: which command is meant, and how errors end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import click

from seobuilder.cli.build_commands import build, inspect, verify
from seobuilder.cli.compare_command import compare
from seobuilder.cli.diff_command import diff
from seobuilder.cli.fix_command import fix
from seobuilder.cli.plan_commands import explain, plan
from seobuilder.cli.recipe_commands import check, new, resolve, schema
from seobuilder.cli.train_commands import evaluate, predict, train
from seobuilder.errors import EnvironmentProblem, InvalidInput, SeobuilderError
from seobuilder.recipe.diagnostics import quote, render, suggest
from seobuilder.recipe.shipped import recipe_names

BUG = 70
INTERRUPTED = 130


class _ReaderLeft(Exception):
    """Nobody reads standard output any more."""


class _RecipeOrCommand(click.Group):
    """`seobuild RECIPE` is short for `seobuild build RECIPE`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own_options = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        if args and args[0] not in own_options and args[0] not in self.commands:
            first = args[0]
            if first == "-" or "." in first or "/" in first or first in recipe_names():
                args = ["build", *args]
            elif not first.startswith("-"):
                guess = suggest(first, (*self.commands, *recipe_names()))
                hint = f"; did you mean {quote(guess)}?" if guess else ""
                raise click.UsageError(
                    f"{quote(first)} is neither a command nor a recipe{hint}\n"
                    f"Commands: {', '.join(self.commands)}\n"
                    f"Shipped recipes: {', '.join(recipe_names())}",
                    ctx,
                )
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Click would end the process with 1, which means something else here.
            raise _ReaderLeft from None

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Shipped recipes"):
            formatter.write_text(", ".join(recipe_names()))


@click.group(
    cls=_RecipeOrCommand,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(version("seobuilder"), prog_name="seobuild")
def cli() -> None:
    """Build search models from recipes.

    `seobuild RECIPE` is short for `seobuild build RECIPE`; a recipe is a YAML file, `-` for
    standard input, or a shipped recipe's name.
    """


for command in (
    build,
    train,
    evaluate,
    predict,
    check,
    plan,
    explain,
    resolve,
    verify,
    inspect,
    compare,
    diff,
    fix,
    schema,
    new,
):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and end the process.

    Exit codes: 0 fine, 1 the recipe is invalid or the model unhealthy under --strict, 2 usage,
    3 environment or input/output, 70 a bug of ours, 130 stopped by Ctrl-C.
    """
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except (BrokenPipeError, _ReaderLeft):
        _drop_output()
        code = 0
    except OSError as error:
        _drop_output()
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"seobuild: {where}{error.strerror or error}", err=True)
        code = EnvironmentProblem.exit_code
    except Exception as error:
        if os.environ.get("SEOBUILDER_TRACEBACK"):
            raise
        click.echo(
            f"seobuild: a bug of ours: {type(error).__name__}: {error}\n"
            "Please report it. SEOBUILDER_TRACEBACK=1 shows where it happened.",
            err=True,
        )
        code = BUG
    sys.exit(code)


def _drop_output() -> None:
    """Lose what stdout could not be given; Python would complain once more while it closes it."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: Sequence[str] | None) -> int:
    """Run a command line; gives the exit code, once what went wrong has been said."""
    try:
        # A command gives nothing; click gives the code where a command asks it to end.
        return cli.main(arguments, prog_name="seobuild", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("seobuild: stopped", err=True)
        return INTERRUPTED
    except InvalidInput as error:
        _show_problems(error)
        return error.exit_code
    except SeobuilderError as error:
        click.echo(f"seobuild: {error}", err=True)
        return error.exit_code
    except MemoryError:
        click.echo("seobuild: too little memory", err=True)
        return EnvironmentProblem.exit_code


def _show_problems(error: InvalidInput) -> None:
    is_for_people = error.format in ("full", "concise")
    click.echo(render(error.diagnostics, error.sources, error.format), err=is_for_people)
    if is_for_people and error.diagnostics:
        code = error.diagnostics[0].code
        click.echo(f"`seobuild explain {code}` says what a code means", err=True)
