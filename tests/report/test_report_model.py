"""The report as a document: derived values, strictness, round trip, schema."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError
from report_samples import deep_report

from seobuilder.report.model import Finding, OutputRecord, Report
from seobuilder.report.render_json import render_json
from seobuilder.report.schema import report_schema
from seobuilder.report.score import UNHEALTHY


def test_verdict_issues_and_warnings_follow_from_the_findings(report: Report) -> None:
    assert (report.verdict, report.is_healthy) == ("unhealthy", False)
    assert [f.code for f in report.issues] == ["H005"]
    assert [f.code for f in report.warnings] == ["P301"]
    sound = report.model_copy(update={"findings": report.warnings})
    assert (sound.verdict, sound.is_healthy) == ("healthy", True)


def test_an_error_is_unhealthy_however_small_its_risk(report: Report) -> None:
    """A layer that is a copy of another trains, and yet is no model that was asked for."""
    copied = Finding(code="H004", severity="error", place="third.weight", message="a copy")
    found = report.model_copy(update={"findings": (copied,)})
    assert (found.score < UNHEALTHY, found.verdict) == (True, "unhealthy")


@pytest.mark.parametrize("deep", [False, True])
def test_json_round_trips_and_agrees_with_the_schema(report: Report, deep: bool) -> None:
    report = deep_report(1) if deep else report
    text = render_json(report)
    assert Report.model_validate_json(text) == report
    Draft202012Validator.check_schema(report_schema())
    Draft202012Validator(report_schema()).validate(json.loads(text))
    assert render_json(Report.model_validate_json(text)) == text


def test_json_is_sorted_has_a_last_newline_and_null_for_nan(report: Report) -> None:
    text = render_json(report)
    assert text.endswith("}\n")
    document = json.loads(text)
    assert list(document) == sorted(document)
    assert document["verdict"] == "unhealthy"
    assert document["outputs"][1]["loss"] is None
    assert "NaN" not in text and "Infinity" not in text


@pytest.mark.parametrize(
    "change", [{"verdict": "healthy"}, {"extra": 1}, {"name": 3}, {"format": 2}]
)
def test_a_document_that_disagrees_is_refused(report: Report, change: dict[str, object]) -> None:
    document = json.loads(render_json(report)) | change
    with pytest.raises(ValidationError):
        Report.model_validate_json(json.dumps(document))


def test_records_are_frozen(report: Report) -> None:
    with pytest.raises(ValidationError):
        report.name = "other"  # type: ignore[misc]
    output = OutputRecord(name="a", kind="b", loss=float("inf"), chance=1, rows=1)
    assert output.loss is None


def test_renderers_need_no_torch_and_charts_alone_need_matplotlib() -> None:
    code = (
        "import sys, seobuilder.report.schema, seobuilder.report.render_json, "
        "seobuilder.report.render_markdown, seobuilder.report.render_terminal, "
        "seobuilder.report.render_html; "
        "sys.exit(bool({'torch', 'matplotlib'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
