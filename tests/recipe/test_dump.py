from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from seobuilder.recipe.document import plain
from seobuilder.recipe.dump import dump
from seobuilder.recipe.load import load_recipe, parse_recipe
from seobuilder.recipe.reader import read
from seobuilder.recipe.shipped import recipe_names

# fmt: off
NASTY = (
    "no", "Yes", "on", "y", "true", "False", "null", "~", "", " ", " x", "x ", "=", "<<",
    "1e-5", "1e5", "010", "0x1F", "0o17", "0b1", "1_000", "1:30", "+1", "-1", ".5", "5.",
    ".inf", "-.INF", ".nan", "1e999", "9" * 30, "2024-01-31", "2024-01-31T10:00:00Z",
    "#a", "a #b", ":", "a: b", "- a", "-", "?", "*a", "&a", "!a", "%a", "@a", "`a", "{a}", "[a]",
    "{", ",", "|", ">", "'", '"', "\\", "\\n", "---", "...", "--- a", "key:",
    "a\nb", "a\n\nb\n", "\n", "\r\n", "\ttab", "\x85", "\u2028", "a\u2029b", "\ufeff",
    "é", "日本", "😀", "\x00", "\x1b[31m", "\x7f", "\ue000", "\ufffe", "\U0010ffff",
    "x" * 500, "word " * 60,
)
# fmt: on

texts = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
scalars = (
    texts
    | st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def read_back(data):
    return plain(read(dump(data).encode(), "dumped.yaml").root)


@pytest.mark.parametrize("text", NASTY)
def test_nasty_text_stays_text(text):
    data = {"value": text, "list": [text, text], "in": [{"x": text}], f"{text}": 1}
    assert read_back(data) == data


# The table of all characters is made on first use, which takes a while.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(texts, trees, min_size=1, max_size=4))
@example({"a": [[[]], {}, {"b": {}}]})
@example({"a": 1e-5, "b": 1e16, "c": -0.0, "d": 5e-324})
def test_what_is_dumped_reads_back_the_same(data):
    found = read_back(data)
    assert found == data
    assert repr(found) == repr(data)  # 1, 1.0 and True are equal, but not the same


def test_keys_keep_their_order_and_inner_values_one_line():
    data = {"b": {"y": 1, "x": [1, 2]}, "a": [{"k": "no", "f": 0.1}]}
    assert dump(data) == 'b:\n  y: 1\n  x: [1, 2]\na:\n- {k: "no", f: 0.1}\n'.replace(
        '"no"', "'no'"
    )


def test_equal_parts_are_written_out():
    part = {"k": 1}
    assert dump({"a": part, "b": part}) == "a: {k: 1}\nb: {k: 1}\n"


@pytest.mark.parametrize("name", recipe_names())
def test_a_resolved_recipe_reads_back_to_an_equal_recipe(name, tmp_path):
    loaded = load_recipe(name)
    again = parse_recipe(dump(loaded.resolved).encode(), "recipe.yaml", tmp_path)
    assert again.resolved == loaded.resolved
    assert again.recipe == loaded.recipe
    assert dump(again.resolved) == dump(loaded.resolved)
