"""What monitors noted of a run, put together: a course for each parameter and module."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from seobuilder.health.histogram import BINS, REACH
from seobuilder.health.norms import norms
from seobuilder.health.statistics import measure
from seobuilder.report.parameters import Statistics
from seobuilder.report.training import (
    AttentionCourse,
    Monitored,
    Overlay,
    ParameterCourse,
    Reading,
    SignalCourse,
    Timing,
)
from seobuilder.training.monitors.meter import Meter
from seobuilder.training.monitors.watched import Watched

POINTS = 200
"""Measured steps of a record, at most: the journal has all."""

DRAWN = 12
"""Rules whose largest weight has its elements counted."""

Course = Mapping[str, Sequence[float | None]]


@torch.no_grad()
def monitored(
    meter: Meter, lines: Sequence[Mapping[str, Any]], every: int, timing: Timing | None = None
) -> Monitored:
    """The record of a run that ended.

    Args:
        meter: of the run; its model has the weights that are kept.
        lines: of the journal that hold a reading.
        every: steps between two of them.
        timing: of the steps.
    """
    thinned = lines[:: -(-len(lines) // POINTS) or 1]
    readings = [Reading.model_validate(line["monitor"]) for line in thinned]
    largest = _largest(meter.parameters)
    gradients, updates, changes = (
        _by_name(readings, kind) for kind in ("gradients", "updates", "changes")
    )
    parameters = []
    for each, drawn in zip(meter.parameters, meter.initial, strict=True):
        kept = each.read().detach()
        before, after = measure(drawn.cpu()), measure(kept.cpu())
        moved, size = norms([kept - drawn.to(kept.device), drawn]).tolist()
        parameters.append(
            ParameterCourse(
                name=each.name,
                role=each.role,
                rule=each.rule,
                elements=kept.numel(),
                before=before,
                after=after,
                change=moved / size if size else None,
                gradients=tuple(gradients.get(each.name, ())),
                updates=tuple(updates.get(each.name, ())),
                changes=tuple(changes.get(each.name, ())),
                histogram=_overlay(drawn, kept, before, after) if each.name in largest else None,
            )
        )
    dead = _by_name(readings, "dead")
    scores = {k: _by_name(readings, k) for k in ("logit_std", "logit_max", "entropy", "uniform")}
    return Monitored(
        every=every,
        steps=tuple(int(line["step"]) for line in thinned),
        parameters=tuple(parameters),
        signals=tuple(
            SignalCourse(name=name, variance=tuple(values), dead=tuple(dead.get(name, ())))
            for name, values in _by_name(readings, "variance").items()
        ),
        attention=tuple(
            AttentionCourse(name=name, **{k: tuple(each[name]) for k, each in scores.items()})
            for name in scores["entropy"]
        ),
        timing=timing,
    )


def _by_name(readings: Sequence[Reading], kind: str) -> dict[str, list[float | None]]:
    """A course for each name; None where a step has no number for it."""
    names = dict.fromkeys(name for reading in readings for name in getattr(reading, kind))
    return {name: [getattr(each, kind).get(name) for each in readings] for name in names}


def _largest(parameters: Sequence[Watched]) -> set[str]:
    """The largest weight of each rule, of the rules that have the largest."""
    best: dict[str | None, Watched] = {}
    for each in parameters:
        held = best.get(each.rule)
        if each.stored[0].ndim > 1 and (held is None or _count(each) > _count(held)):
            best[each.rule] = each
    return {each.name for each in sorted(best.values(), key=_count, reverse=True)[:DRAWN]}


def _count(each: Watched) -> int:
    return sum(p.numel() for p in each.stored)


def _overlay(drawn: Tensor, kept: Tensor, before: Statistics, after: Statistics) -> Overlay | None:
    """Both in the same bins, which reach as far as the wider of the two."""
    ends = []
    for one in (before, after):
        if one.mean is None or one.std is None or one.min is None or one.max is None:
            return None
        reach = REACH * one.std
        ends.append((max(one.mean - reach, one.min), min(one.mean + reach, one.max)))
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    if low >= high:
        return None

    def counts(tensor: Tensor) -> tuple[int, ...]:
        flat = tensor.detach().cpu().double().flatten()
        return tuple(int(count) for count in torch.histc(flat, BINS, low, high))

    return Overlay(low=low, high=high, before=counts(drawn), after=counts(kept))
