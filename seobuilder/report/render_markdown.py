"""The report as GitHub-flavoured Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from seobuilder.report.grouping import grouped
from seobuilder.report.model import Finding, Report
from seobuilder.report.parameters import ParameterRecord
from seobuilder.report.probes import AttentionRecord, Probes, SignalRecord
from seobuilder.report.text import (
    UNKNOWN,
    change_title,
    change_yaml,
    evidence,
    headline,
    number,
    plural,
    summary_rows,
)


def render_markdown(report: Report) -> str:
    """Verdict, findings, summary, outputs, what data showed, and a table row for each parameter."""
    sections = [
        f"# {plain(headline(report))}",
        "## Findings",
        "\n".join(finding_lines(report.findings)) or "None.",
        "## Summary",
        table(("", ""), [(plain(label), plain(text)) for label, text in summary_rows(report)]),
    ]
    if report.outputs:
        sections += ["## Outputs before training", _outputs(report)]
    if report.probes is not None:
        sections += _probes(report.probes)
    sections += ["## Parameters", _parameters(report.parameters)]
    return "\n\n".join(sections) + "\n"


def _outputs(report: Report) -> str:
    return table(
        ("output", "kind", "loss", "loss of guessing", "rows"),
        [
            (code(o.name), plain(o.kind), number(o.loss), number(o.chance), f"{o.rows:,}")
            for o in report.outputs
        ],
    )


def finding_lines(findings: Sequence[Finding]) -> Iterator[str]:
    """Findings as items of a list, those that one change mends together."""
    for first, *others in grouped(findings):
        yield _finding(findings[first], [findings[index] for index in others])


def _finding(finding: Finding, alike: Sequence[Finding]) -> str:
    lines = [
        f"- **{finding.severity} {finding.code}** {code(finding.place)}: {plain(finding.message)}"
    ]
    if facts := evidence(finding):
        lines.append(f"  - {facts}")
    if alike:
        lines.append("  - alike: " + ", ".join(code(other.place) for other in alike))
    if finding.rule:
        lines.append(f"  - rule: {code(finding.rule)}")
    if finding.source:
        lines.append(f"  - source: {plain(finding.source)}")
    if finding.suggestion:
        lines.append(f"  - suggestion: {plain(finding.suggestion)}")
    for change in finding.changes:
        lines.append(f"  - {plain(change_title(change))}")
        if text := change_yaml(change):
            lines += ["", *(f"    {line}" for line in _block(text, "yaml")), ""]
    return "\n".join(lines).rstrip("\n")


def _probes(probes: Probes) -> list[str]:
    sections = []
    if probes.signals:
        sections += ["## Signal and gradient by depth", _signals(probes.signals)]
    if probes.attention:
        sections += ["## Attention", _attention(probes.attention)]
    if probes.losses:
        losses = ", ".join(map(number, probes.losses))
        steps, rate = plural(probes.steps, "step"), number(probes.learning_rate)
        sections.append(f"Loss in {steps} of AdamW at a learning rate of {rate}: {losses}.")
    sections += [
        f"{plural(record.rows, 'row')} learned by heart for {code(record.name)}: a loss of "
        f"{number(record.lowest)} at best in {plural(len(record.losses) - 1, 'step')}, and of "
        f"{number(record.chance)} by guessing."
        for record in probes.rehearsal
    ]
    return sections


def _signals(signals: Iterable[SignalRecord]) -> str:
    header = (
        *("depth", "module", "variance", "predicted", "band", "gradient", "predicted", "band"),
        *("similarity", "dead", "expected"),
    )
    return _known(
        header,
        [
            (
                *(str(s.depth), code(s.name), number(s.variance), number(s.expected)),
                *(_band(s.low, s.high), number(s.gradient), number(s.gradient_expected)),
                _band(s.gradient_low, s.gradient_high),
                *map(number, (s.similarity, s.dead, s.dead_expected)),
            )
            for s in signals
        ],
    )


def _band(low: float | None, high: float | None) -> str:
    return UNKNOWN if low is None or high is None else f"{number(low)} to {number(high)}"


def _attention(attention: Iterable[AttentionRecord]) -> str:
    header = ("attention", "heads", "std of scores", "largest", "entropy", "of equal weights")
    return table(
        header,
        [
            (
                *(code(a.name), str(a.heads)),
                *map(number, (a.logit_std, a.logit_max, a.entropy, a.uniform)),
            )
            for a in attention
        ],
    )


def _parameters(parameters: Iterable[ParameterRecord]) -> str:
    header = (
        *("name", "shape", "role", "declared", "declared std", "mean", "std", "min", "max"),
        *("L1", "L2", "spectral norm", "zeros", "fan in", "fan out", "rule", "losing rules"),
    )
    return _known(header, map(_parameter, parameters))


def _parameter(parameter: ParameterRecord) -> tuple[str, ...]:
    measured, rule = parameter.measured, parameter.rule
    shape = " x ".join(map(str, parameter.shape))
    names = [code(parameter.name), *(f"= {code(alias)}" for alias in parameter.aliases)]
    numbers = (
        *(parameter.declared_std, measured.mean, measured.std, measured.min, measured.max),
        *(measured.l1, measured.l2),
        None if parameter.spectrum is None else parameter.spectrum.largest,
        measured.sparsity,
    )
    fans = (parameter.fan_in, parameter.fan_out)
    return (
        *(
            " ".join(names),
            shape,
            *(plain(text or UNKNOWN) for text in (parameter.role, parameter.declared)),
        ),
        *map(number, numbers),
        *(UNKNOWN if fan is None else f"{fan:,}" for fan in fans),
        UNKNOWN if rule is None else f"{code(rule.place)} {code(rule.text)}",
        ", ".join(code(rule.place) for rule in parameter.losing) or UNKNOWN,
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    cells = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def _known(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of the columns in which something is known."""
    columns = list(zip(header, *rows, strict=True))
    known = [column for column in columns if set(column[1:]) != {UNKNOWN}]
    first, *others = zip(*known, strict=True)
    return table(first, others)


def plain(text: str) -> str:
    """Text that Markdown shows as it is, except for code in backticks."""
    code_or_not = re.split(r"(`[^`]*`)", _one_line(text))
    return "".join(code(p[1:-1]) if i % 2 else _escape(p) for i, p in enumerate(code_or_not))


def _escape(text: str) -> str:
    # An underscore within a word means nothing to Markdown.
    return re.sub(r"[\\*<>\[\]`~&]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)


def _block(text: str, language: str) -> list[str]:
    """A fenced block of one line."""
    text = _one_line(text)
    fence = _fence(text, 3)
    return [f"{fence}{language}", text, fence]


def _fence(text: str, least: int) -> str:
    """More backticks than the text has in a row."""
    return "`" * max(least, 1 + max(map(len, re.findall("`+", text)), default=0))


def code(text: str) -> str:
    """A code span."""
    text = _one_line(text)
    fence = _fence(text, 1)
    padding = " " if "`" in text or not text else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
