"""One number of what was found: how likely it is that training falls short of a sound model's.

benchmarks/verdict.py holds the number against the outcome, on recipes that are drawn at random; the
weights may be tuned on one half of them alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seobuilder.report.model import Finding

UNHEALTHY = 0.5
"""From this score on a model is unhealthy. Any error alone reaches it."""

CERTAIN = 0.99
"""The highest risk of a single finding."""

WARNING, ERROR = 0.15, 0.75
"""Risks of a code that `RISKS` does not name."""

RISKS = {
    "H004": (WARNING, 0.2),  # a copied layer is a fault of the build, but trains
    "H021": (0.4, ERROR),
    "H025": (WARNING, 0.3),  # so is a layer that gets no gradient, where skip paths lead around it
    "H028": (0.2, ERROR),
    "P503": (0.4, ERROR),
    "P505": (0.6, ERROR),
    "P513": (0.05, ERROR),
    "P515": (0.05, ERROR),
}
"""By code, the risk that its warning means, and its error: of codes that mean another than most."""


def score(findings: Iterable[Finding]) -> float:
    """The risk of all findings, 0 where there are none, below 1.

    A code counts once, by the worst of its findings, and codes as if they were independent:
    1 - prod(1 - risk). It is rounded, so that it reads back from JSON as it was.
    """
    worst: dict[str, float] = {}
    least = 0.0
    for finding in findings:
        if finding.severity != "info":
            worst[finding.code] = max(worst.get(finding.code, 0.0), risk(finding))
        if finding.severity == "error":
            least = UNHEALTHY
    return round(max(least, 1 - prod(1 - each for each in worst.values())), 3)


def risk(finding: Finding) -> float:
    """How likely training falls short by what one finding says."""
    if finding.code == "H029" and finding.measured is not None:
        return min(finding.measured, CERTAIN)  # the more is left of the loss, the more likely
    warning, error = RISKS.get(finding.code, (WARNING, ERROR))
    return error if finding.severity == "error" else warning
