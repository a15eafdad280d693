from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seobuilder.recipe.diagnostics import (
    WINDOW,
    Diagnostic,
    Mark,
    printable,
    quote,
    render,
    split_lines,
    suggest,
)

LINE = '  - {match: "**.bias", methd: zeros}'


def at(line: int, column: int, length: int = 1, message: str = "wrong") -> Diagnostic:
    return Diagnostic("R104", message, Mark("a.yaml", line, column, length))


def test_full():
    problem = Diagnostic(
        "R104",
        "unknown key; did you mean `method`?",
        Mark("recipes/intent.yaml", 21, 24, 5),
        "initialization[0].methd",
    )
    sources = {"recipes/intent.yaml": [""] * 20 + [LINE]}
    assert render([problem], sources) == (
        "recipes/intent.yaml:21:24 R104 initialization[0].methd: "
        "unknown key; did you mean `method`?\n"
        '   21 |   - {match: "**.bias", methd: zeros}\n'
        "      |                        ^^^^^"
    )


def test_help_severity_and_a_problem_without_a_place():
    problem = Diagnostic("P001", "too many", severity="warning", help="use fewer")
    assert render([problem], {}) == "warning P001 too many\n  help: use fewer"


def test_concise():
    assert render([at(1, 3)], {"a.yaml": ["x: y"]}, "concise") == "a.yaml:1:3 R104 wrong"


def test_a_line_that_is_not_there_shows_no_excerpt():
    assert render([at(9, 1)], {"a.yaml": ["x"]}) == "a.yaml:9:1 R104 wrong"


@pytest.mark.parametrize(
    ("line", "column", "length", "shown", "carets"),
    [
        ("日本: x", 5, 1, "日本: x", "      ^"),
        ("日本: x", 1, 2, "日本: x", "^^^^"),
        ("e\u0301e\u0301: x", 7, 1, "e\u0301e\u0301: x", "    ^"),
        ("a:\tx", 4, 1, "a:    x", "      ^"),
        ("a:\tx", 3, 1, "a:    x", "  ^^^^"),
        ("a: \x1b[31mx", 9, 1, r"a: \x1b[31mx", "           ^"),
        ("a:", 3, 1, "a:", "  ^"),
        ("a:", 1, 99, "a:", "^^"),
    ],
)
def test_carets_stand_under_what_they_mean(line, column, length, shown, carets):
    text = render([at(1, column, length)], {"a.yaml": [line]}).splitlines()
    assert text[1:] == [f"    1 | {shown}", f"      | {carets}"]


@given(st.integers(1, 5000), st.integers(1, 300))
def test_long_lines_are_windowed_around_the_mark(column, length):
    line = "".join(chr(ord("a") + i % 26) for i in range(5000))
    _, shown, carets = render([at(1, column, length)], {"a.yaml": [line]}).splitlines()
    start = carets.index("^")
    marked = shown[start : len(carets)]
    assert len(shown) <= len("    1 | ") + WINDOW + 2
    assert start - len("    1 | ") >= min(column - 1, WINDOW // 3)
    assert marked and line[column - 1 :].startswith(marked)


def test_sorted_by_place_without_duplicates():
    problems = [at(2, 1), at(1, 5), at(1, 2), at(1, 5), Diagnostic("R001", "nowhere")]
    assert render(problems, {}, "concise").splitlines() == [
        "a.yaml:1:2 R104 wrong",
        "a.yaml:1:5 R104 wrong",
        "a.yaml:2:1 R104 wrong",
        "R001 nowhere",
    ]


@pytest.mark.parametrize(
    ("count", "last"),
    [
        (20, "a.yaml:20:1 R104 wrong"),
        (21, "... and 1 more problem"),
        (27, "... and 7 more problems"),
    ],
)
def test_at_most_twenty_are_shown(count, last):
    lines = render([at(i + 1, 1) for i in range(count)], {}, "concise").splitlines()
    assert len(lines) == min(count, 21)
    assert lines[-1] == last


def test_warnings_make_room_for_errors():
    mark = Mark("a.yaml", 1, 1)
    warnings = [Diagnostic("P002", f"odd {i}", mark, severity="warning") for i in range(30)]
    lines = render([*warnings, at(99, 1)], {}, "concise").splitlines()
    assert lines[19] == "a.yaml:99:1 R104 wrong"
    assert lines[20] == "... and 11 more problems"


def test_json_holds_everything():
    problems = [at(i + 1, 2, 3, 'a "b"\x1b') for i in range(30)]
    text = render([*problems, Diagnostic("B001", "gone", severity="warning")], {}, "json")
    records = json.loads(text)
    assert len(records) == 31
    assert records[0] == {
        "code": "R104",
        "severity": "error",
        "message": 'a "b"\x1b',
        "path": "",
        "help": "",
        "file": "a.yaml",
        "line": 1,
        "column": 2,
        "length": 3,
    }
    assert records[-1]["file"] is None
    assert "\x1b" not in text


def test_github():
    problem = Diagnostic(
        "R104",
        "50% off\n::set-output::x",
        Mark("a,b:c.yaml", 3, 5, 2),
        "x.y",
        "warning",
        "do: this",
    )
    assert render([problem], {}, "github") == (
        "::warning file=a%2Cb%3Ac.yaml,line=3,col=5,endColumn=7,title=R104::"
        r"x.y: 50%25 off\n::set-output::x (do: this)"
    )


@given(st.text(), st.text(), st.text(), st.text(max_size=300))
def test_user_text_reaches_no_terminal_raw(message, file, help, line):
    problem = Diagnostic("R104", message, Mark(file, 1, 1), path=message, help=help)
    for format in ("full", "concise", "github"):
        text = render([problem], {file: [line]}, format)
        assert all(c.isprintable() or c == "\n" for c in text)
        assert text.count("\n") == (2 + bool(help) if format == "full" else 0)


def test_printable_keeps_ordinary_text():
    assert printable("Größe 日本 😀") == "Größe 日本 😀"
    assert printable("\x1b[2J\u202e\n\x9b") == r"\x1b[2J\u202e\n\x9b"


def test_split_lines_counts_as_yaml_does():
    assert split_lines("a\r\nb\rc\nd\x0be\u2028f\n") == ("a", "b", "c", "d\x0be\u2028f", "")


@pytest.mark.parametrize(
    ("word", "expected"),
    [("methd", "method"), ("METHOD", "method"), ("zzz", None), ("", None), ("m" * 101, None)],
)
def test_suggest(word, expected):
    assert suggest(word, {"method", "match", "role", "m" * 100}) == expected


def test_quote_cuts_long_text():
    assert quote("abc") == "`abc`"
    assert quote("a" * 100, 5) == "`aaaa…`"
