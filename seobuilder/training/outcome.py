"""The record of a run that ended."""

from __future__ import annotations

from typing import Literal

from seobuilder.data.batches import Batch
from seobuilder.health.first_loss import measure_outputs
from seobuilder.layers import SearchModel
from seobuilder.recipe.spec import Recipe
from seobuilder.report.training import Earlier, Evaluation, StepPoint, TrainingRecord
from seobuilder.training.checkpoints import Position
from seobuilder.training.journal import Journal
from seobuilder.training.loop import Loop
from seobuilder.training.monitors.callbacks import Measure
from seobuilder.training.monitors.findings import check_course

POINTS = 1000
"""Steps of the curve in a record, at most."""


def record_of(
    loop: Loop,
    journal: Journal,
    position: Position,
    rows: tuple[int, int, int],
    test: dict[str, float],
    chance: dict[str, float | None],
    measure: Measure | None,
) -> TrainingRecord:
    """Everything that is known of a run.

    Args:
        loop: that has ended; its model has the kept weights.
        journal: of the run.
        position: where it ended.
        rows: of training, validation and test.
        test: figures of the test rows.
        chance: figures of guessing.
        measure: the monitor, None where nothing was measured.
    """
    points = [line for line in journal.lines if "rate" in line]
    every = -(-len(points) // POINTS) or 1
    figures: dict[Literal["validation", "test"], dict[str, float | None]] = {}
    if position.figures:
        figures["validation"] = {**position.figures}
    if test:
        figures["test"] = {**test}
    monitored = None if measure is None else measure.course(journal.lines)
    return TrainingRecord(
        name=loop.state.recipe.name,
        settings=loop.spec.model_dump(mode="json"),
        seed=loop.seed,
        device=loop.device.type,
        processes=loop.accelerator.num_processes,
        rows=dict(zip(("train", "validation", "test"), rows, strict=True)),
        steps=position.step,
        epochs=loop.epochs_done,
        ended="early" if loop.ended_early else "complete",
        kept=position.kept,
        seconds=position.seconds,
        tokens=position.tokens,
        curve=tuple(
            StepPoint(**{key: line[key] for key in StepPoint.model_fields})
            for line in points[::every]
        ),
        evaluations=tuple(
            Evaluation(
                step=line["step"],
                split=line["split"],
                figures={k: v for k, v in line.items() if k not in ("step", "epoch", "split")},
            )
            for line in journal.lines
            if "split" in line
        ),
        figures=figures,
        chance=chance,
        earlier=tuple(Earlier(**each) for each in position.earlier),
        monitors=monitored,
        findings=() if monitored is None else tuple(check_course(monitored)),
    )


def chance_of(model: SearchModel, recipe: Recipe, batch: Batch) -> dict[str, float | None]:
    """What an answer that prefers nothing gets, by figure, as far as it is known ahead.

    Losses are those on a batch, as far as it has labels, and their sum where it has all of them;
    accuracy is that of equal labels, AUC 0.5, Spearman 0.
    """
    measured = measure_outputs(model, recipe, batch)
    outputs = [each for each in measured if each.rows]
    weights = recipe.training.weights
    losses = [weights.get(o.name, 1.0) * o.chance for o in outputs if o.chance is not None]
    found: dict[str, float | None] = {
        "loss": sum(losses) if losses and len(losses) == len(measured) else None
    }
    for output in outputs:
        spec = recipe.outputs[output.name]
        found[f"{output.name}.loss"] = output.chance
        if spec.kind == "classification":
            labels = spec.labels if isinstance(spec.labels, int) else len(spec.labels)
            found[f"{output.name}.accuracy"] = 1 / labels
        if spec.kind in ("classification", "multilabel"):
            found[f"{output.name}.auc"] = 0.5
        if spec.kind == "regression":
            found[f"{output.name}.spearman"] = 0.0
    return found
