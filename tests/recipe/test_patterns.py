from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seobuilder.recipe.patterns import MAX_LENGTH, PatternError, compile_pattern


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("a.weight", "a.weight", True),
        ("a.weight", "a.weights", False),
        ("a", "a.weight", False),
        ("weight", "a.weight", False),
        ("*", "weight", True),
        ("*", "a.weight", False),
        ("a*", "a", True),
        ("*a*b*", "xaxbx", True),
        ("encoder.blocks.*", "encoder.blocks.0", True),
        ("encoder.blocks.*", "encoder.blocks.0.ffn", False),
        ("intent.**.weight", "intent.weight", True),
        ("intent.**.weight", "intent.a.b.weight", True),
        ("intent.**.weight", "intent.a.b.bias", False),
        ("**.bias", "bias", True),
        ("**.bias", "a.bias", True),
        ("**", "a.b.c", True),
        ("a.**.**", "a", True),
        ("**.b.**.b", "b.b", True),
        ("**.b.**.b", "a.b", False),
        ("**.{query,key}.weight", "a.key.weight", True),
        ("**.{query,key}.weight", "a.value.weight", False),
        ("**.{q*,key}_norm.weight", "a.query_norm.weight", True),
        ("{a}", "a", True),
        ("blocks.<0-3>.w", "blocks.3.w", True),
        ("blocks.<0-3>.w", "blocks.4.w", False),
        ("blocks.<8-12>.w", "blocks.10.w", True),
        ("blocks.<0-3>.w", "blocks.03.w", False),
        ("block<1-2>*", "block1_a", True),
        ("block<1-2>*", "block12", False),
        ("*<0-3>", "x13", False),
        ("<0-1>*", "01", False),
        ("<0-1>", "9" * 5000, False),
    ],
)
def test_matches(text, name, expected):
    assert compile_pattern(text).matches(name) is expected


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("", "a segment is empty", 0),
        ("a..b", "a segment is empty", 2),
        ("a.", "a segment is empty", 2),
        (".a", "a segment is empty", 0),
        ("a.***", "`**` must be a segment of its own", 2),
        ("a.b**", "`**` must be a segment of its own", 3),
        ("**b", "`**` must be a segment of its own", 0),
        ("a.{**}", "`**` must be a segment of its own", 3),
        ("a.{b,c", "the `{` is never closed", 2),
        ("{a,}", "an alternative is empty", 3),
        ("{}", "an alternative is empty", 1),
        ("{a.b,c}", "unexpected `.`; alternatives hold names and `*` only", 2),
        ("{a,{b}}", "unexpected `{`; alternatives hold names and `*` only", 3),
        ("{a, b}", "unexpected ` `; alternatives hold names and `*` only", 3),
        ("{<0-1>}", "unexpected `<`; alternatives hold names and `*` only", 1),
        ("a.<0-3", "expected a range such as `<0-3>`", 2),
        ("a.<3>", "expected a range such as `<0-3>`", 2),
        ("a.<01-3>", "expected a range such as `<0-3>`", 2),
        ("a.<3-0>", "the range `<3-0>` is empty", 2),
        (r"a\.b", "unexpected `\\`", 1),
        ("^a$", "unexpected `^`", 0),
        ("a,b", "unexpected `,`", 1),
        ("a}", "unexpected `}`", 1),
        ("[0-3]", "unexpected `[`", 0),
        ("é", "unexpected `é`", 0),
        ("a" * 201, "a pattern has at most 200 characters", 200),
    ],
)
def test_malformed(text, message, offset):
    with pytest.raises(PatternError) as caught:
        compile_pattern(text)
    assert (str(caught.value), caught.value.offset) == (message, offset)


def test_patterns_are_their_text():
    assert compile_pattern("a.*").text == "a.*"
    assert compile_pattern("a.*") == compile_pattern("a.*") != compile_pattern("a.**")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (("*a" * 100)[: MAX_LENGTH - 1] + "b", "a" * 5000),
        (".".join(["**"] * 66) + ".b", ".".join("a" * 5000)),
        (".".join(["**.*a*"] * 28) + ".b", ".".join(["aa"] * 2000)),
        ("{a,aa,*a}" * 22, "a" * 2000 + "b"),
    ],
)
def test_no_pattern_is_slow(text, name):
    pattern = compile_pattern(text)
    began = time.perf_counter()
    assert not pattern.matches(name)
    assert time.perf_counter() - began < 1


NAMES = st.lists(st.text("ab01", min_size=1, max_size=4), min_size=1, max_size=4).map(".".join)
PLAIN = st.text("ab01", min_size=1, max_size=2)
ROWS = st.lists(PLAIN | st.just("*"), min_size=1, max_size=3).map("".join)
CHOICES = st.lists(ROWS, min_size=1, max_size=3).map(lambda rows: "{" + ",".join(rows) + "}")
RANGES = st.tuples(st.integers(0, 2), st.integers(0, 12)).map(
    lambda bounds: f"<{bounds[0]}-{bounds[0] + bounds[1]}>"
)
SEGMENTS = st.just("**") | st.lists(PLAIN | st.just("*") | CHOICES | RANGES, min_size=1).map(
    "".join
)
PATTERNS = st.lists(SEGMENTS, min_size=1, max_size=4).map(".".join)


def matches_by_regular_expression(text: str, name: str) -> bool:
    """The meaning of a pattern, said once more: each segment of a name with a dot after it."""

    def piece(found: re.Match[str]) -> str:
        token = found[0]
        if token == "*":
            return "[^.]*"
        if token.startswith("<"):
            first, last = map(int, token[1:-1].split("-"))
            indices = "|".join(map(str, range(first, last + 1)))
            return rf"(?<![0-9])(?:{indices})(?![0-9])"
        return {"{": "(?:", "}": ")", ",": "|"}[token]

    expression = ""
    for segment in text.split("."):
        if segment == "**":
            expression += r"(?:[^.]*\.)*"
        else:
            expression += re.sub(r"[*{},]|<[^>]*>", piece, segment) + r"\."
    return re.fullmatch(expression, name + ".") is not None


@given(PATTERNS.filter(lambda text: not re.search(r"[^.]\*\*|\*\*[^.]", text)), NAMES)
def test_agrees_with_regular_expressions(text, name):
    assert compile_pattern(text).matches(name) == matches_by_regular_expression(text, name)


@given(NAMES, st.data())
def test_agrees_with_regular_expressions_where_patterns_match(name, data):
    """Patterns made from the name, so that many of them match."""
    segments = []
    for segment in name.split("."):
        forms = [segment, "*", "**", segment[0] + "*", f"*{segment[-1]}", f"{{{segment},b}}"]
        if re.fullmatch("0|1[01]*", segment):
            forms.append(f"<{int(segment) // 2}-{segment}>")
        segments.append(data.draw(st.sampled_from(forms)))
    text = ".".join(segments)
    assert matches_by_regular_expression(text, name)
    assert compile_pattern(text).matches(name)


@given(st.text(max_size=30) | st.text("ab.*{},<>-01", max_size=30))
def test_any_text_is_a_pattern_or_an_error_within_it(text):
    try:
        pattern = compile_pattern(text)
    except PatternError as error:
        assert 0 <= error.offset <= len(text)
    else:
        assert pattern.matches("a.b") in (True, False)
