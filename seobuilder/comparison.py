"""One recipe under several initializations: each built, probed and, if asked, shortly trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch

from seobuilder.data.batches import Batch, make_batch, sample_rows, seeded_batch
from seobuilder.data.split import pick
from seobuilder.errors import RecipeError
from seobuilder.health.first_loss import summed_loss
from seobuilder.init.streams import Stream
from seobuilder.planning.methods import METHODS
from seobuilder.recipe.diagnostics import Diagnostic, quote, suggest
from seobuilder.recipe.dump import dump
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.recipe.reader import read_value
from seobuilder.recipe.shipped import preset_names
from seobuilder.report.comparison import Candidate, Comparison
from seobuilder.report.model import Report
from seobuilder.report.probes import SignalRecord
from seobuilder.stages import Building

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
    buildings = {label: Building(each) for label, each in variants.items()}
    for building in buildings.values():
        _ = building.plan  # what does not suit the recipe is told before anything is measured
    candidates: list[Candidate] = []
    chance = None
    for label, building in buildings.items():
        progress(f"measuring: {label}")
        report = building.report  # of the model before it is trained
        chance = _sum(output.chance for output in report.outputs)
        losses = []
        for step, loss in enumerate(_train(building, steps)):
            progress(f"training: {label}, step {step + 1} of {steps}")
            losses.append(loss)
        held_out = _held_out(building) if steps else None
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


def _train(building: Building, steps: int) -> Iterator[float]:
    """Losses of so many steps of AdamW on the model, each on rows of its own."""
    recipe, model = building.loaded.recipe, building.model
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    model.train()
    for step in range(steps):
        batch = _batch(building, step)
        with torch.random.fork_rng():
            torch.manual_seed(Stream(recipe.seed, str(step), "compare").torch_seed)
            optimizer.zero_grad()
            loss = summed_loss(model, recipe, batch)
            torch.autograd.backward(loss)
            optimizer.step()
        yield loss.item()
    model.eval()


def _batch(building: Building, step: int) -> Batch:
    recipe, examples = building.loaded.recipe, building.examples
    if examples is None:
        return seeded_batch(recipe)
    rows = sample_rows(examples, BATCH, recipe.seed + 1 + step)
    return make_batch(examples, rows, recipe, building.tokenizers)


@torch.no_grad()
def _held_out(building: Building) -> float | None:
    """The loss on rows that no step saw, where the recipe holds some out."""
    recipe, examples = building.loaded.recipe, building.examples
    if examples is None or not len(examples.test):
        return None
    rows = pick(examples.test, HELD_OUT, recipe.seed, examples.groups)
    batch = make_batch(examples, rows, recipe, building.tokenizers)
    return float(summed_loss(building.model.eval(), recipe, batch))


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
