"""A model's answers to many rows, and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import nan

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from seobuilder.building.losses import counts_for, output_losses
from seobuilder.data.split import Indices
from seobuilder.recipe.spec.training import BatchSpec
from seobuilder.training.batching import cut
from seobuilder.training.feed import Feed
from seobuilder.training.metrics import measure


@dataclass
class _Part:
    """What one process has seen: rows, answers, targets, and summed losses with their weights."""

    rows: list[Indices] = field(default_factory=list)
    answers: dict[str, list[Tensor]] = field(default_factory=dict)
    targets: dict[str, list[Tensor]] = field(default_factory=dict)
    losses: dict[str, tuple[float, float]] = field(default_factory=dict)


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    feed: Feed,
    rows: Indices,
    accelerator: Accelerator | None = None,
) -> dict[str, float]:
    """Losses and metrics of some rows, by name: `loss`, `intent.loss`, `intent.accuracy`.

    Every process takes its share of the batches, and all of them get the result. Losses are means
    over labelled rows; of a ranking, over the groups that count; of an embedding, over batches by
    their rows, for this loss is of a batch as a whole. What nothing counts for is NaN: a metric
    without meaning on these rows, a loss without labels, which stays out of the sum too.

    Args:
        model: put to evaluation mode meanwhile; not wrapped.
        feed: where the rows come from.
        rows: which; none gives no figures.
        accelerator: of the run, None for one process.
    """
    device = next(model.parameters()).device
    world = 1 if accelerator is None else accelerator.num_processes
    rank = 0 if accelerator is None else accelerator.process_index
    recipe, examples = feed.recipe, feed.examples
    size = recipe.training.batch
    batches = cut(rows, feed.lengths, examples.groups, _of_evaluation(size))
    part = _Part()
    training = model.training
    model.eval()
    try:
        for indices in batches[rank::world]:
            _look(part, model, feed, indices, device)
    finally:
        model.train(training)
    parts: list[_Part] = [part] if world == 1 else gather_object([part])
    return _figures(feed, parts)


def _of_evaluation(size: BatchSpec) -> BatchSpec:
    """Batches as large as in training, for a loss within the batch depends on its size."""
    return size.model_copy(update={"accumulate": 1})


def _look(
    part: _Part, model: nn.Module, feed: Feed, indices: Indices, device: torch.device
) -> None:
    batch = feed.batch(indices).to(device)
    answers = {name: answer.float() for name, answer in model(**batch.inputs).items()}
    for name, loss in output_losses(answers, feed.recipe, batch).items():
        count = counts_for(feed.recipe.outputs[name], name, batch, len(indices))
        total, counted = part.losses.get(name, (0.0, 0.0))
        part.losses[name] = (total + float(loss) * count, counted + count)
    part.rows.append(indices)
    for held, found in ((part.answers, answers), (part.targets, batch.targets)):
        for name, tensor in found.items():
            held.setdefault(name, []).append(tensor.cpu())


def _figures(feed: Feed, parts: list[_Part]) -> dict[str, float]:
    seen = [part for part in parts if part.rows]
    if not seen:
        return {}
    recipe, groups = feed.recipe, feed.examples.groups
    rows = np.concatenate([each for part in seen for each in part.rows])
    answers = {n: torch.cat([t for p in seen for t in p.answers[n]]) for n in seen[0].answers}
    targets = {n: torch.cat([t for p in seen for t in p.targets[n]]) for n in seen[0].targets}
    group = None if groups is None else torch.from_numpy(groups[rows])
    figures: dict[str, float] = {}
    known: list[float] = []
    for name in seen[0].losses:
        sums = [part.losses[name] for part in seen]
        count = sum(each for _, each in sums)
        loss = figures[f"{name}.loss"] = sum(each for each, _ in sums) / count if count else nan
        if count:
            known.append(recipe.training.weights.get(name, 1.0) * loss)
        spec = recipe.outputs[name]
        contrast = getattr(spec, "contrast", None)
        other = targets[name] if contrast is None else answers[contrast]
        found = measure(spec, answers[name], other, group)
        figures |= {f"{name}.{metric}": value for metric, value in found.items()}
    return {"loss": sum(known) if known else nan, **figures}
