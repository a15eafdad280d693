"""Problems in a user's files: what is wrong, where, and how it is shown.

A diagnostic in the `full` format reads

    recipes/intent.yaml:21:24 R104 initialization[0].methd: unknown key; did you mean `method`?
       21 |   - {match: "**.bias", methd: zeros}
          |                        ^^^^^

Text that came from a user is never sent to a terminal as it is: whatever is not printable is shown
as an escape, so that a file cannot move the cursor, recolour the output or fake a line of it.
"""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Literal, TypeAlias

from seobuilder.recipe.change import Change
from seobuilder.recipe.sarif import render_sarif

Severity: TypeAlias = Literal["error", "warning"]
Format: TypeAlias = Literal["full", "concise", "json", "github", "sarif"]

Sources: TypeAlias = Mapping[str, Sequence[str]]
"""File name to the lines of its text, without line breaks."""

WINDOW = 100
"""Characters of a source line that are shown at most."""

TAB = 4
"""Terminal columns that a tab is shown as."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A stretch of one line; `line` and `column` count from 1, columns count characters."""

    file: str
    line: int
    column: int
    length: int = 1

    @property
    def place(self) -> str:
        """`file:line`, without folders, which depend on where a command was started from."""
        return f"{PurePath(self.file).name}:{self.line}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem.

    `code` is stable and explained in `codes.CODES`. `path` is the place in the document, such as
    `initialization[0].methd`. `message` and `help` are one line each; `changes` are edits of the
    recipe that do what `help` says.
    """

    code: str
    message: str
    mark: Mark | None = None
    path: str = ""
    severity: Severity = "error"
    help: str = ""
    changes: tuple[Change, ...] = ()

    @property
    def subject(self) -> str:
        """The message, after the place in the document."""
        return f"{self.path}: {self.message}" if self.path else self.message


def render(
    diagnostics: Iterable[Diagnostic],
    sources: Sources,
    format: Format = "full",
    limit: int = 20,
) -> str:
    """Text of all diagnostics, sorted by file, line and column, without exact duplicates.

    `full` and `concise` show at most `limit`, errors before warnings when not all fit, and count
    the rest in a last line. `json`, `github` and `sarif` are for programs and hold all of them.
    """
    ordered = sorted(dict.fromkeys(diagnostics), key=_position)
    if format == "json":
        return json.dumps([_record(d) for d in ordered], indent=2)
    if format == "github":
        return "\n".join(map(_workflow_command, ordered))
    if format == "sarif":
        return render_sarif(ordered)

    shown = ordered
    if len(ordered) > limit:
        urgent = sorted(ordered, key=lambda d: d.severity != "error")[:limit]
        shown = sorted(urgent, key=_position)
    parts = [_headline(d) if format == "concise" else _full(d, sources) for d in shown]
    if hidden := len(ordered) - len(shown):
        parts.append(f"... and {hidden} more problem{'s' if hidden > 1 else ''}")
    return "\n".join(parts)


def split_lines(text: str) -> tuple[str, ...]:
    r"""The lines of `text` as YAML counts them: a line ends in `\n`, `\r\n` or `\r`."""
    return tuple(re.split(r"\r\n|\r|\n", text))


def alike_as_one(problems: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Of problems of one code in one place the first, which counts the others."""
    alike: dict[object, list[Diagnostic]] = {}
    for problem in problems:
        alike.setdefault((problem.code, problem.mark, problem.path), []).append(problem)
    return [
        replace(first, message=f"{first.message} (and {len(others)} more)") if others else first
        for first, *others in alike.values()
    ]


def suggest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` was probably meant to be, or None."""
    if len(word) > 100:  # comparing takes time that grows with the square of the length
        return None
    spellings = {candidate.lower(): candidate for candidate in candidates}
    close = difflib.get_close_matches(word.lower(), spellings, n=1)
    return spellings[close[0]] if close else None


def quote(text: str, limit: int = 60) -> str:
    """`text` in backticks for use in a message, cut to `limit` characters."""
    return f"`{text if len(text) <= limit else text[: limit - 1] + '…'}`"


def printable(text: str) -> str:
    """`text` with every character that a terminal would not print shown as an escape."""
    if text.isprintable():
        return text
    return "".join(map(_printable_character, text))


def _printable_character(character: str) -> str:
    if character.isprintable():
        return character
    return ascii(character)[1:-1]


def _position(diagnostic: Diagnostic) -> tuple[bool, str, int, int]:
    mark = diagnostic.mark
    if mark is None:
        return (True, "", 0, 0)
    return (False, mark.file, mark.line, mark.column)


def _headline(diagnostic: Diagnostic) -> str:
    mark = diagnostic.mark
    words = [] if mark is None else [f"{mark.file}:{mark.line}:{mark.column}"]
    if diagnostic.severity == "warning":
        words.append("warning")
    words += [diagnostic.code, diagnostic.subject]
    return printable(" ".join(words))


def _full(diagnostic: Diagnostic, sources: Sources) -> str:
    lines = [_headline(diagnostic)]
    mark = diagnostic.mark
    if mark is not None and mark.line <= len(sources.get(mark.file, ())):
        text, carets = _excerpt(sources[mark.file][mark.line - 1], mark)
        lines += [f"{mark.line:>5} | {text}".rstrip(), f"      | {carets}"]
    if diagnostic.help:
        lines.append(f"  help: {printable(diagnostic.help)}")
    return "\n".join(lines)


def _excerpt(line: str, mark: Mark) -> tuple[str, str]:
    """The part of `line` around `mark` as a terminal shows it, and the carets to go under it."""
    start = min(mark.column - 1, len(line))
    low = max(0, min(start - WINDOW // 3, len(line) - WINDOW))
    high = low + WINDOW
    stop = min(start + mark.length, high)
    before = ("…" if low > 0 else "") + _shown(line[low:start])
    marked = _shown(line[start:stop])
    after = _shown(line[stop:high]) + ("…" if high < len(line) else "")
    return before + marked + after, " " * _width(before) + "^" * max(1, _width(marked))


def _shown(text: str) -> str:
    return printable(text.replace("\t", " " * TAB))


def _width(text: str) -> int:
    return sum(map(_character_width, text))


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _record(diagnostic: Diagnostic) -> dict[str, str | int | None]:
    mark = diagnostic.mark
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "path": diagnostic.path,
        "help": diagnostic.help,
        "file": mark.file if mark else None,
        "line": mark.line if mark else None,
        "column": mark.column if mark else None,
        "length": mark.length if mark else None,
    }


def _workflow_command(diagnostic: Diagnostic) -> str:
    """A GitHub workflow command, `::error file=...,line=...::message`."""
    mark = diagnostic.mark
    properties: dict[str, str | int] = {}
    if mark is not None:
        properties = {
            "file": mark.file,
            "line": mark.line,
            "col": mark.column,
            "endColumn": mark.column + mark.length,
        }
    properties["title"] = diagnostic.code
    listed = ",".join(f"{key}={_escape_property(value)}" for key, value in properties.items())
    text = diagnostic.subject + (f" ({diagnostic.help})" if diagnostic.help else "")
    return f"::{diagnostic.severity} {listed}::{_escape_data(text)}"


def _escape_data(text: str) -> str:
    # `printable` has already turned line breaks, which would end the command, into escapes.
    return printable(text).replace("%", "%25")


def _escape_property(value: str | int) -> str:
    return _escape_data(str(value)).replace(":", "%3A").replace(",", "%2C")
