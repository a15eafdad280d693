"""Checks of what was drawn against what was declared. Each takes numbers and gives findings."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import hypot, inf, sqrt

import torch
from torch import Tensor

from seobuilder.health.sampling import critical_value, degrees_of_freedom, std_bounds
from seobuilder.planning.distributions import (
    Constant,
    Dirac,
    Distribution,
    ForgetGate,
    Identity,
    Pretrained,
)
from seobuilder.report.model import Finding, OutputRecord
from seobuilder.report.parameters import ParameterRecord, Statistics

# Fewer random elements than this can agree by chance where bfloat16 leaves few values apart.
FEWEST = 8

# The squares of an orthogonal matrix sum up exactly, but for the rounding of its decomposition.
EXACT_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Subject:
    """A parameter under test.

    `resolution` is the relative distance of neighbouring numbers in its dtype; `zeroed` counts
    elements (of a padding row) that were set to zero after the draw.
    """

    record: ParameterRecord
    distribution: Distribution
    resolution: float
    zeroed: int = 0

    @property
    def is_fixed(self) -> bool:
        """Whether every draw gives the same values."""
        fixed = isinstance(self.distribution, Constant | Identity | Dirac | ForgetGate | Pretrained)
        return fixed or self.record.declared_std == 0


def check_parameter(subject: Subject, tests: int) -> list[Finding]:
    """H001 to H003, H005 and H006 on one parameter, in a report of `tests` tests.

    A tensor that isn't finite, or is constant, is not tested for moments it can't have.
    """
    found = check_finite(subject.record)
    found = found or check_constant(subject)
    return found or [*check_std(subject, tests), *check_mean(subject, tests)]


def check_finite(record: ParameterRecord) -> list[Finding]:
    """H001: an element is NaN. H002: an element is infinite."""
    return [
        _finding(
            record,
            code,
            f"{count:,} of {record.measured.count:,} elements are {word}",
            measured=float(count),
            expected=0.0,
            suggestion="choose a smaller standard deviation or a wider dtype",
        )
        for code, count, word in (
            ("H001", record.measured.nan, "NaN"),
            ("H002", record.measured.inf, "infinite"),
        )
        if count
    ]


def check_constant(subject: Subject) -> list[Finding]:
    """H003: all elements are equal though the rule declares that they differ."""
    record, measured = subject.record, subject.record.measured
    declared = record.declared_std
    if not declared or measured.min is None or measured.min != measured.max:
        return []
    if measured.min != 0 and measured.count < FEWEST:
        return []
    value = "zero" if measured.min == 0 else f"{measured.min:g}"
    return [
        _finding(
            record,
            "H003",
            f"all elements are {value}, declared is {record.declared}",
            measured=0.0,
            expected=declared,
            suggestion="a standard deviation below the dtype's smallest number rounds to zero",
        )
    ]


def check_std(subject: Subject, tests: int) -> list[Finding]:
    """H005: the standard deviation is not the declared one, beyond what sampling explains."""
    record = subject.record
    if record.declared_std is None or record.declared_mean is None:
        return []
    expected = record.declared_std
    count, mean, std = _drawn(record.measured, subject.zeroed)
    freedom = degrees_of_freedom(subject.distribution, record.shape, count)
    if expected == 0:
        # The resolution leaves room for the rounding of `_drawn`, which moves no constant of zero.
        high = subject.resolution * abs(record.declared_mean)
        measured, low, source = std, 0.0, "a constant has none"
    elif freedom is None:
        measured = hypot(std, mean - record.declared_mean)
        share = max(EXACT_TOLERANCE, subject.resolution)
        low, high = expected * (1 - share), expected * (1 + share)
        source = f"the sum of squares is exact: fixed tolerance of {share:.2g}"
    elif count < 2:
        return []
    else:
        measured = std * sqrt(count / (count - 1))
        low, high = std_bounds(expected, freedom, critical_value(tests))
        source = f"z-test on {count:,} elements, Wilson and Hilferty 1931"
    if low <= measured <= high:
        return []
    return [
        _finding(
            record,
            "H005",
            f"the standard deviation is not that of {record.declared}",
            measured=measured,
            expected=expected,
            tolerance=high - expected if measured > high else expected - low,
            source=source,
            suggestion="the tensor was changed after it was drawn, or the rule was not applied",
        )
    ]


def check_mean(subject: Subject, tests: int) -> list[Finding]:
    """H006: the mean is not the declared one, beyond what sampling explains."""
    record = subject.record
    if record.declared_std is None or record.declared_mean is None:
        return []
    expected = record.declared_mean
    count, measured, _ = _drawn(record.measured, subject.zeroed)
    if count == 0:
        return []
    # Rounding to the dtype moves a mean that is far from zero, and is all that moves a constant's.
    sampling = critical_value(tests) * record.declared_std / sqrt(count)
    tolerance = sampling + subject.resolution * abs(expected)
    if abs(measured - expected) <= tolerance:
        return []
    return [
        _finding(
            record,
            "H006",
            f"the mean is not that of {record.declared}",
            measured=measured,
            expected=expected,
            tolerance=tolerance,
            source=f"z-test on {count:,} elements",
            suggestion="the tensor was changed after it was drawn, or the rule was not applied",
        )
    ]


def check_duplicates(
    subjects: Iterable[Subject], read: Callable[[ParameterRecord], Tensor]
) -> list[Finding]:
    """H004: two parameters of one shape hold the same bytes.

    Only tensors whose statistics agree are read again. Parameters of fixed values are exempt.
    """
    alike: dict[tuple[object, ...], list[ParameterRecord]] = defaultdict(list)
    for subject in subjects:
        record, measured = subject.record, subject.record.measured
        if subject.is_fixed or measured.min == measured.max or measured.count < FEWEST:
            continue
        alike[record.shape, *measured.model_dump().values()].append(record)

    findings = []
    for candidates in alike.values():
        first: dict[bytes, ParameterRecord] = {}
        for record in candidates if len(candidates) > 1 else ():
            owner = first.setdefault(_content_hash(read(record)), record)
            if owner is not record:
                findings.append(_duplicate(record, owner))
    return findings


def check_outputs(outputs: Sequence[OutputRecord]) -> list[Finding]:
    """H010: the loss before training is not finite, or far above that of guessing."""
    return [finding for output in outputs for finding in _check_output(output)]


def _check_output(output: OutputRecord) -> list[Finding]:
    if output.loss is None:
        return [
            Finding(
                code="H010",
                severity="error",
                place=output.name,
                message="the loss before training is not a finite number",
                expected=output.chance,
                suggestion="look for a standard deviation that grows the signal with depth",
            )
        ]
    # Logits of unit variance, which common rules give, cost a cross-entropy about 0.5 nats: that
    # is no fault. Nor is a small ratio over many classes, where guessing itself costs a lot.
    if output.chance is None or output.loss <= max(1.5 * output.chance, output.chance + 0.5):
        return []
    return [
        Finding(
            code="H010",
            severity="warning",
            place=output.name,
            message="the loss before training is far above that of guessing",
            measured=output.loss,
            expected=output.chance,
            tolerance=max(0.5 * output.chance, 0.5),
            source="a head that prefers no answer has the loss of guessing",
            suggestion="draw this output's head with a smaller standard deviation, or zeros",
        )
    ]


def _drawn(measured: Statistics, zeroed: int) -> tuple[int, float, float]:
    """Count, mean and population std of the elements that were not set to zero after the draw.

    A number beyond float64 is infinite, and so fails every test.
    """
    count = measured.finite - zeroed
    if count <= 0:
        return 0, 0.0, 0.0
    mean = inf if measured.mean is None else measured.mean
    std = inf if measured.std is None else measured.std
    if zeroed == 0:
        return count, mean, std
    share = measured.finite / count
    # From sum(x^2) = n (std^2 + mean^2), to which the zeros add nothing.
    variance = share * std * std - (share - 1) * share * mean * mean
    return count, mean * share, sqrt(max(0.0, variance))


def _duplicate(record: ParameterRecord, owner: ParameterRecord) -> Finding:
    return _finding(
        record,
        "H004",
        f"the same {record.measured.count:,} values as `{owner.name}`",
        suggestion="tie the two if they are meant to be one parameter",
    )


def _content_hash(tensor: Tensor) -> bytes:
    data = tensor.detach().cpu().contiguous().view(torch.uint8).numpy()
    return hashlib.sha256(data.data).digest()


def _finding(
    record: ParameterRecord,
    code: str,
    message: str,
    *,
    measured: float | None = None,
    expected: float | None = None,
    tolerance: float | None = None,
    source: str = "",
    suggestion: str = "",
) -> Finding:
    return Finding(
        code=code,
        severity="error",
        place=record.name,
        message=message,
        measured=measured,
        expected=expected,
        tolerance=tolerance,
        rule=None if record.rule is None else record.rule.place,
        source=source,
        suggestion=suggestion,
    )
