"""From a recipe's outputs to their losses: one visible table from a method to its function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seobuilder.data.batches import Batch
from seobuilder.layers import objectives
from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.spec.outputs import EmbeddingOutput, OutputSpec

Loss = Callable[..., Tensor]

ROWWISE: dict[tuple[str, str], Loss] = {
    ("classification", "cross_entropy"): objectives.classification_loss,
    ("classification", "focal"): objectives.focal_loss,
    ("multilabel", "binary"): objectives.multilabel_loss,
    ("multilabel", "focal"): objectives.multilabel_focal_loss,
    ("regression", "mean_squared"): objectives.regression_loss,
    ("regression", "huber"): objectives.huber_loss,
    ("regression", "log_loss"): objectives.multilabel_loss,
}
"""Kind and method: (answer, target, weight, settings of the method) to a scalar."""

LISTWISE: dict[str, Loss] = {
    "listwise": objectives.ranking_loss,
    "lambda_rank": objectives.lambda_rank_loss,
}
"""Method of a ranking: (scores, relevance, group) to a scalar."""

ELSEWHERE = ("method", "class_weights", "weight")
"""Keys of a loss that its function does not take: weights come with the batch."""


def output_losses(answers: Mapping[str, Tensor], recipe: Recipe, batch: Batch) -> dict[str, Tensor]:
    """The mean loss of each output that one can be taken of: it has a target, or a `contrast`."""
    return {
        name: output_loss(name, answers, recipe.outputs[name], batch)
        for name in trained_outputs(recipe, batch)
    }


def trained_outputs(recipe: Recipe, batch: Batch) -> list[str]:
    """The outputs that a loss can be taken of."""
    return [
        name
        for name, spec in recipe.outputs.items()
        if name in batch.targets or (isinstance(spec, EmbeddingOutput) and spec.contrast)
    ]


def output_loss(name: str, answers: Mapping[str, Tensor], spec: OutputSpec, batch: Batch) -> Tensor:
    """The mean loss of one output, a scalar."""
    answer = answers[name]
    if isinstance(spec, EmbeddingOutput):
        assert spec.contrast is not None
        return objectives.contrastive_loss(answer, answers[spec.contrast], spec.temperature)
    target = batch.targets[name]
    if spec.kind == "ranking":
        return LISTWISE[spec.loss.method](answer, target, lists(batch, target))
    settings: dict[str, Any] = {key: value for key, value in spec.loss if key not in ELSEWHERE}
    loss = ROWWISE[spec.kind, spec.loss.method]
    return loss(answer, target, batch.weights.get(name), **settings)


class Guess(NamedTuple):
    """The loss of an answer that prefers nothing, and how many rows have a label."""

    loss: float
    rows: int


def guess(name: str, answers: Mapping[str, Tensor], spec: OutputSpec, batch: Batch) -> Guess:
    """Equal scores, probabilities or products for all; of a regression, the mean of its targets."""
    constant = {other: torch.zeros_like(answer) for other, answer in answers.items()}
    if isinstance(spec, EmbeddingOutput):
        rows = len(answers[name])
    else:
        target = batch.targets[name]
        rows = int(is_labelled(target).sum())
        if spec.kind == "regression" and not spec.is_rate:
            mean = target.nanmean(dim=0).nan_to_num(0)
            constant[name] = mean.expand(target.shape)
    return Guess(float(output_loss(name, constant, spec, batch)), rows)


def counts_for(spec: OutputSpec, name: str, batch: Batch, rows: int) -> float:
    """What the mean loss of a batch is over: labelled rows by their weights, groups that count."""
    if name not in batch.targets:
        return rows
    target = batch.targets[name]
    labelled = is_labelled(target)
    if spec.kind == "ranking":
        relevance = target[labelled]
        place = torch.unique(lists(batch, target)[labelled], return_inverse=True)[1]
        lowest, highest = relevance.new_zeros(2, len(place))
        if spec.loss.method == "lambda_rank":  # counts a group by its pairs
            lowest = lowest.scatter_reduce(0, place, relevance, "amin", include_self=False)
        highest = highest.scatter_reduce(0, place, relevance, "amax")
        return int((highest > lowest).sum())
    weights = batch.weights.get(name)
    return float(labelled.sum() if weights is None else weights[labelled].sum())


def lists(batch: Batch, target: Tensor) -> Tensor:
    """The group of each row [B]; where the data has none, all rows are one list."""
    return torch.zeros_like(target, dtype=torch.long) if batch.group is None else batch.group


def is_labelled(target: Tensor) -> Tensor:
    """Which rows [B] have a label, or one at least."""
    if not target.is_floating_point():
        return target != objectives.UNLABELLED
    known = ~target.isnan()
    return known if known.ndim == 1 else known.any(dim=1)
