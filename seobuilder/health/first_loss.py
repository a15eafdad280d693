"""The loss before training, beside that of an answer that prefers nothing."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import torch
from torch import Tensor, nn

from seobuilder.layers import objectives
from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.spec.outputs import EmbeddingOutput, OutputSpec
from seobuilder.report.model import OutputRecord


@torch.no_grad()
def measure_outputs(
    model: nn.Module,
    recipe: Recipe,
    inputs: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    group: Tensor | None,
) -> tuple[OutputRecord, ...]:
    """One record for each output that a loss can be taken of, in evaluation mode.

    Args:
        model: as built from the recipe; its mode is put back.
        inputs: tensors by input, B rows each.
        targets: tensors by output; an output without one is compared with its `contrast`.
        group: [B] the query that each row belongs to, for ranking.
    """
    training = model.training
    model.eval()
    try:
        answers = model(**inputs)
    finally:
        model.train(training)
    records = []
    for name, spec in recipe.outputs.items():
        if isinstance(spec, EmbeddingOutput):
            if spec.contrast is None:
                continue
            other = answers[spec.contrast]
            loss = objectives.contrastive_loss(answers[name], other, spec.temperature)
            chance, rows = objectives.chance_contrastive(len(other)), len(other)
        elif name in targets:
            target = targets[name]
            loss, chance = _loss(spec, answers[name], target, group)
            rows = _labelled(target)
        else:
            continue
        records.append(
            OutputRecord(
                name=name,
                kind=spec.kind,
                loss=float(loss) if isfinite(loss) else None,
                chance=float(chance),
                rows=rows,
            )
        )
    return tuple(records)


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
