"""The loss before training, beside that of an answer that prefers nothing."""

from __future__ import annotations

from math import isfinite

import torch
from torch import Tensor, nn

from seobuilder.building.losses import guess, output_losses
from seobuilder.data.batches import Batch
from seobuilder.recipe.spec import Recipe
from seobuilder.report.model import OutputRecord


@torch.no_grad()
def measure_outputs(model: nn.Module, recipe: Recipe, batch: Batch) -> tuple[OutputRecord, ...]:
    """One record for each output that a loss can be taken of, in evaluation mode.

    The model is as built from the recipe; its mode is put back.
    """
    training = model.training
    model.eval()
    try:
        answers = model(**batch.inputs)
    finally:
        model.train(training)
    records = []
    for name, loss in output_losses(answers, recipe, batch).items():
        spec = recipe.outputs[name]
        chance, rows = guess(name, answers, spec, batch)
        known = float(loss) if isfinite(loss) else None
        records.append(
            OutputRecord(name=name, kind=spec.kind, loss=known, chance=chance, rows=rows)
        )
    return tuple(records)


def summed_loss(model: nn.Module, recipe: Recipe, batch: Batch) -> Tensor:
    """The losses of all outputs, summed: a scalar; 0 where no output has one."""
    answers = model(**batch.inputs)
    losses = list(output_losses(answers, recipe, batch).values())
    return torch.stack(losses).sum() if losses else next(iter(answers.values())).sum() * 0
