"""Commands that train a model, measure it, and ask it."""

from __future__ import annotations

import json
import sys
from io import TextIOWrapper
from pathlib import Path

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
    "-o", "--output", type=click.Path(path_type=Path), help="The folder to write [trained/NAME]."
)
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint, if there is one.")
@click.option("--force", is_flag=True, help="Replace what is there, or begin anew.")
@click.option(
    "--track",
    multiple=True,
    metavar="NAME",
    help="Send metrics to tensorboard, mlflow, wandb or another tracker that is installed.",
)
@set_option
@file_option
@format_option
def train(
    recipe: str,
    output: Path | None,
    resume: bool,
    force: bool,
    track: tuple[str, ...],
    overrides: tuple[str, ...],
    files: Files,
    output_format: Format,
) -> None:
    """Train a recipe's model on its data, write the folder.

    The section `training` says how. `torchrun --nproc-per-node 2 -m seobuilder train RECIPE` trains
    on several processes, `accelerate launch` as well.
    """
    with shown_as(output_format):
        loaded = read_recipe(recipe, overrides, files)
        target = output or Path("trained") / loaded.recipe.name
        with Console(stderr=True).status("loading torch"):
            from seobuilder.training.progress import ShowProgress
            from seobuilder.training.run import Training
            from seobuilder.training.tracking import Track

            training = Training(loaded)
            was_done = not force and training.is_done(target)
        progress = ShowProgress()
        every = loaded.recipe.training.log_steps
        trackers = [Track(name, target.parent / "tracking", every) for name in track]
        # The bar comes last, so that its clock starts when the trackers have been begun.
        watching: list[Track | ShowProgress] = [*trackers, progress]
        try:
            trained = training.run(target, watching, resume=resume, force=force)
        except KeyboardInterrupt:
            if progress.is_main:
                click.echo("seobuild: --resume goes on with this run", err=True)
            raise
        finally:
            for each in watching:
                each.close()
    if not progress.is_main:
        return
    record = trained.record
    if output_format == "json":
        click.echo(record.model_dump_json(indent=2))
        return
    from seobuilder.report.render_training import last_line, render_training_terminal

    if not was_done:
        render_training_terminal(record, result_console())
    word = "unchanged, " if was_done else ""
    click.echo(f"{word}{last_line(record)}, report: {target / 'report.html'}")


@click.command()
@click.argument("folder", metavar="BUILD", type=click.Path(path_type=Path))
@click.argument("file", required=False, type=click.Path(path_type=Path))
def evaluate(folder: Path, file: Path | None) -> None:
    """Measure a model in a build folder on the rows of a file.

    FILE has the recipe's columns, labels included. Without it, the figures of the test rows that
    training measured are shown. One JSON object comes out.
    """
    from seobuilder.artifact.manifest import TRAINING
    from seobuilder.artifact.verify import require

    if file is None:
        if TRAINING not in require(folder).files:
            raise click.UsageError(f"{folder} was not trained: name a FILE to measure it on")
        from seobuilder.training.run import read_record

        click.echo(json.dumps(read_record(folder).figures.get("test", {})))
        return
    from seobuilder.training.asking import Asked
    from seobuilder.training.journal import number

    figures = Asked(folder).evaluate(file)
    click.echo(json.dumps({name: number(value) for name, value in figures.items()}))


@click.command()
@click.argument("folder", metavar="BUILD", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
def predict(folder: Path, file: Path) -> None:
    """Say what a model in a build folder makes of each row of a file.

    FILE has the columns of the recipe's inputs; with -, standard input has a text a line, for a
    model that takes nothing else. A JSON object a row comes out, in the same order.
    """
    from seobuilder.training.asking import Asked

    asked = Asked(folder)
    if str(file) != "-":
        answers = asked.answers(file)
    elif asked.line_input is not None:
        answers = asked.answer_lines(TextIOWrapper(sys.stdin.buffer, encoding="utf-8"))
    else:
        raise click.UsageError("this model takes more than a line of text: name a FILE")
    for answer in answers:
        click.echo(json.dumps(answer, ensure_ascii=False))
