from __future__ import annotations

import pytest

from seobuilder.recipe.diagnostics import Mark
from seobuilder.recipe.document import Scalar, format_path, lookup, plain
from seobuilder.recipe.reader import read

TEXT = b"""\
name: words
rules:
  - {match: "**.bias", value: 1}
  - method: zeros
"""


@pytest.fixture
def document():
    return read(TEXT, "a.yaml")


def test_plain(document):
    assert plain(document.root) == {
        "name": "words",
        "rules": [{"match": "**.bias", "value": 1}, {"method": "zeros"}],
    }


@pytest.mark.parametrize(
    ("path", "value", "line", "column", "length", "complete"),
    [
        (("name",), "words", 1, 1, 4, True),
        (("rules", 0, "match"), "**.bias", 3, 6, 5, True),
        (("rules", 1), {"method": "zeros"}, 4, 5, 6, True),
        (("rules", 0), {"match": "**.bias", "value": 1}, 3, 5, 28, True),
        (("rules", 1, "gain", "x"), {"method": "zeros"}, 4, 5, 6, False),
        (("rules", 2), [{"match": "**.bias", "value": 1}, {"method": "zeros"}], 2, 1, 5, False),
        (("rules", -1), [{"match": "**.bias", "value": 1}, {"method": "zeros"}], 2, 1, 5, False),
        (("rules", "0"), [{"match": "**.bias", "value": 1}, {"method": "zeros"}], 2, 1, 5, False),
        (("name", 0), "words", 1, 1, 4, False),
    ],
)
def test_lookup(document, path, value, line, column, length, complete):
    node, mark, found = lookup(document.root, path)
    assert plain(node) == value
    assert mark == Mark("a.yaml", line, column, length)
    assert found is complete


def test_lookup_of_nothing_and_of_what_is_not_there(document):
    assert lookup(document.root, ()) == (document.root, document.root.mark, True)
    assert lookup(document.root, ("nmae",)) == (document.root, document.root.mark, False)


@pytest.mark.parametrize(
    ("text", "offset", "column", "length"),
    [
        (b"k: a*b", 1, 5, 1),
        (b'k: "a*b"', 1, 6, 1),
        (b"k: 'a*b'", 2, 7, 1),
        (b'k: "a\\tb"', 1, 4, 6),
    ],
)
def test_a_mark_within_a_scalar(text, offset, column, length):
    scalar = lookup(read(text, "a.yaml").root, ("k",)).node
    assert isinstance(scalar, Scalar)
    assert scalar.at(offset) == Mark("a.yaml", 1, column, length)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("initialization", 0, "method"), "initialization[0].method"),
        (("ties", "a.weight", 2), "ties[`a.weight`][2]"),
        (("größe", ""), "größe[``]"),
        (("x" * 100,), f"[`{'x' * 59}…`]"),
    ],
)
def test_format_path(path, text):
    assert format_path(path) == text


def test_sources_are_the_lines_of_the_file(document):
    assert document.sources["a.yaml"][1] == "rules:"
