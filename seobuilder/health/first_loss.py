"""The loss before training, beside that of an answer that prefers nothing."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seobuilder.data.batches import Batch
from seobuilder.layers import objectives
from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.spec.outputs import EmbeddingOutput, OutputSpec
from seobuilder.report.model import OutputRecord


class OutputLoss(NamedTuple):
    """An output's mean loss, a scalar, that of guessing, and how many rows have a label."""

    loss: Tensor
    chance: float
    rows: int


@torch.no_grad()
def measure_outputs(model: nn.Module, recipe: Recipe, batch: Batch) -> tuple[OutputRecord, ...]:
    """One record for each output that a loss can be taken of, in evaluation mode.

    The model is as built from the recipe; its mode is put back.
    """
    training = model.training
    model.eval()
    try:
        losses = output_losses(model(**batch.inputs), recipe, batch)
    finally:
        model.train(training)
    return tuple(
        OutputRecord(
            name=name,
            kind=recipe.outputs[name].kind,
            loss=float(loss) if isfinite(loss) else None,
            chance=chance,
            rows=rows,
        )
        for name, (loss, chance, rows) in losses.items()
    )


def summed_loss(model: nn.Module, recipe: Recipe, batch: Batch) -> Tensor:
    """The losses of all outputs, summed: a scalar; 0 where no output has one."""
    answers = model(**batch.inputs)
    losses = [each.loss for each in output_losses(answers, recipe, batch).values()]
    return torch.stack(losses).sum() if losses else next(iter(answers.values())).sum() * 0


def output_losses(
    answers: Mapping[str, Tensor], recipe: Recipe, batch: Batch
) -> dict[str, OutputLoss]:
    """The loss of each output that one can be taken of: it has a target, or a `contrast`."""
    losses = {}
    for name, spec in recipe.outputs.items():
        if isinstance(spec, EmbeddingOutput):
            if spec.contrast is not None:
                other = answers[spec.contrast]
                loss = objectives.contrastive_loss(answers[name], other, spec.temperature)
                chance = objectives.chance_contrastive(len(other))
                losses[name] = OutputLoss(loss, chance, len(other))
        elif name in batch.targets:
            target = batch.targets[name]
            loss, chance = _loss(spec, answers[name], target, batch.group)
            losses[name] = OutputLoss(loss, chance, _labelled(target))
    return losses


def _loss(
    spec: OutputSpec, answer: Tensor, target: Tensor, group: Tensor | None
) -> tuple[Tensor, float]:
    if spec.kind == "classification":
        classes = answer.shape[1]
        chance = objectives.chance_classification(target, classes).uniform
        return objectives.classification_loss(answer, target), float(chance)
    if spec.kind == "multilabel":
        chance = objectives.chance_multilabel(target).uniform
        return objectives.multilabel_loss(answer, target), float(chance)
    if spec.kind == "regression":
        chance = objectives.chance_regression(target)
        return objectives.regression_loss(answer, target), float(chance)
    assert spec.kind == "ranking"
    lists = torch.zeros(len(target), dtype=torch.long) if group is None else group
    chance = objectives.chance_ranking(target, lists)
    return objectives.ranking_loss(answer, target, lists), float(chance)


def _labelled(target: Tensor) -> int:
    """Rows that have a label."""
    if not target.is_floating_point():
        return int((target != objectives.UNLABELLED).sum())
    known = ~target.isnan()
    return int((known if known.ndim == 1 else known.any(dim=1)).sum())
