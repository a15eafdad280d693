from __future__ import annotations

from pathlib import Path

import pytest
from report_samples import deep_report

from seobuilder.planning.planner import make_plan
from seobuilder.recipe.diagnostics import Mark, render
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.report.annotations import annotate, annotate_file
from seobuilder.report.model import Finding, Report

RECIPE = """\
version: 1
name: small
inputs:
  page: {kind: features, size: 4}
modules:
  facts: {kind: mlp, from: page, widths: [16], activation: tanh}
outputs:
  intent: {kind: classification, from: facts, labels: [a, b, c]}
initialization:
  - {match: "**.bias", method: zeros}
  - {match: "facts.**", method: kaiming_normal, nonlinearity: relu}
  - {preset: xavier}
"""


@pytest.fixture(scope="module")
def loaded() -> LoadedRecipe:
    return parse_recipe(RECIPE.encode(), "recipes/small.yaml", Path())


def report_of(**given: object) -> Report:
    fields = {"code": "H005", "severity": "error", "place": "facts", "message": "wrong"} | given
    return deep_report(faults=0).model_copy(update={"findings": (Finding(**fields),)})


def test_a_finding_stands_at_its_rule(loaded: LoadedRecipe) -> None:
    report = report_of(rule="small.yaml:11", measured=0.5, expected=0.25, suggestion="do this")
    (problem,) = annotate(report, loaded, make_plan(loaded))
    assert render([problem], loaded.sources) == (
        "recipes/small.yaml:11:5 H005 facts: wrong; measured 0.5, expected 0.25\n"
        '   11 |   - {match: "facts.**", method: kaiming_normal, nonlinearity: relu}\n'
        "      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "  help: do this"
    )


def test_a_rule_of_a_preset_stands_where_the_recipe_names_it(loaded: LoadedRecipe) -> None:
    plan = make_plan(loaded)
    preset = next(a.rule.mark.place for a in plan.assignments if a.rule.preset)
    assert preset.startswith("xavier.yaml:")
    (problem,) = annotate(report_of(rule=preset), loaded, plan)
    assert problem.mark == Mark("recipes/small.yaml", 12, 14, 6)


def test_a_warning_of_the_plan_keeps_its_place(loaded: LoadedRecipe) -> None:
    plan = make_plan(loaded)
    (warning,) = plan.warnings
    assert warning.code == "P501" and warning.mark is not None
    report = report_of(code="P501", severity="warning", place=warning.path, rule=warning.mark.place)
    (problem,) = annotate(report, loaded, plan)
    assert (problem.mark, problem.severity) == (Mark("recipes/small.yaml", 11, 5, 63), "warning")


@pytest.mark.parametrize(
    ("place", "line", "column"),
    [("intent", 8, 3), ("facts.0", 6, 3), ("page", 4, 3), ("elsewhere", 1, 1)],
)
def test_without_a_rule_the_module_is_marked(
    loaded: LoadedRecipe, place: str, line: int, column: int
) -> None:
    (problem,) = annotate(report_of(place=place), loaded, make_plan(loaded))
    assert problem.mark is not None
    assert (problem.mark.line, problem.mark.column) == (line, column)


def test_information_is_no_problem(loaded: LoadedRecipe) -> None:
    assert annotate(report_of(severity="info"), loaded, make_plan(loaded)) == []


def test_a_weights_file_has_no_lines() -> None:
    (problem,) = annotate_file(report_of(place="a.weight"), Path("b/a.safetensors"))
    assert (problem.mark, problem.path) == (Mark("b/a.safetensors", 1, 1), "a.weight")
