"""One recipe under several initializations: each built, probed and, if asked, shortly trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from math import nan
from typing import Any

import numpy as np

from seobuilder.data.batches import Batch, seeded_batch
from seobuilder.data.encode import Examples
from seobuilder.data.split import Indices, pick
from seobuilder.errors import RecipeError
from seobuilder.planning.methods import METHODS
from seobuilder.recipe.diagnostics import Diagnostic, quote, suggest
from seobuilder.recipe.dump import dump
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.recipe.reader import read_value
from seobuilder.recipe.shipped import preset_names
from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.spec.training import AdamW, BatchSpec, Clip, Schedule, TrainingSpec
from seobuilder.report.comparison import Candidate, Comparison
from seobuilder.report.model import Report
from seobuilder.report.probes import SignalRecord
from seobuilder.stages import Building
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.feed import Feed, make_feed
from seobuilder.training.loop import Loop

AS_WRITTEN = "as written"

MATRICES = ("weight", "residual_out", "recurrent_input", "recurrent_hidden", "gate")
"""Roles that a method draws instead of the recipe's rules; tables, norms and heads stay."""

BATCH, HELD_OUT, LEARNING_RATE = 32, 512, 1e-3


def compare(
    loaded: LoadedRecipe,
    initializations: Iterable[str],
    steps: int = 0,
    progress: Callable[[str], object] = lambda text: None,
) -> Comparison:
    """The recipe as written, and under each initialization.

    Args:
        loaded: the recipe.
        initializations: each the name of a method, its arguments as they stand in a rule
            (`method: normal, std: 0.02`), or a preset's name. A method draws all matrices but
            embeddings and heads; a preset takes the place of all rules.
        steps: of training with AdamW, at a rate of 0.001, each on rows of the recipe's data that
            are the same for every candidate.
        progress: is told what is being done.

    Raises:
        RecipeError: an initialization is unknown, or does not suit the recipe.
        DataError: the recipe's data is invalid.
    """
    variants = {AS_WRITTEN: loaded} | {text: variant(loaded, text) for text in initializations}
    buildings = {label: Building(_shortly(each, steps)) for label, each in variants.items()}
    for building in buildings.values():
        _ = building.plan  # what does not suit the recipe is told before anything is measured
    candidates: list[Candidate] = []
    chance = None
    for label, building in buildings.items():
        progress(f"measuring: {label}")
        report = building.report  # of the model before it is trained
        chance = _sum(output.chance for output in report.outputs)
        losses: list[float] = []
        held_out = None
        if steps:
            kept = _Losses(progress, label)
            losses, held_out = kept.losses, _train(building, kept)
        candidates.append(_candidate(label, report, losses, held_out))
    return Comparison(
        name=loaded.recipe.name,
        steps=steps,
        batch=BATCH,
        learning_rate=LEARNING_RATE,
        chance=chance,
        candidates=tuple(candidates),
    )


def variant(loaded: LoadedRecipe, text: str) -> LoadedRecipe:
    """The recipe with another initialization.

    Raises:
        RecipeError: it is unknown, or does not suit the recipe.
    """
    recipe = loaded.resolved
    rule = _rule(text)
    if "preset" in rule:
        recipe["initialization"] = [rule]
    else:
        for other in recipe["initialization"]:
            other["optional"] = True
            other.pop("expect", None)
        rule = {"role": list(MATRICES), **rule, "optional": True}
        recipe["initialization"] = [rule, *recipe["initialization"]]
    file = f"{loaded.file} with --init {text}"
    return parse_recipe(dump(recipe).encode(), file, loaded.folder, (), loaded.given)


class _Losses(Callback):
    """Keeps the loss of every step, and tells which one is done."""

    def __init__(self, progress: Callable[[str], object], label: str) -> None:
        self.losses: list[float] = []
        self._progress = progress
        self._label = label

    def on_step(self, state: State) -> None:
        self.losses.append(float(state.loss) if state.loss is not None else nan)
        self._progress(f"training: {self._label}, step {state.step} of {state.steps}")


def _shortly(loaded: LoadedRecipe, steps: int) -> LoadedRecipe:
    """The recipe with a training that is the same for every candidate."""
    spec = TrainingSpec(
        steps=max(steps, 1),
        batch=BatchSpec(rows=BATCH),
        optimizer=AdamW(learning_rate=LEARNING_RATE),
        schedule=Schedule(decay="none", warmup=0.0),
        clip=Clip(),
    )
    return replace(loaded, recipe=loaded.recipe.model_copy(update={"training": spec}))


def _train(building: Building, kept: _Losses) -> float | None:
    """Train the model; gives the loss on rows that no step saw, if the recipe holds some out."""
    recipe, examples = building.loaded.recipe, building.examples
    feed = _seeded(recipe) if examples is None else make_feed(recipe, examples, building.tokenizers)
    rows = feed.examples
    loop = Loop(building, feed, rows.train, rows.train[:0], [kept])
    try:
        loop.run()
        found = loop.look(pick(rows.test, HELD_OUT, recipe.seed, rows.groups), "test")
    finally:
        loop.release()
    return found.get("loss")


class _SeededFeed(Feed):
    """Gives one batch, whatever rows are asked for."""

    def batch(self, rows: Indices) -> Batch:
        return seeded_batch(self.recipe)


def _seeded(recipe: Recipe) -> Feed:
    """Seeded numbers in place of data."""
    row = np.zeros(1, dtype=np.int64)
    return _SeededFeed(recipe, Examples(row, row[:0]), {}, row + 1)


def _candidate(
    label: str, report: Report, losses: list[float], held_out: float | None
) -> Candidate:
    signals = _longest_stack(report)
    return Candidate(
        label=label,
        verdict=report.verdict,
        errors=len(report.issues),
        warnings=len(report.warnings),
        loss=_sum(output.loss for output in report.outputs),
        signal=_ratio([record.variance for record in signals]),
        gradient=_ratio([record.gradient for record in signals]),
        losses=tuple(losses),
        held_out=held_out,
    )


def _longest_stack(report: Report) -> list[SignalRecord]:
    """The signals behind the blocks of one stack, told by names that end in their index."""
    stacks: dict[str, list[SignalRecord]] = {}
    for record in report.probes.signals if report.probes else ():
        stack, _, index = record.name.rpartition(".")
        if index.isdecimal():
            stacks.setdefault(stack, []).append(record)
    return max(stacks.values(), key=len, default=[])


def _ratio(values: list[float | None]) -> float | None:
    """The last of some values by the first."""
    if len(values) < 2 or not values[0] or values[-1] is None:
        return None
    return values[-1] / values[0]


def _sum(values: Iterable[float | None]) -> float | None:
    """The sum, unless one is not known."""
    known = list(values)
    return None if None in known or not known else sum(value for value in known if value)


def _rule(text: str) -> dict[str, Any]:
    """What a rule says of the method, without selectors."""
    if text in METHODS:
        return {"method": text}
    if text in preset_names():
        return {"preset": text}
    if ":" in text:
        given: dict[str, Any] = read_value(f"{{{text.strip().strip('{}')}}}")
        return given
    known = tuple(dict.fromkeys((*METHODS, *preset_names())))
    guess = suggest(text, known)
    hint = f"; did you mean `{guess}`?" if guess else ""
    message = f"{quote(text)} is neither a method nor a preset{hint}"
    help = f"one of {', '.join(known)}"
    raise RecipeError([Diagnostic("R209", message, path="--init", help=help)])
