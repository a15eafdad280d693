"""The report as JSON."""

from __future__ import annotations

import json

from seobuilder.report.model import Report


def render_json(report: Report) -> str:
    """`report` with sorted keys, two spaces of indentation and a newline at the end."""
    document = report.model_dump(mode="json")
    return (
        json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    )
