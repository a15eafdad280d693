"""`seobuilder.train`: a recipe's model, trained on its data and published like a build."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

from seobuilder.arguments import require_path, shown
from seobuilder.artifact.folder import Content, refuse, write
from seobuilder.artifact.manifest import TRAINING, FileEntry, Manifest, digest
from seobuilder.builder import load
from seobuilder.building.losses import trained_outputs
from seobuilder.data.encode import Examples
from seobuilder.errors import DataError, InvalidArgument, TrainingStopped
from seobuilder.layers import SearchModel
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.files import NO_FILES, Files
from seobuilder.recipe.load import LoadedRecipe, load_recipe
from seobuilder.report.render_training import render_training_html, render_training_markdown
from seobuilder.report.training import TrainingRecord
from seobuilder.stages import Building
from seobuilder.training.accelerators import among_others, process_count
from seobuilder.training.batching import hold_out
from seobuilder.training.callbacks import Callback
from seobuilder.training.checkpoints import RunFolder
from seobuilder.training.feed import Block, Feed, StreamedBlocks, make_feed
from seobuilder.training.journal import METRICS_FILE, Journal
from seobuilder.training.loop import Loop
from seobuilder.training.monitors import Measure, Meter, Watch
from seobuilder.training.outcome import chance_of, record_of

CHANGEABLE = {
    *("epochs", "steps", "schedule", "clip", "weights", "evaluate_steps", "checkpoints"),
    *("monitors", "log_steps"),
}
"""What may be another in a run that goes on, beside the numbers of the optimizer."""


@dataclass(frozen=True)
class Trained:
    """A trained model, in evaluation mode, and the record of its training."""

    model: SearchModel
    record: TrainingRecord


def train(
    recipe: str | Path | LoadedRecipe,
    output: str | Path | None = None,
    overrides: Iterable[str] = (),
    files: Files = NO_FILES,
    *,
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
    force: bool = False,
) -> Trained:
    """Train a recipe's model on its data, as its `training` section says.

    Args:
        recipe: a path, or the name of a shipped recipe.
        output: the folder that the trained model is written to, for `seobuilder.load`; while it
            is trained, checkpoints lie beside it in `OUTPUT.partial`. None writes nothing.
        overrides: changes to the recipe, such as `training.epochs=3`.
        files: where weights and tokenizers are, by the names that the recipe has for them.
        callbacks: what watches the run, called in this order.
        resume: go on from the last checkpoint, if there is one. The rate, the length and the other
            numbers of the training may have changed since; data, batches, seed and model may not.
        force: replace what is at `output`, and begin anew where a run was left unfinished.

    Raises:
        RecipeError: the recipe is invalid, or has nothing to train, or nothing to stop by.
        DataError: its data is.
        BuildFolderError: something is in the way, or the disk refuses.
        EnvironmentProblem: a file can't be read, or the machine lacks what the recipe asks for.
        TrainingStopped: a callback stopped the run.
        InvalidArgument: an argument is of another kind.
    """
    if output is not None:
        output = require_path(output, "output is the path of a folder")
    _check_callbacks(callbacks)
    loaded = recipe if isinstance(recipe, LoadedRecipe) else load_recipe(recipe, overrides, files)
    training = Training(loaded)
    return training.run(output, callbacks, resume=resume, force=force)


def _check_callbacks(callbacks: Sequence[Callback]) -> None:
    wanted = "callbacks are a list of instances of Callback"
    if not isinstance(callbacks, Sequence):
        raise InvalidArgument(f"{wanted}; this is {shown(callbacks)}")
    for each in callbacks:
        if not isinstance(each, Callback):
            raise InvalidArgument(f"{wanted}; there is {shown(each)} among them")


class Training:
    """The training of one recipe, from its data to its folder."""

    def __init__(self, loaded: LoadedRecipe) -> None:
        """Take the recipe; nothing is read yet."""
        # What was trained is another thing than what was built of the same recipe.
        packages = {name: version(name) for name in ("accelerate", "torchmetrics")}
        self.building = Building(loaded, further={"training": packages}, reads_all=True)

    def is_done(self, target: Path) -> bool:
        """Whether `target` holds this very training.

        Raises:
            BuildFolderError: it holds something else.
        """
        return self.building.status(target) == "same"

    @among_others()
    def run(
        self,
        target: Path | None,
        callbacks: Sequence[Callback] = (),
        *,
        resume: bool = False,
        force: bool = False,
    ) -> Trained:
        """Train, and write the folder if there is a target; what is there already is loaded."""
        if target is not None:
            if not force and self.is_done(target):
                return _written(target)
            refuse(target, force)
        examples = self._examples()
        building, recipe = self.building, self.building.loaded.recipe
        spec = recipe.training
        train_rows, validation = hold_out(
            examples.train, spec.validation, recipe.seed, examples.groups
        )
        feed = make_feed(recipe, examples, building.tokenizers)
        self._require_loss(feed)
        folder = None
        if target is not None:
            folder = RunFolder(target, self._of_checkpoint, spec.checkpoints.keep)
        journal = Journal(spec.log_steps, None if folder is None else folder.journal)
        chance = chance_of(building.model, recipe, building.batch[0])
        watch, measure = self._monitors(journal)
        own = [each for each in (watch, journal, measure) if each is not None]
        blocks = None
        if recipe.data is not None and recipe.data.streaming is not None:
            blocks = StreamedBlocks(building, Block(feed, train_rows))
        loop = Loop(building, feed, train_rows, validation, [*own, *callbacks], folder, blocks)
        if folder is not None and loop.state.is_main:  # one process looks, and makes the folder
            folder.begin(resume=resume, force=force)
        loop.accelerator.wait_for_everyone()
        if folder is not None and (step := loop.take_up()):
            journal.take_up(folder.journal, step)
            if watch is not None:
                watch.take_up(journal.lines)
        loop.accelerator.wait_for_everyone()  # the first step writes what all have read
        try:
            position = loop.run()
            building.model.is_trained = True
            test = loop.look(examples.test, "test")
            loop.end()
        except TrainingStopped as stopped:
            raise _with_way_on(stopped, folder) from stopped
        finally:
            loop.release()
            if folder is not None and loop.state.is_main:
                folder.remove_empty()
        train_count = blocks.rows - len(validation) if blocks else len(train_rows)
        rows = train_count, len(validation), len(examples.test)
        record = record_of(loop, journal, position, rows, test, chance, measure)
        if folder is not None and target is not None and loop.state.is_main:
            write(target, self._files(journal, record), building.manifest, force=force)
            folder.remove()
        loop.accelerator.wait_for_everyone()
        return Trained(building.model, record)

    def _monitors(self, journal: Journal) -> tuple[Watch | None, Measure | None]:
        """What the recipe asks for; what measures has the weights as they were drawn."""
        building, spec = self.building, self.building.loaded.recipe.training.monitors
        watch = Watch(building.loaded, journal.note) if spec.stop else None
        if not spec.measure:
            return watch, None
        meter = Meter(building.model, building.plan)
        return watch, Measure(meter, spec.every, journal.note)

    def _of_checkpoint(self, files: dict[str, FileEntry]) -> Manifest:
        """The manifest of a checkpoint: of what must stay the same where a run goes on."""
        manifest, loaded = self.building.manifest(files), self.building.loaded
        spec = loaded.recipe.training
        lasting = spec.model_dump(mode="json", exclude={*CHANGEABLE, "optimizer"})
        lasting["optimizer"] = spec.optimizer.method
        parts = {name: part for name, part in manifest.parts.items() if name != "recipe text"}
        parts["recipe"] = digest({**loaded.resolved, "training": lasting})
        # A step's batches are shared among them, so that their number says where a run stands.
        parts["processes"] = digest({"count": process_count()})
        versions = manifest.versions.model_dump()
        identity = digest({"parts": parts, "versions": versions, "streams": manifest.streams})
        return manifest.model_copy(update={"parts": parts, "digest": identity})

    def _examples(self) -> Examples:
        examples = self.building.examples
        if examples is None:
            help = "add `data` with `files` and `columns`; `seobuild new` starts a recipe with some"
            raise DataError(
                [
                    Diagnostic(
                        "D100", "training needs data, and there is none", path="data", help=help
                    )
                ]
            )
        return examples

    def _require_loss(self, feed: Feed) -> None:
        """There is something to train: an output with a target, or one with a contrast."""
        loaded = self.building.loaded
        if not trained_outputs(loaded.recipe, feed.batch(feed.examples.train[:1])):
            message = "no output can be trained: an embedding learns from its `contrast`"
            help = "state the embedding output of the other side, or an output with labels"
            mark = loaded.mark("outputs", key=True)
            raise loaded.fail([Diagnostic("R213", message, mark, "outputs", help=help)])

    def _files(self, journal: Journal, record: TrainingRecord) -> dict[str, Content]:
        text = json.dumps(record.model_dump(mode="json"), indent=2, allow_nan=False)
        return {
            **self.building.model_files(),
            METRICS_FILE: journal.content(),
            TRAINING: text.encode() + b"\n",
            "report.html": render_training_html(record).encode(),
            "report.md": render_training_markdown(record).encode(),
        }


def read_record(folder: Path) -> TrainingRecord:
    """The record in the folder of a trained model."""
    return TrainingRecord.model_validate_json((folder / TRAINING).read_bytes())


def _written(target: Path) -> Trained:
    return Trained(load(target).eval(), read_record(target))


def _with_way_on(stopped: TrainingStopped, folder: RunFolder | None) -> TrainingStopped:
    """The same, and how to go on from what is left of the run."""
    if folder is None:
        return stopped
    step = folder.last()
    way = (
        "no checkpoint was written before: --force begins anew"
        if step is None
        else f"the checkpoint of step {step:,} is kept: --resume goes on from it, and takes --set "
        "training... for other settings"
    )
    problems = (
        replace(each, help="; ".join(filter(None, (each.help, way))))
        for each in stopped.diagnostics
    )
    return TrainingStopped(problems, stopped.sources)
