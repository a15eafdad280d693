"""What is wrong with what the probes heard of a module that no recipe made.

Nothing says what its modules are for, nor whether it is trained, so these are warnings; a signal
that is not finite alone is an error. Modules are held against others of their own sort: those of
one class whose names differ in the number at their end, as `layers.0`, `layers.1` or `fc1`, `fc2`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from seobuilder.health.probes.thresholds import (
    ALIKE,
    COLLAPSED,
    DEAD,
    WEAK,
    beyond,
    change,
    dead_groups,
    distance,
    factor_of,
)
from seobuilder.report.model import Finding
from seobuilder.report.probes import Probes, SignalRecord

FEWEST = 4
"""Modules of one sort that tell what depth does. The first is left out of account for the signal,
and the last for the gradient: what comes to them from outside may be of any size."""


def check_undeclared(probes: Probes) -> list[Finding]:
    """H020 to H022 and H024, in the order of the codes."""
    signals = probes.signals
    return [
        *_not_finite(signals),
        *_once_in_each_stack(signals, _signal),
        *_once_in_each_stack(signals, _gradient),
        *_dead_units(signals),
        *_once_in_each_stack(signals, _alike),
    ]


def _once_in_each_stack(
    signals: Iterable[SignalRecord], judge: Callable[[Sequence[SignalRecord]], Iterator[Finding]]
) -> Iterator[Finding]:
    """What is wrong with the modules of one sort, told of one sort where a stack has several.

    They come in the order of their evaluation, and where there are enough of them.
    """
    stacks: dict[str, dict[str, list[SignalRecord]]] = {}
    for record in signals:
        stem = record.name.rstrip("0123456789")
        if stem != record.name:
            stacks.setdefault(stem, {}).setdefault(record.kind, []).append(record)
    for sorts in stacks.values():
        told = (found for row in sorts.values() if len(row) >= FEWEST for found in judge(row))
        yield from islice(told, 1)


def _not_finite(signals: Iterable[SignalRecord]) -> Iterator[Finding]:
    """H020, of the first alone: what comes after it is no better."""
    record = next((each for each in signals if each.variance is None), None)
    if record is not None:
        yield Finding(
            code="H020",
            severity="error",
            place=record.name,
            message="the signal is not finite",
            suggestion="look at the inputs, and at the weights of this module and of those before "
            "it: large ones overflow, and so do narrow dtypes",
        )


def _signal(row: Sequence[SignalRecord]) -> Iterator[Finding]:
    """H020: the signal vanishes or explodes."""
    first, *_, last = row[1:]
    factor = factor_of(first.variance, last.variance)
    if beyond(factor):
        yield _warning(
            "H020",
            last,
            f"the signal's variance {change(factor)} from {_between(first, last)}",
            measured=factor,
            expected=1.0,
            tolerance=distance(factor, WEAK),
            source="He et al. 2015, arXiv:1502.01852, section 2.2",
            suggestion=_KEEP_SIZE,
        )


def _gradient(row: Sequence[SignalRecord]) -> Iterator[Finding]:
    """H021: the gradient vanishes or explodes on its way back.

    An element's share of it depends on how many there are, so the widths must be the same; heads
    that stand side by side mostly differ in theirs.
    """
    first, *_, last = row[:-1]
    if first.width != last.width:
        return
    factor = factor_of(last.gradient, first.gradient)
    if beyond(factor * factor):
        yield _warning(
            "H021",
            first,
            f"the gradient {change(factor)} on its way back from {_between(last, first)}",
            measured=factor,
            expected=1.0,
            tolerance=distance(factor, WEAK**0.5),
            source="Glorot and Bengio 2010, section 4.2",
            suggestion=_KEEP_SIZE,
        )


def _dead_units(signals: Iterable[SignalRecord]) -> Iterator[Finding]:
    """H022: more units are zero on all rows than the likeness of the rows explains."""
    for record, behind in dead_groups(signals):
        assert record.dead is not None
        more = f" (and those of {behind} more behind it)" if behind else ""
        yield _warning(
            "H022",
            record,
            f"{record.dead:.0%} of the units are zero on all rows{more}",
            measured=record.dead,
            expected=record.dead_expected,
            tolerance=DEAD,
            source="rows as alike as those that come in, normal before the activation",
            suggestion="take smaller or no biases, or leaky_relu or gelu; where the module is "
            "trained, or the rows are few, more rows may wake them",
        )


def _alike(row: Sequence[SignalRecord]) -> Iterator[Finding]:
    """H024: rows that are told apart behind the first are alike behind the last."""
    first, last = row[0], row[-1]
    if first.similarity is None or last.similarity is None:
        return
    if last.similarity >= ALIKE and first.similarity < COLLAPSED:
        yield _warning(
            "H024",
            last,
            f"rows that `{first.name}` tells apart are all alike behind `{last.name}`",
            measured=last.similarity,
            expected=first.similarity,
            tolerance=ALIKE - first.similarity,
            source="Dong, Cordonnier and Loukas 2021, arXiv:2103.03404",
            suggestion="let skip paths count for more, or take smaller biases and weights that "
            "keep the size of the signal",
        )


_KEEP_SIZE = (
    "draw weights by a method that keeps the size (kaiming before relu, xavier before tanh, lecun "
    "before selu), or put norms between; trained weights may be meant so"
)


def _between(one: SignalRecord, other: SignalRecord) -> str:
    return f"`{one.name}` to `{other.name}`"


def _warning(
    code: str,
    record: SignalRecord,
    message: str,
    *,
    measured: float,
    expected: float | None,
    tolerance: float,
    source: str,
    suggestion: str,
) -> Finding:
    return Finding(
        code=code,
        severity="warning",
        place=record.name,
        message=message,
        measured=measured,
        expected=expected,
        tolerance=tolerance,
        source=source,
        suggestion=suggestion,
    )
