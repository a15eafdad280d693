"""One number of what was found: how likely it is that training falls short of a sound model's.

The weights were tuned on one half of the recipes of docs/evidence.md, which tells how well the
number foretells the outcome of the other half.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seobuilder.report.model import Finding

UNHEALTHY = 0.5
"""From this score on a model is unhealthy. Any error alone reaches it; warnings never do."""

WARNING, ERROR = 0.15, 0.75
"""Risks of a code that `RISKS` does not name."""

RISKS: dict[str, tuple[float, float]] = {}
"""By code, the risk that its warning means, and its error."""


def score(findings: Iterable[Finding]) -> float:
    """The risk of all findings, 0 where there are none, below 1.

    A code counts once, by the worst of its findings, and codes as if they were independent:
    1 - prod(1 - risk). It is rounded, so that it reads back from JSON as it was.
    """
    worst: dict[str, float] = {}
    has_error = False
    for finding in findings:
        if finding.severity != "info":
            worst[finding.code] = max(worst.get(finding.code, 0.0), risk(finding))
            has_error = has_error or finding.severity == "error"
    total = 1 - prod(1 - each for each in worst.values())
    total = max(total, UNHEALTHY) if has_error else min(total, UNHEALTHY - 0.001)
    return round(total, 3)


def risk(finding: Finding) -> float:
    """How likely training falls short by what one finding says."""
    warning, error = RISKS.get(finding.code, (WARNING, ERROR))
    return error if finding.severity == "error" else warning
