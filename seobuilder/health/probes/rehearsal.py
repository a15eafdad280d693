"""Whether a model can learn a few rows by heart in a few steps; what can't learns nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from seobuilder.building.losses import guess, is_labelled, output_losses
from seobuilder.data.batches import Batch
from seobuilder.health.probes.probe import quiet
from seobuilder.health.probes.untouched import untouched
from seobuilder.planning.model import Parameter, Plan
from seobuilder.recipe.spec import Recipe
from seobuilder.report.model import Finding
from seobuilder.report.probes import RehearsalRecord
from seobuilder.report.score import LEARNED, SLOW
from seobuilder.report.text import plural

ROWS, STEPS = 16, 20
RATE, WIDTH = 8e-3, 32
"""Learning rate of what has no fan, and of matrices up to this fan_in; beyond, it falls with it
(Yang et al. 2022, arXiv:2203.03466, table 3)."""

MOST_FLOPS = 4e11
"""Of larger models there is no rehearsal: it would take more than some seconds."""

SMOOTHED = 0.2
"""Label smoothing from which on what is learned by heart has a large loss."""

STUCK = 0.95
"""Share of the loss of guessing from which on nothing was learned; `SLOW` is where it begins."""


def rehearse(
    model: nn.Module, plan: Plan, recipe: Recipe, batch: Batch
) -> tuple[RehearsalRecord, ...]:
    """Train on `ROWS` rows with AdamW: the loss of each output that has labels to learn by heart.

    The model stays as it was; its mode is that of the probes. Nothing where it is too large for
    some seconds.
    """
    rows = batch.distinct(ROWS)
    bound = _bound(plan)
    names = [n for n in recipe.outputs if n not in bound and _has_labels(recipe, rows, n)]
    if not names or 3 * plan.flops * ROWS * STEPS > MOST_FLOPS:
        return ()
    losses: list[dict[str, float | None]] = []
    with untouched(model), torch.enable_grad():
        quiet(model)
        answers = model(**rows.inputs)
        chances = {name: guess(name, answers, recipe.outputs[name], rows).loss for name in names}
        optimizer = torch.optim.AdamW(_groups(model, plan), weight_decay=0.0, fused=True)
        while True:
            found = output_losses(model(**rows.inputs), recipe, rows)
            losses.append({name: _number(found[name]) for name in names})
            total = torch.stack([found[name] for name in names]).sum()
            is_known = all(float(found[n].detach()) <= LEARNED * chances[n] for n in names)
            if is_known or len(losses) > STEPS or not total.isfinite() or not total.requires_grad:
                break
            optimizer.zero_grad()
            torch.autograd.backward(total)
            optimizer.step()
    return tuple(
        RehearsalRecord(
            name=name,
            rows=len(rows),
            chance=chances[name],
            losses=tuple(each[name] for each in losses),
        )
        for name in names
    )


def check_rehearsal(records: Iterable[RehearsalRecord]) -> Iterator[Finding]:
    """H029: an output that few rows teach little, by the lowest of its losses."""
    for record in records:
        left = record.left
        if left is not None and left > SLOW:
            steps = len(record.losses) - 1
            yield Finding(
                code="H029",
                severity="error" if left > STUCK else "warning",
                place=record.name,
                message=f"{plural(record.rows, 'row')} can't be learned by heart: {left:.0%} of "
                f"the loss of guessing is left at best in {plural(steps, 'step')} of AdamW",
                measured=left,
                expected=0.0,
                tolerance=SLOW,
                source="a model that can't learn one small batch learns nothing from more",
                suggestion="mend what is found in front of this output; then skip paths and norms "
                "in deep stacks, and weights of the size that keeps the signal",
            )


def _bound(plan: Plan) -> set[str]:
    """The outputs whose answers can't grow, under spectral norm."""
    return {
        each.parameter.name.partition(".")[0]
        for each in plan.assignments
        if each.reparametrization is not None and each.reparametrization.method == "spectral_norm"
    }


def _has_labels(recipe: Recipe, batch: Batch, name: str) -> bool:
    """Whether the loss of an output goes to zero where all labels are known by heart."""
    spec = recipe.outputs[name]
    if spec.kind != "classification" or name not in batch.targets:
        return False
    smoothing = getattr(spec.loss, "label_smoothing", 0.0)
    return smoothing <= SMOOTHED and bool(is_labelled(batch.targets[name]).any())


def _groups(model: nn.Module, plan: Plan) -> list[dict[str, Any]]:
    """Every parameter with its rate."""
    described = {name: a.parameter for a in plan.assignments for name in a.parameter.stored}
    return [
        {"params": [parameter], "lr": RATE * _share(described.get(name))}
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    ]


def _share(parameter: Parameter | None) -> float:
    if parameter is None or parameter.fans is None or parameter.role in ("embedding", "position"):
        return 1.0
    return min(1.0, WIDTH / parameter.fans.fan_in)


def _number(loss: Tensor) -> float | None:
    return float(loss.detach()) if loss.isfinite() else None
