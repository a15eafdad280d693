"""The coordinate check: how far signals move in the first steps, in models of several widths.

Under muP they move as far at any width, and what was tuned on a narrow model holds for a wide one:
Yang et al. 2022, Tensor Programs V, arXiv:2203.03466, appendix D.1.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from seobuilder.data.batches import Batch
from seobuilder.health.first_loss import summed_loss
from seobuilder.health.probes.places import places
from seobuilder.health.probes.probe import quiet
from seobuilder.health.probes.steps import STEPS
from seobuilder.health.probes.tap import listen
from seobuilder.planning.model import Plan
from seobuilder.recipe.spec import Recipe
from seobuilder.report.probes import CoordinateRecord

FACTORS = (0.5, 1.0, 2.0)
"""What multiplies the recipe's widths."""

RATE = 1e-3
"""Learning rate: large, so that what moves too far shows within a few steps."""


def coordinate_records(
    model: nn.Module,
    plan: Plan,
    recipe: Recipe,
    batch: Batch,
    factor: float,
    rates: Mapping[str, float],
) -> list[CoordinateRecord]:
    """Train some steps with AdamW, and tell after each how far every signal has moved.

    Args:
        model: built from `plan`; it is trained.
        factor: what its widths were multiplied with.
        rates: by logical name, what multiplies the rate of each parameter.
    """
    quiet(model)
    optimizer = torch.optim.AdamW(_groups(model, plan, rates), weight_decay=0.0)
    start = _signals(model, plan, batch)
    records = []
    for step in range(1, STEPS + 1):
        optimizer.zero_grad()
        torch.autograd.backward(summed_loss(model, recipe, batch))
        optimizer.step()
        for name, signal in _signals(model, plan, batch).items():
            moved = float((signal - start[name]).double().square().mean().sqrt())
            records.append(CoordinateRecord(name=name, factor=factor, step=step, change=moved))
    return records


def _groups(model: nn.Module, plan: Plan, rates: Mapping[str, float]) -> list[dict[str, object]]:
    """The parameters with their rates."""
    stored = dict(model.named_parameters(remove_duplicate=False))
    return [
        {
            "params": [stored[name] for name in assignment.parameter.stored],
            "lr": RATE * rates[assignment.parameter.name],
        }
        for assignment in plan.assignments
    ]


@torch.no_grad()
def _signals(model: nn.Module, plan: Plan, batch: Batch) -> Mapping[str, Tensor]:
    watched = {place.name: model.get_submodule(place.path) for place in places(plan)}
    with listen(watched) as heard:
        model(**batch.inputs)
    return {name: output.clone() for name, output in heard.outputs.items()}
