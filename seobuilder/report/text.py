"""Words and numbers that every rendering of a report shares."""

from __future__ import annotations

from collections.abc import Iterable

from seobuilder.recipe.change import Change
from seobuilder.recipe.document import format_path
from seobuilder.report.model import Finding, Report, VocabularyRecord

UNKNOWN = "-"


def number(value: float | None) -> str:
    """Four significant digits, or a dash for what is not known."""
    return UNKNOWN if value is None else f"{value + 0.0:.4g}"


def plural(count: int, noun: str) -> str:
    """`1 warning`, `2 warnings`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def scaled(count: int) -> str:
    """A count in words of thousands: `950`, `6.9 M`."""
    return _scaled(count, 1000, ("", " k", " M", " G", " T", " P", " E"))


def size(count: int) -> str:
    """A number of bytes: `26.3 MiB`."""
    return _scaled(count, 1024, (" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"))


def _scaled(count: int, base: int, units: tuple[str, ...]) -> str:
    value, power = float(count), 0
    # 999.95 and more would be shown as 1000.0 of a unit that has a bigger one.
    while value >= base - 0.05 and power < len(units) - 1:
        value, power = value / base, power + 1
    return f"{value:.1f}{units[power]}" if power else f"{count}{units[0]}"


def spread(values: Iterable[float | None]) -> str:
    """The one value that all have, or the smallest and the largest."""
    known = [value for value in values if value is not None]
    if not known:
        return UNKNOWN
    low, high = number(min(known)), number(max(known))
    return low if low == high else f"{low} to {high}"


def headline(report: Report) -> str:
    """The verdict in one line."""
    counts = [
        plural(len(found), noun)
        for found, noun in ((report.issues, "error"), (report.warnings, "warning"))
        if found
    ]
    return f"{report.name}: {report.verdict}" + (f" ({', '.join(counts)})" if counts else "")


def risk(report: Report) -> str:
    """The score, and what it says."""
    return f"{number(report.score)} of 1 that training falls short, see docs/evidence.md"


def summary_rows(report: Report) -> list[tuple[str, str]]:
    """The summary as pairs of label and text; what only a recipe says is left out without one."""
    summary = report.summary
    rows = [
        ("risk", risk(report)),
        ("parameters", f"{summary.parameters:,} in {plural(summary.tensors, 'tensor')}"),
        ("memory", f"{size(summary.bytes)} as {summary.dtype}"),
    ]
    if summary.flops is not None and summary.seed is not None:
        norms = {m: len(blocks) for m, blocks in summary.normalizations_applied.items()}
        rows += [
            ("FLOPs for one example", scaled(summary.flops)),
            ("seed", str(summary.seed)),
            ("methods", _counted(summary.methods_used)),
            ("normalization", _counted(norms)),
            ("blocks without norm", str(len(summary.unnormalized))),
        ]
    if summary.aliases:
        rows.append(("names that share a parameter", str(summary.aliases)))
    if report.batch is not None:
        rows.append(("measured on", f"{plural(report.batch.rows, 'row')}, {report.batch.source}"))
    rows += [(f"unused rows of {v.input}", unused_rows(v)) for v in report.vocabulary]
    return rows


def unused_rows(vocabulary: VocabularyRecord) -> str:
    """How many rows of a table no token refers to, and why."""
    count = f"{vocabulary.unused:,} of {vocabulary.rows:,}"
    if vocabulary.unused and vocabulary.trained:
        return f"{count}: no more pairs of tokens occur twice in the training rows"
    return count


def evidence(finding: Finding) -> str:
    """Measured, expected and tolerance, as far as they are known."""
    parts = [
        f"{label} {number(value)}"
        for label, value in (
            ("measured", finding.measured),
            ("expected", finding.expected),
            ("tolerance", finding.tolerance),
        )
        if value is not None
    ]
    return ", ".join(parts)


def change_title(change: Change) -> str:
    """What a change does, and where, the path in backticks."""
    place = format_path(change.path)
    where = change.file if change.line is None else f"{change.file}:{change.line}"
    match change.action:
        case "insert":
            return f"insert as `{place}` in {where}"
        case "set":
            return f"set `{place}` in {where}"
        case "delete":
            return f"delete `{place}` in {where}"


def change_yaml(change: Change) -> str:
    """The line as it will read, empty for a deletion."""
    if change.action == "delete":
        return ""
    last = change.path[-1]
    return f"- {change.yaml}" if isinstance(last, int) else f"{last}: {change.yaml}"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items())) or "none"
