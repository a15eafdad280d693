"""Checks of what was drawn against what was declared. Each takes numbers and gives findings."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from seobuilder.health.element_checks import check_dead_rows, check_shape, check_zeros
from seobuilder.health.moment_checks import check_mean, check_std
from seobuilder.health.spectral_checks import check_spectrum
from seobuilder.health.subject import FEWEST, Subject, finding
from seobuilder.report.model import Finding, OutputRecord
from seobuilder.report.parameters import ParameterRecord

TESTS = 6
"""Tests of one parameter that may fail by chance: std, mean, shape, zeros, and both edges."""


def check_parameter(subject: Subject, drawn: Tensor, tests: int) -> list[Finding]:
    """H001 to H003, H005 to H009, H011 and H012 on one parameter, in a report of `tests` tests.

    `drawn` is its tensor without a padding row. A tensor that isn't finite, or is constant, is not
    tested for what it can't have, nor one of other moments for what follows from them.
    """
    found = check_finite(subject.record) or check_constant(subject)
    if found:
        return found
    moments = [*check_std(subject, tests), *check_mean(subject, tests)]
    zeros = check_dead_rows(subject, drawn) or check_zeros(subject, drawn, tests)
    if moments or zeros:
        return [*moments, *zeros]
    return [*check_shape(subject, drawn, tests), *check_spectrum(subject, tests)]


def check_finite(record: ParameterRecord) -> list[Finding]:
    """H001: an element is NaN. H002: an element is infinite."""
    return [
        finding(
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
    if measured.finite < measured.count:
        return []  # H001 and H002 say so, and not all elements are equal
    if measured.min != 0 and measured.count < FEWEST:
        return []
    value = "zero" if measured.min == 0 else f"{measured.min:g}"
    return [
        finding(
            record,
            "H003",
            f"all elements are {value}, declared is {record.declared}",
            measured=0.0,
            expected=declared,
            suggestion="a standard deviation below the dtype's smallest number rounds to zero",
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
            suggestion=_SUGGESTED.get(output.kind, _SMALLER_HEAD),
        )
    ]


_SMALLER_HEAD = "draw this output's head with a smaller standard deviation, or zeros"
_SUGGESTED = {
    "embedding": "choose a larger `temperature`, which divides the similarities, or wider vectors, "
    "whose similarities scatter less",
}
"""By kind of output: how a head is drawn changes nothing of vectors that are scaled to length 1."""


def _duplicate(record: ParameterRecord, owner: ParameterRecord) -> Finding:
    return finding(
        record,
        "H004",
        f"the same {record.measured.count:,} values as `{owner.name}`",
        suggestion="tie the two if they are meant to be one parameter",
    )


def _content_hash(tensor: Tensor) -> bytes:
    data = tensor.detach().cpu().contiguous().view(torch.uint8).numpy()
    return hashlib.sha256(data.data).digest()
