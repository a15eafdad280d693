"""YAML's syntax errors in the words of someone who writes a recipe.

The parsers of PyYAML (the C extension and the pure Python one) say what their grammar expected.
Here that is turned into what is probably wrong with the text, and what to do about it.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import yaml

from seobuilder.recipe.diagnostics import Diagnostic, Mark, quote


class Position(Protocol):
    """What PyYAML marks have: line and column, both counted from 0, in characters."""

    line: int
    column: int


class _Explanation(NamedTuple):
    """What an error means whose context and problem contain these words.

    With `at_context`, the place to look at is where the construct began, not where parsing failed.
    In `message`, `{here}` is the character at the place, `{opening}` where the construct began.
    """

    context: str
    problem: str
    message: str
    help: str = ""
    code: str = "R004"
    at_context: bool = False


_TAB = _Explanation("", "", "a tab cannot stand before a key or value", "use spaces")
_UNCLOSED = _Explanation("", "", "the bracket is never closed", at_context=True)
_CUT_OFF = _Explanation("", "", "the file ends within brackets that are never closed")
_TRAILING = _Explanation(
    "",
    "",
    "unexpected text after the value",
    "text that begins with a bracket or a quote and goes on after the closing one needs quotes "
    "around all of it",
)

_EXPLANATIONS = (
    _Explanation(
        "scanning an alias",
        "",
        "text that begins with `*` must be in quotes",
        'write a pattern as "**.bias"',
        "R011",
        at_context=True,
    ),
    _Explanation(
        "scanning an anchor",
        "",
        "text that begins with `&` must be in quotes",
        code="R011",
        at_context=True,
    ),
    _Explanation(
        "tag",
        "",
        "text that begins with `!` must be in quotes",
        "tags are not part of the language",
        "R013",
        at_context=True,
    ),
    _Explanation(
        "",
        "tag handle",
        "text that begins with `!` must be in quotes",
        "tags are not part of the language",
        "R013",
    ),
    _Explanation(
        "directive",
        "",
        "a line that begins with `%` is a YAML directive",
        "delete it, or indent it if it is text",
        "R016",
        at_context=True,
    ),
    _Explanation(
        "",
        "mapping values are not allowed",
        "a `:` is not allowed here",
        "keys of one mapping stand in the same column; text that holds `: ` goes in quotes",
    ),
    _Explanation(
        "",
        "sequence entries are not allowed",
        "a `- ` item is not allowed here",
        "start the list on a line of its own, or write it as [a, b]",
    ),
    _Explanation(
        "",
        "cannot start any token",
        "text cannot begin with {here}",
        "put it in quotes",
    ),
    _Explanation(
        "quoted scalar",
        "end of stream",
        "the quote is never closed",
        at_context=True,
    ),
    _Explanation(
        "quoted scalar",
        "document",
        "the quote is never closed",
        at_context=True,
    ),
    _Explanation(
        "",
        "unknown escape",
        "unknown escape in double quotes",
        "within single quotes a backslash stands for itself",
    ),
    _Explanation(
        "quoted scalar",
        "escape",
        "the escape names no character",
        "write the character itself; half of a surrogate pair is not a character",
    ),
    _Explanation(
        "flow mapping",
        "",
        "expected `,` or `}}` to go on with the mapping that begins at {opening}",
        "text that holds brackets, commas or `: ` goes in quotes",
    ),
    _Explanation(
        "flow sequence",
        "",
        "expected `,` or `]` to go on with the list that begins at {opening}",
        "text that holds brackets, commas or `: ` goes in quotes",
    ),
    _Explanation(
        "block collection",
        "",
        "expected a `- ` item in the column of the list that begins at {opening}",
    ),
    _Explanation(
        "block mapping",
        "",
        "expected a key in the column of the mapping that begins at {opening}",
        "check the indentation",
    ),
    _Explanation(
        "block scalar",
        "",
        "unexpected text after `|` or `>`",
        "start the text on the next line",
    ),
    _Explanation(
        "simple key",
        "",
        "expected `:` after this key",
        at_context=True,
    ),
    _Explanation(
        "",
        "document start",
        "unexpected text after the end of the document",
        "keys of one mapping stand in the same column",
    ),
    _Explanation(
        "",
        "node content",
        "expected a value before {here}",
    ),
)


def explain(error: yaml.MarkedYAMLError, file: str, lines: tuple[str, ...]) -> Diagnostic:
    """The diagnostic for a syntax error, at the place where the mistake probably is."""
    context, problem = error.context or "", error.problem or "not YAML"
    place: Position | None = error.problem_mark or error.context_mark
    opening: Position | None = error.context_mark
    assert place is not None, "PyYAML gives every syntax error a position"
    before, after = _around(lines, place)

    if after.startswith("\t") and ("any token" in problem or "indentation" in problem):
        known = _TAB
    elif "flow" in context and "expected ','" in problem and not after.strip():
        known = _UNCLOSED
    elif "node content" in problem and not after.strip():
        known = _CUT_OFF
    elif "block mapping" in context and before.strip():
        known = _TRAILING
    else:
        known = _find(context, problem)

    if opening is not None and known.at_context:
        place = opening
    message = known.message.format(
        here=quote(after[:1]),
        opening=f"line {opening.line + 1}, column {opening.column + 1}" if opening else "the start",
    )
    return Diagnostic(known.code, message, mark_at(file, lines, place), help=known.help)


def mark_at(
    file: str, lines: tuple[str, ...], start: Position, end: Position | None = None
) -> Mark:
    """The mark from `start` to `end`, at most to the end of the line; one character without `end`.

    A position after the last line (the C parser's end of file) becomes the end of the last line.
    """
    if start.line >= len(lines):
        return Mark(file, len(lines), len(lines[-1]) + 1)
    length = 1
    if end is not None:
        same_line = end.line == start.line
        stop = end.column if same_line else len(lines[start.line].rstrip())
        length = max(1, stop - start.column)
    return Mark(file, start.line + 1, start.column + 1, length)


def _find(context: str, problem: str) -> _Explanation:
    for known in _EXPLANATIONS:
        if known.context in context and known.problem in problem:
            return known
    return _Explanation("", "", problem.replace("{", "{{").replace("}", "}}"))


def _around(lines: tuple[str, ...], place: Position) -> tuple[str, str]:
    """The text of a line before and after a place."""
    line = lines[place.line] if place.line < len(lines) else ""
    return line[: place.column], line[place.column :]
