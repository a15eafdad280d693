"""JSON Schemas (draft 2020-12) of the documents that a build writes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from seobuilder.report.model import Report


def document_schema(model: type[BaseModel], identifier: str, title: str) -> dict[str, Any]:
    """The schema of `model` as it is written, under the URI `identifier`."""
    schema = model.model_json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": identifier,
        **schema,
        "title": title,
    }


def report_schema() -> dict[str, Any]:
    """The schema of `report.json`."""
    return document_schema(Report, "urn:seobuilder:schema:report:1", "seobuilder report")
