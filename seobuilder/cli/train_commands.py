"""Commands that train a model, measure it, and ask it."""

from __future__ import annotations

from pathlib import Path

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
        try:
            trained = training.run(target, [progress, *trackers], resume=resume, force=force)
        except KeyboardInterrupt:
            click.echo("seobuild: --resume goes on with this run", err=True)
            raise
        finally:
            progress.close()
    if not progress.is_main:
        return
    record = trained.record
    if output_format == "json":
        click.echo(record.model_dump_json(indent=2))
        return
    word = "unchanged, " if was_done else ""
    figures = record.figures.get("test") or record.figures.get("validation") or {}
    shown = "".join(f", {name} {value:.4g}" for name, value in figures.items() if value is not None)
    click.echo(f"{word}trained {record.steps:,} steps{shown}, weights: {target}")
