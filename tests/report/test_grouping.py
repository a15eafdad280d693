"""Which findings one change mends."""

from __future__ import annotations

from seobuilder.report.grouping import grouped
from seobuilder.report.model import Finding


def finding(severity: str, code: str, rule: str | None = "a.yaml:1") -> Finding:
    return Finding(
        code=code,
        severity=severity,  # type: ignore[arg-type]
        place="p",
        message="m",
        rule=rule,
    )


def test_the_worst_and_the_many_come_first() -> None:
    findings = [
        finding("info", "I"),
        finding("warning", "W"),
        finding("error", "A"),
        finding("error", "B"),
        finding("error", "B", "a.yaml:2"),
        finding("error", "B"),
    ]
    assert grouped(findings) == [[3, 5], [2], [4], [1], [0]]
    assert grouped([]) == []
