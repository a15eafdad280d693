"""Checks of the elements themselves: their shape, their zeros, and rows of zeros alone."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import torch
from torch import Tensor

from seobuilder.health.sampling import level, most_by_chance
from seobuilder.health.shapes import Cdf, Values, declared_cdf, declared_ends, declared_nonzeros
from seobuilder.health.spectrum import as_matrices
from seobuilder.health.subject import Subject, finding
from seobuilder.planning.distributions import Sparse, TruncatedNormal, matrix_shape
from seobuilder.report.model import Finding

SAMPLE = 1 << 17
"""Elements that are sorted to know their shape, at most."""


def check_shape(subject: Subject, drawn: Tensor, tests: int) -> list[Finding]:
    """H007: the elements are not spread as declared.

    None may lie outside of declared ends. Their cumulative shares are held against the declared
    ones, and may differ by as much as Massart's bound allows, which holds for any number n of
    elements: P(D > d) <= 2 exp(-2 n d^2). Massart 1990, The tight constant in the
    Dvoretzky-Kiefer-Wolfowitz inequality (Annals of Probability 18). A weight of more than `SAMPLE`
    elements is known by elements at equal distances.
    """
    return _check_ends(subject) or _check_shares(subject, drawn, tests)


def _check_ends(subject: Subject) -> list[Finding]:
    record = subject.record
    ends = declared_ends(subject.distribution)
    if ends is None or record.measured.min is None or record.measured.max is None:
        return []
    reach = max(map(abs, ends))
    low, high = (end - reach * subject.resolution for end in ends)
    high += 2 * reach * subject.resolution
    # A padding row holds zeros, wherever the ends are.
    low, high = (min(0.0, low), max(0.0, high)) if subject.zeroed else (low, high)
    beyond = next(
        (v for v in (record.measured.min, record.measured.max) if not low <= v <= high), 0
    )
    if not beyond:
        return []
    end = ends[0] if beyond < low else ends[1]
    return [
        finding(
            record,
            "H007",
            f"an element lies outside of {record.declared}",
            measured=beyond,
            expected=end,
            tolerance=reach * subject.resolution,
            suggestion="the tensor was changed after it was drawn, or the cut was lost",
        )
    ]


def _check_shares(subject: Subject, drawn: Tensor, tests: int) -> list[Finding]:
    record = subject.record
    cdf = declared_cdf(subject.distribution, record.shape)
    nonzeros = declared_nonzeros(subject.distribution, record.shape)
    if cdf is None or nonzeros is None:
        return []
    # An odd step meets every column where the number of columns is a power of two.
    step = (drawn.numel() // SAMPLE) | 1
    sample = drawn.reshape(-1)[::step]
    if nonzeros < record.measured.count:
        sample = sample[sample != 0]
    if len(sample) == 0:
        return []
    distance = _distance(sample, cdf)
    tolerance = sqrt(log(2 / level(tests)) / (2 * len(sample)))
    if distance <= tolerance:
        return []
    return [
        finding(
            record,
            "H007",
            f"the elements are not spread as {record.declared}",
            measured=distance,
            expected=0.0,
            tolerance=tolerance,
            source=f"Kolmogorov-Smirnov on {len(sample):,} elements, Massart 1990",
            suggestion="the tensor was changed after it was drawn, or the rule was not applied",
        )
    ]


def _distance(sample: Tensor, cdf: Cdf) -> float:
    """Largest difference of the sample's cumulative shares to the distribution's.

    A dtype's number stands for all that were rounded to it, so shares are compared where one number
    ends and the next begins.
    """
    wide = torch.promote_types(sample.dtype, torch.float32)
    ordered = np.sort(sample.to("cpu", wide).numpy())
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    values = torch.from_numpy(ordered[starts]).to(sample.dtype)

    def share(towards: float) -> Values:
        neighbours = torch.nextafter(values, values.new_tensor(towards))
        return cdf((values.double() + neighbours.double()).numpy() / 2)

    first, last = starts / len(ordered), np.append(starts[1:], len(ordered)) / len(ordered)
    below, above = np.abs(first - share(-np.inf)), np.abs(last - share(np.inf))
    return float(max(below.max(), above.max()))


def check_zeros(subject: Subject, drawn: Tensor, tests: int) -> list[Finding]:
    """H012: there are more or fewer zeros than declared, or a sparse column has its own number."""
    record, distribution = subject.record, subject.distribution
    if isinstance(distribution, Sparse):
        rows, _ = matrix_shape(record.shape)
        expected = distribution.nonzeros(rows)
        held = (drawn.flatten(1) != 0).sum(dim=0)
        missing, surplus = expected - int(held.min()), int(held.max()) - expected
        allowed = _lost(subject, drawn, distribution.std, held.numel() * expected, tests)
        if surplus <= 0 and missing <= allowed + (subject.zeroed > 0):
            return []
        worst = expected + surplus if surplus > 0 else expected - missing
        return [_zeros(subject, "a column's non-zero elements", worst, expected, allowed)]
    nonzeros = declared_nonzeros(distribution, record.shape)
    if nonzeros is None or not record.declared_std:
        return []
    zeros = record.measured.zeros - subject.zeroed
    expected = record.measured.count - nonzeros
    allowed = _lost(subject, drawn, record.declared_std, nonzeros, tests)
    if 0 <= zeros - expected <= allowed:
        return []
    return [_zeros(subject, "zeros", zeros, expected, allowed)]


def _lost(subject: Subject, drawn: Tensor, std: float, count: int, tests: int) -> int:
    """How many of `count` drawn elements may have been rounded to zero, but for a small chance."""
    declared, info = subject.distribution, torch.finfo(drawn.dtype)
    mean = subject.record.declared_mean or 0.0
    centre = declared.parent_mean if isinstance(declared, TruncatedNormal) else mean
    # Below the smallest number all is zero, and so is what cancels: a draw and the mean, or the
    # products that an orthogonal matrix consists of. The draws of a sparse one are single numbers.
    cancelled = abs(centre) if isinstance(declared, Sparse) else max(abs(centre), std)
    spacing = max(info.smallest_normal, cancelled) * info.eps
    # No family here has a density of more than 1 / std.
    return most_by_chance(count * min(1.0, spacing / std), tests)


def _zeros(subject: Subject, what: str, measured: int, expected: int, allowed: int) -> Finding:
    return finding(
        subject.record,
        "H012",
        f"the number of {what} is not that of {subject.record.declared}",
        measured=float(measured),
        expected=float(expected),
        tolerance=float(allowed),
        suggestion="the tensor was changed after it was drawn, or the rule was not applied",
    )


def check_dead_rows(subject: Subject, drawn: Tensor) -> list[Finding]:
    """H009: all weights of an output are zero, though the rule does not declare so.

    Few elements may be zero by chance where the dtype is coarse.
    """
    record, distribution = subject.record, subject.distribution
    allowed = isinstance(distribution, Sparse) and distribution.dead_rows
    if drawn.ndim < 2 or allowed or not declared_nonzeros(distribution, record.shape):
        return []
    units = as_matrices(drawn, subject.parameter).flatten(0, 1)
    if units.shape[1] == 1:
        return []  # a zero, which `check_zeros` counts
    dead = (~(units != 0).any(dim=1)).nonzero().flatten()
    if len(dead) == 0:
        return []
    # The row of padding comes first, and is left out.
    first = int(dead[0]) + (subject.zeroed > 0)
    return [
        finding(
            record,
            "H009",
            f"{len(dead):,} of {len(units):,} outputs have zeros alone, the first is {first}",
            measured=float(len(dead)),
            expected=0.0,
            suggestion="such a unit gives its bias whatever comes in",
        )
    ]
