"""Checks of the mean and the standard deviation against what was declared."""

from __future__ import annotations

from math import hypot, inf, sqrt

from seobuilder.health.sampling import critical_value, degrees_of_freedom, std_bounds
from seobuilder.health.subject import Subject, finding
from seobuilder.report.model import Finding
from seobuilder.report.parameters import Statistics

# The squares of an orthogonal matrix sum up exactly, but for the rounding of its decomposition.
EXACT_TOLERANCE = 1e-3


def check_std(subject: Subject, tests: int) -> list[Finding]:
    """H005: the standard deviation is not the declared one, beyond what sampling explains."""
    record = subject.record
    if subject.distribution is None:
        return []
    if record.declared_std is None or record.declared_mean is None:
        return []
    expected = record.declared_std
    count, mean, std = _drawn(record.measured, subject.zeroed)
    freedom = degrees_of_freedom(subject.distribution, record.shape, count)
    if expected == 0:
        # The resolution leaves room for the rounding of `_drawn`, which moves no constant of zero.
        high = subject.resolution * abs(record.declared_mean)
        measured, low, source = std, 0.0, "a constant has none"
    elif freedom is None and subject.zeroed:
        return []  # the squares of the other rows alone are random
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
        finding(
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
        finding(
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
