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
    from seobuilder.report.probes import RehearsalRecord

LEARNED, SLOW = 0.05, 0.5
"""Shares of the loss of guessing: where rows are known by heart, and up to where they count so."""

UNHEALTHY = 0.5
"""From this score on a model is more likely than not to fall short of a sound one."""

DOUBT = 0.1
"""What is left of a risk that measuring found, where the model learned some rows by heart."""

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
    "P505": (0.8, ERROR),
    "P513": (0.05, ERROR),
    "P515": (0.05, ERROR),
}
"""By code, the risk that its warning means, and its error: of codes that mean another than most."""


def score(findings: Iterable[Finding], rehearsal: Iterable[RehearsalRecord] = ()) -> float:
    """The risk of all findings, 0 where there are none, below 1.

    A code counts once, by the worst of its findings, and codes as if they were independent:
    1 - prod(1 - risk). Where the model learned some rows by heart, the share of the loss that was
    left is a risk as well, and what else was measured counts by `DOUBT` alone. It is rounded, so
    that it reads back from JSON as it was.
    """
    left = [record.left for record in rehearsal]
    learned = bool(left) and all(share is not None and share <= SLOW for share in left)
    worst: dict[str, float] = {}
    for finding in findings:
        if finding.severity != "info":
            found = risk(finding) * (DOUBT if learned and finding.code.startswith("H") else 1.0)
            worst[finding.code] = max(worst.get(finding.code, 0.0), found)
    if learned:
        most = max(share for share in left if share is not None)
        worst["H029"] = most if most > LEARNED else 0.0
    return round(1 - prod(1 - each for each in worst.values()), 3)


def risk(finding: Finding) -> float:
    """How likely training falls short by what one finding says."""
    if finding.code == "H029" and finding.measured is not None:
        return min(finding.measured, CERTAIN)  # the more is left of the loss, the more likely
    warning, error = RISKS.get(finding.code, (WARNING, ERROR))
    return error if finding.severity == "error" else warning
