"""What a check looks at, and how it says what it found."""

from __future__ import annotations

from dataclasses import dataclass

from seobuilder.planning.distributions import (
    Constant,
    Dirac,
    Distribution,
    ForgetGate,
    Identity,
    Pretrained,
)
from seobuilder.planning.model import Parameter
from seobuilder.report.model import Finding
from seobuilder.report.parameters import ParameterRecord

FEWEST = 8
"""Fewer random elements than this can agree by chance where bfloat16 leaves few values apart."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A parameter under test.

    `resolution` is the relative distance of neighbouring numbers in its dtype; `zeroed` counts
    elements (of a padding row) that were set to zero after the draw. `parameter` says which axes
    are outputs.
    """

    record: ParameterRecord
    distribution: Distribution | None
    resolution: float
    zeroed: int = 0
    parameter: Parameter | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether every draw gives the same values."""
        fixed = isinstance(self.distribution, Constant | Identity | Dirac | ForgetGate | Pretrained)
        return fixed or self.record.declared_std == 0


def finding(
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
    """A finding of severity error at a parameter."""
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
