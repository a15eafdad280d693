"""A report's findings as problems in the lines of the recipe, for what shows them there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from seobuilder.planning.model import Plan
from seobuilder.recipe.diagnostics import Diagnostic, Mark
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.report.model import Finding, Report
from seobuilder.report.text import evidence


def annotate(report: Report, loaded: LoadedRecipe, plan: Plan) -> list[Diagnostic]:
    """Errors and warnings of a recipe's report, each at the rule that decided what it is about.

    A rule of a preset stands where the recipe names the preset. What no rule decides is marked
    where the module or output is named, or else where the recipe begins.
    """
    return annotate_findings((*report.issues, *report.warnings), loaded, plan)


def annotate_findings(
    findings: Iterable[Finding], loaded: LoadedRecipe, plan: Plan
) -> list[Diagnostic]:
    """The same of some findings."""
    marks = _marks(loaded, plan)
    return [
        _diagnostic(finding, marks.get(finding.rule or "") or _named(finding, loaded))
        for finding in findings
    ]


def annotate_file(report: Report, file: Path) -> list[Diagnostic]:
    """Errors and warnings of a weights file, which has no lines: each marks its beginning."""
    return [
        _diagnostic(finding, Mark(str(file), 1, 1))
        for finding in (*report.issues, *report.warnings)
    ]


def _diagnostic(finding: Finding, mark: Mark) -> Diagnostic:
    assert finding.severity != "info"
    measured = evidence(finding)
    return Diagnostic(
        code=finding.code,
        message=finding.message + (f"; {measured}" if measured else ""),
        mark=mark,
        path=finding.place,
        severity=finding.severity,
        help=finding.suggestion,
    )


def _marks(loaded: LoadedRecipe, plan: Plan) -> dict[str, Mark]:
    """What a finding may give as the place of its rule, and where that is in the recipe."""
    marks = {w.mark.place: w.mark for w in plan.warnings if w.mark is not None}
    for assignment in plan.assignments:
        rule = assignment.rule
        presets = (used.mark for used in loaded.used_presets if rule.index in used.rules)
        marks[rule.mark.place] = next(presets, rule.mark)
    return marks


def _named(finding: Finding, loaded: LoadedRecipe) -> Mark:
    name = finding.place.partition(".")[0]
    for section in ("outputs", "modules", "inputs"):
        if name in getattr(loaded.recipe, section):
            return loaded.mark(section, name, key=True)
    return Mark(loaded.file, 1, 1)
