"""The first steps of training, on one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import sqrt

import torch
from torch import Tensor, nn

from seobuilder.report.probes import StepRecord

STEPS = 3
LEARNING_RATE = 1e-4


def first_steps(
    model: nn.Module,
    names: Mapping[str, tuple[nn.Parameter, ...]],
    loss_of: Callable[[], Tensor],
) -> tuple[tuple[StepRecord, ...], tuple[float, ...]]:
    """Train `STEPS` steps with AdamW; a record for each name, and the loss before each and after.

    Legitimate zeros wake up: a head of zeros lets the gradient through to the layers before it once
    it has taken a step, and so do the gates of ReZero and the last layers of Fixup. A path that is
    dead stays so.

    Args:
        model: changed by the steps; the caller puts it back.
        names: the parameters that make up each logical name (two under weight norm).
        loss_of: the loss of the model as it is.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.0)
    gradients: dict[str, float] = {}
    updates: dict[str, float | None] = {}
    wakes: dict[str, int] = {}
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of()
        losses.append(loss.item())
        if loss.requires_grad:
            torch.autograd.backward(loss)
        sizes = {name: _norm(p.grad for p in held) for name, held in names.items()}
        for name, size in sizes.items():
            if size != 0:  # NaN is no silence
                wakes.setdefault(name, step)
        before = {name: [p.detach().clone() for p in held] for name, held in names.items()}
        optimizer.step()
        if step == 0:
            gradients = sizes
            updates = {name: _ratio(before[name], held) for name, held in names.items()}
    with torch.no_grad():
        losses.append(loss_of().item())
    records = [
        StepRecord(name=name, gradient=gradients[name], update=updates[name], wakes=wakes.get(name))
        for name in names
    ]
    return tuple(records), tuple(losses)


def _norm(tensors: Iterable[Tensor | None]) -> float:
    """L2 norm of several tensors together, None standing for zeros."""
    total = 0.0
    for tensor in tensors:
        if tensor is not None:
            total += float(tensor.detach().double().square().sum())
    return sqrt(total)


def _ratio(before: list[Tensor], after: tuple[nn.Parameter, ...]) -> float | None:
    """How far parameters moved, by their norm; None where they were zero."""
    size = _norm(before)
    moved = _norm(new.detach() - old for old, new in zip(before, after, strict=True))
    return moved / size if size else None
