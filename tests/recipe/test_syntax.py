from __future__ import annotations

import pytest
import yaml

from seobuilder.errors import RecipeError
from seobuilder.recipe import reader
from seobuilder.recipe.reader import read

# What is wrong, and the diagnostics without the excerpts.
MISTAKES = [
    (
        "match: **.bias\n",
        "1:8 R011 text that begins with `*` must be in quotes",
        'write a pattern as "**.bias"',
    ),
    ("a: &\n", "1:4 R011 text that begins with `&` must be in quotes", ""),
    (
        "a: !u!x b\n",
        "1:4 R013 text that begins with `!` must be in quotes",
        "tags are not part of the language",
    ),
    (
        "a: b: c\n",
        "1:5 R004 a `:` is not allowed here",
        "keys of one mapping stand in the same column; text that holds `: ` goes in quotes",
    ),
    (
        "a: 1\n  b: 2\n",
        "2:4 R004 a `:` is not allowed here",
        "keys of one mapping stand in the same column; text that holds `: ` goes in quotes",
    ),
    (
        "a: - b\n",
        "1:4 R004 a `- ` item is not allowed here",
        "start the list on a line of its own, or write it as [a, b]",
    ),
    ("a:\n\t- b\n", "2:1 R004 a tab cannot stand before a key or value", "use spaces"),
    ("a: x\n\tb: x\n", "2:1 R004 a tab cannot stand before a key or value", "use spaces"),
    ("é: `x`\n", "1:4 R004 text cannot begin with ```", "put it in quotes"),
    ("é: 'ü\n\n", "1:4 R004 the quote is never closed", ""),
    ('a: "ü\n---\n', "1:4 R004 the quote is never closed", ""),
    ("a: {b: 1", "1:4 R004 the bracket is never closed", ""),
    ("a: [1,\n\n", "3:1 R004 the file ends within brackets that are never closed", ""),
    (
        "a: [1\nb: 2\n",
        "2:2 R004 expected `,` or `]` to go on with the list that begins at line 1, column 4",
        "text that holds brackets, commas or `: ` goes in quotes",
    ),
    (
        "a: {m: {a,b}.c, x: 1}",
        "1:13 R004 expected `,` or `}` to go on with the mapping that begins at line 1, column 4",
        "text that holds brackets, commas or `: ` goes in quotes",
    ),
    (
        "a: {b, c}.w\n",
        "1:10 R004 unexpected text after the value",
        "text that begins with a bracket or a quote and goes on after the closing one needs "
        "quotes around all of it",
    ),
    (
        "a: 1\n- b\n",
        "2:1 R004 expected a key in the column of the mapping that begins at line 1, column 1",
        "check the indentation",
    ),
    (
        "a:\n  - b\n  c: 1\n",
        "3:3 R004 expected a `- ` item in the column of the list that begins at line 2, column 3",
        "",
    ),
    (
        " a: 1\nb: 2\n",
        "2:1 R004 unexpected text after the end of the document",
        "keys of one mapping stand in the same column",
    ),
    (
        "a: |x\n  b\n",
        "1:5 R004 unexpected text after `|` or `>`",
        "start the text on the next line",
    ),
    ("a: 1\na b c\nd: 2\n", "2:1 R004 expected `:` after this key", ""),
    ("a: ]\n", "1:4 R004 expected a value before `]`", ""),
]


@pytest.mark.parametrize("parser", ["CSafeLoader", "SafeLoader"])
@pytest.mark.parametrize(("text", "headline", "help"), MISTAKES)
def test_syntax_errors(text, headline, help, parser, monkeypatch):
    if not hasattr(yaml, parser):
        pytest.skip("PyYAML was built without its C extension")
    monkeypatch.setattr(reader, "_LOADER", getattr(yaml, parser))
    with pytest.raises(RecipeError) as caught:
        read(text.encode(), "r.yaml")
    lines = str(caught.value).splitlines()
    assert lines[0] == f"r.yaml:{headline}"
    assert lines[3:] == ([f"  help: {help}"] if help else [])


# The two parsers put these at the backslash and after it.
def test_unknown_escape():
    with pytest.raises(RecipeError, match="unknown escape in double quotes") as caught:
        read(rb'a: "\q"', "r.yaml")
    assert caught.value.diagnostics[0].help == "within single quotes a backslash stands for itself"


def test_an_error_that_no_one_foresaw_is_shown_as_the_parser_says_it(monkeypatch):
    def parse(text, Loader):
        mark = yaml.Mark("", 0, 0, 1, None, 0)
        raise yaml.MarkedYAMLError(None, None, "found {something} odd", mark)

    monkeypatch.setattr(yaml, "parse", parse)
    with pytest.raises(RecipeError) as caught:
        read(b"abc", "r.yaml")
    assert str(caught.value) == "r.yaml:1:2 R004 found {something} odd\n    1 | abc\n      |  ^"
