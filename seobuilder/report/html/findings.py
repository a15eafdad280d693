"""Findings linked to the places of a page that they are about, and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from seobuilder.report.model import Finding, Report


@dataclass(frozen=True)
class Placed:
    """A finding, its number in the report, and the anchor of what it is about, if a page has it."""

    number: int
    finding: Finding
    anchor: str | None


def place(report: Report) -> tuple[Placed, ...]:
    """The findings with the anchors of what they are about."""
    anchors = _anchors(report)
    return tuple(
        Placed(number, finding, _anchor(finding.place, anchors))
        for number, finding in enumerate(report.findings, 1)
    )


def by_anchor(placed: Iterable[Placed]) -> dict[str, list[Placed]]:
    """The findings about each anchor, for the way back."""
    back: dict[str, list[Placed]] = defaultdict(list)
    for one in placed:
        if one.anchor is not None:
            back[one.anchor].append(one)
    return back


def _anchors(report: Report) -> dict[str, str]:
    """Anchors by name: a parameter's row, else a signal's, else a module's."""
    anchors = {record.name: f"module-{i}" for i, record in enumerate(report.graph, 1)}
    if report.probes is not None:
        for i, signal in enumerate(report.probes.signals, 1):
            anchors.setdefault(signal.name, f"signal-{i}")
    for i, parameter in enumerate(report.parameters, 1):
        for name in (*parameter.stored, *parameter.aliases, parameter.name):
            anchors[name] = f"parameter-{i}"
    return anchors


def _anchor(name: str, anchors: dict[str, str]) -> str | None:
    """That of the name, or of the nearest module around it."""
    while name not in anchors:
        name, dot, _ = name.rpartition(".")
        if not dot:
            return None
    return anchors[name]
