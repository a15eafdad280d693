"""How large an effect has to be to be told, and how it is told.

Thresholds are factors that no sound draw comes near to, not significance levels: whether a number
lies in its band is shown, and is no finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from seobuilder.report.model import Severity
from seobuilder.report.probes import SignalRecord

WEAK, FATAL = 1e2, 1e4
"""Ratios, over the blocks of a stack, of variances and of squared gradients."""

DEAD, ALL_DEAD = 0.25, 0.9
"""Share of units beyond those that depth explains, and share of all units."""

SATURATED, FROZEN = 0.25, 0.02
"""Share of the entropy of equal weights."""

COLLAPSED, ALIKE = 0.95, 0.995
"""Mean cosine of two tokens."""

OVERTHROWN, IDLE = 1.0, 1e-6
"""Norm of AdamW's first step, by that of the weight."""

DRIFT = 3.0
"""Factor between the changes at half and at twice the widths."""


def dead_groups(signals: Iterable[SignalRecord]) -> Iterator[tuple[SignalRecord, int]]:
    """Modules with more dead units than is explained, and how many such ones are behind each.

    What comes behind a dead block, in the same stack, is dead of it.
    """
    dead = [
        record
        for record in signals
        if record.dead is not None and record.dead > (record.dead_expected or 0.0) + DEAD
    ]
    for _, members in groupby(dead, key=lambda record: record.name.rpartition(".")[0]):
        record, *others = members
        yield record, len(others)


def factor_of(first: float | None, last: float | None) -> float:
    """last / first; 1 where nothing can be said, infinity where something comes from nothing."""
    if first is None or last is None or first == last:
        return 1.0
    return last / first if first else float("inf")


def beyond(ratio: float) -> Severity | None:
    """How grave it is that the variance changes by that factor; None where it is not."""
    size = max(ratio, 1 / ratio if ratio else float("inf"))
    return "error" if size > FATAL else "warning" if size > WEAK else None


def distance(ratio: float, most: float) -> float:
    """How far from 1, which keeps the size, a ratio may be: up to `most`, or down to 1 / most."""
    return most - 1 if ratio > 1 else 1 - 1 / most


def change(ratio: float) -> str:
    """What a factor does, in words."""
    if ratio == 0:
        return "shrinks to nothing"
    word = "grows" if ratio > 1 else "shrinks"
    return f"{word} by a factor of {max(ratio, 1 / ratio):.2g}"
