"""The report as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from seobuilder.recipe.diagnostics import printable
from seobuilder.report.grouping import grouped
from seobuilder.report.html import charts, findings, graph
from seobuilder.report.html.probe_charts import probe_charts
from seobuilder.report.html.rules import RuleView, rule_views
from seobuilder.report.html.sparkline import HEIGHT, WIDTH, Sparkline, sparkline
from seobuilder.report.model import Finding, Report
from seobuilder.report.parameters import ParameterRecord
from seobuilder.report.probes import StepRecord
from seobuilder.report.score import UNHEALTHY
from seobuilder.report.text import (
    UNKNOWN,
    change_title,
    change_yaml,
    evidence,
    number,
    plural,
    scaled,
    size,
    spread,
    summary_rows,
    unused_rows,
)

OPEN = 4
"""Groups of findings that are shown at once; the others unfold."""


@dataclass(frozen=True)
class Row:
    """A parameter in the table."""

    anchor: str
    record: ParameterRecord
    rule: int
    step: StepRecord | None
    findings: list[findings.Placed]
    sparkline: Sparkline | None


COLUMNS: dict[str, Callable[[Row], object]] = {
    "findings": lambda row: row.findings or None,
    "role": lambda row: row.record.role,
    "rule": lambda row: row.record.rule,
    "declared std": lambda row: row.record.declared,
    "fan in": lambda row: row.record.fan_in,
    "fan out": lambda row: row.record.fan_out,
    "gain": lambda row: row.record.gain,
    "first gradient": lambda row: row.step,
    "update": lambda row: row.step,
}
"""Columns of the table that a page leaves out where no parameter has what they show."""


def render_html(report: Report) -> str:
    """`report` as a page; text from a recipe stays text, and the page may load nothing."""
    placed = findings.place(report)
    back = findings.by_anchor(placed)
    with charts.settings():
        rules = rule_views(report.parameters)
        drawn = probe_charts(report.probes)
    rows = _rows(report, rules, back)
    groups = [[placed[index] for index in group] for group in grouped(report.findings)]
    return render_page(
        "report.html.j2",
        report=report,
        groups=groups,
        shown=OPEN,
        back=back,
        first_line=next(filter(None, (_line(group[0].finding) for group in groups)), None),
        drawings=graph.drawings(report.graph),
        box=(graph.WIDTH, graph.HEIGHT),
        rules=rules,
        is_declared=any(view.rule for view in rules),
        charts=drawn,
        rows=rows,
        empty={c for c, of in COLUMNS.items() if all(of(row) is None for row in rows)},
        large={row.anchor: row for row in rows if row.sparkline},
        roles=sorted({p.role for p in report.parameters if p.role}),
        codes=sorted({f.code for f in report.findings}),
        spark_box=(WIDTH, HEIGHT),
        summary=dict(summary_rows(report)),
    )


def render_page(template: str, **values: Any) -> str:
    """A page from its template, with the style and the script that all pages have."""
    script = _asset("script.js")
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            style=Markup(_asset("style.css")),
            script=Markup(script),
            script_hash=b64encode(sha256(script.encode()).digest()).decode(),
        )
    )


def _line(finding: Finding) -> str | None:
    """The line to look at: that of the rule that decided it, unless only others are changed."""
    lines = [f"{change.file}:{change.line}" for change in finding.changes if change.line]
    return lines[0] if lines and finding.rule not in lines else finding.rule


def _rows(
    report: Report, rules: list[RuleView], back: dict[str, list[findings.Placed]]
) -> list[Row]:
    numbers = {p.name: index for index, view in enumerate(rules, 1) for p in view.members}
    steps = {step.name: step for step in report.probes.parameters} if report.probes else {}
    return [
        Row(
            anchor=f"parameter-{index}",
            record=record,
            rule=numbers[record.name],
            step=steps.get(record.name),
            findings=back.get(f"parameter-{index}", []),
            sparkline=None if record.histogram is None else sparkline(record.histogram),
        )
        for index, record in enumerate(report.parameters, 1)
    ]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("seobuilder.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters |= {
        "number": number,
        "scaled": scaled,
        "size": size,
        "plural": plural,
        "spread": spread,
        "evidence": evidence,
        "unused_rows": unused_rows,
        "prose": _prose,
        "change_title": change_title,
        "change_yaml": change_yaml,
    }
    environment.globals |= {"UNKNOWN": UNKNOWN, "UNHEALTHY": UNHEALTHY}
    return environment


def _prose(text: str) -> Markup:
    """Text whose words in backticks are code."""
    parts = enumerate(re.split(r"`([^`]*)`", printable(text)))
    return Markup().join(Markup("<code>{}</code>").format(p) if i % 2 else p for i, p in parts)


def _visible(value: Any) -> Any:
    """Nothing in a text may hide or reorder what stands around it."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _asset(name: str) -> str:
    environment = _environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]
