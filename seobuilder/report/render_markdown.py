"""The report as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from seobuilder.report.model import Finding, Report
from seobuilder.report.parameters import ParameterRecord
from seobuilder.report.text import UNKNOWN, evidence, headline, number, summary_rows


def render_markdown(report: Report) -> str:
    """Verdict, summary, outputs, findings, and one table row for each parameter."""
    sections = [
        f"# {_plain(headline(report))}",
        "## Summary",
        _table(("", ""), [(_plain(label), _plain(text)) for label, text in summary_rows(report)]),
    ]
    if report.outputs:
        sections += ["## Outputs before training", _outputs(report)]
    sections += ["## Findings", _findings(report.findings)]
    sections += ["## Parameters", _parameters(report.parameters)]
    return "\n\n".join(sections) + "\n"


def _outputs(report: Report) -> str:
    return _table(
        ("output", "kind", "loss", "loss of guessing", "rows"),
        [
            (_code(o.name), _plain(o.kind), number(o.loss), number(o.chance), f"{o.rows:,}")
            for o in report.outputs
        ],
    )


def _findings(findings: Sequence[Finding]) -> str:
    return "\n".join(map(_finding, findings)) or "None."


def _finding(finding: Finding) -> str:
    lines = [
        f"- **{finding.severity} {finding.code}** {_code(finding.place)}: {_plain(finding.message)}"
    ]
    if facts := evidence(finding):
        lines.append(f"  - {facts}")
    if finding.rule:
        lines.append(f"  - rule: {_code(finding.rule)}")
    if finding.source:
        lines.append(f"  - source: {_plain(finding.source)}")
    if finding.suggestion:
        lines.append(f"  - suggestion: {_plain(finding.suggestion)}")
    return "\n".join(lines)


def _parameters(parameters: Iterable[ParameterRecord]) -> str:
    header = (
        *("name", "shape", "role", "declared", "declared std", "mean", "std", "min", "max"),
        *("L1", "L2", "zeros", "fan in", "fan out", "rule", "losing rules"),
    )
    return _table(header, map(_parameter, parameters))


def _parameter(parameter: ParameterRecord) -> tuple[str, ...]:
    measured, rule = parameter.measured, parameter.rule
    shape = " x ".join(map(str, parameter.shape))
    names = [_code(parameter.name), *(f"= {_code(alias)}" for alias in parameter.aliases)]
    numbers = (
        *(parameter.declared_std, measured.mean, measured.std, measured.min, measured.max),
        *(measured.l1, measured.l2, measured.sparsity),
    )
    fans = (parameter.fan_in, parameter.fan_out)
    return (
        *(
            " ".join(names),
            shape,
            *(_plain(text or UNKNOWN) for text in (parameter.role, parameter.declared)),
        ),
        *map(number, numbers),
        *(UNKNOWN if fan is None else f"{fan:,}" for fan in fans),
        UNKNOWN if rule is None else f"{_code(rule.place)} {_code(rule.text)}",
        ", ".join(_code(rule.place) for rule in parameter.losing) or UNKNOWN,
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    cells = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, except for code in backticks."""
    code_or_not = re.split(r"(`[^`]*`)", _one_line(text))
    return "".join(_code(p[1:-1]) if i % 2 else _escape(p) for i, p in enumerate(code_or_not))


def _escape(text: str) -> str:
    # An underscore within a word means nothing to Markdown.
    return re.sub(r"[\\*<>\[\]`~&]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)


def _code(text: str) -> str:
    """A code span, fenced by more backticks than the text has in a row."""
    text = _one_line(text)
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    padding = " " if "`" in text or not text else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
