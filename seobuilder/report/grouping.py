"""Findings that one change mends, together, the worst first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from seobuilder.report.model import Finding, Severity

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


def grouped(findings: Sequence[Finding]) -> list[list[int]]:
    """Indices of findings of one code, rule and suggestion.

    Groups stand by severity; within one, those of more findings first, else in the report's order.
    """
    groups: dict[object, list[int]] = defaultdict(list)
    for index, f in enumerate(findings):
        groups[f.severity, f.code, f.rule, f.source, f.suggestion, f.changes].append(index)

    def rank(group: list[int]) -> tuple[int, int]:
        return SEVERITIES.index(findings[group[0]].severity), -len(group)

    return sorted(groups.values(), key=rank)
