from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seobuilder.recipe.diagnostics import Mark
from seobuilder.recipe.document import Entry, Mapping, Scalar, plain
from seobuilder.recipe.edit import (
    assign,
    change_at,
    mapping_items,
    merge,
    moved,
    put,
    shift,
    without,
)
from seobuilder.recipe.reader import read

MARK = Mark("new", 7, 3, 2)


def node(text: str):
    return read(text.encode(), "a.yaml").root


def entry(value):
    return Entry(MARK, Scalar(MARK, value))


@pytest.mark.parametrize(
    ("base", "top", "merged"),
    [
        ("{a: 1, b: 2}", "{b: 3, c: 4}", {"a": 1, "b": 3, "c": 4}),
        ("{a: {x: 1, y: 2}}", "{a: {y: 3}}", {"a": {"x": 1, "y": 3}}),
        ("{a: [1, 2]}", "{a: [3]}", {"a": [3]}),
        ("{a: {x: 1}}", "{a: 1}", {"a": 1}),
        ("{a: 1}", "{a: {x: 1}}", {"a": {"x": 1}}),
        ("{a: 1, b: 2}", "{a: null}", {"b": 2}),
        ("{a: {x: 1, y: 2}}", "{a: {x: ~}}", {"a": {"y": 2}}),
        ("{a: 1}", "{b: null}", {"a": 1, "b": None}),
        ("{a: null}", "{a: null}", {}),
        ("{a: 1}", "{b: {c: null}}", {"a": 1, "b": {"c": None}}),
    ],
)
def test_merge(base, top, merged):
    assert plain(merge(node(base), node(top))) == merged


def test_merged_values_keep_their_marks_and_the_order_of_the_base():
    merged = merge(node("a: 1\nb: 2"), node("{b: 3, a: {c: 1}}"))
    assert list(merged.entries) == ["a", "b"]
    assert merged.entries["b"].key_mark == Mark("a.yaml", 1, 2)
    assert merged.entries["b"].value.mark == Mark("a.yaml", 1, 5)


values = st.recursive(
    st.integers(),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
trees = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


def marked(value):
    if isinstance(value, dict):
        return Mapping(MARK, {key: Entry(MARK, marked(item)) for key, item in value.items()})
    return Scalar(MARK, value)


@given(trees, trees)
def test_merging_adds_nothing_and_loses_nothing(one, two):
    base, top = marked(one), marked(two)
    merged = plain(merge(base, top))
    assert set(merged) == {*one, *two}
    assert plain(merge(marked(merged), top)) == merged
    assert plain(merge(base, marked({}))) == plain(merge(marked({}), base)) == one


@pytest.mark.parametrize(
    ("path", "value", "changed"),
    [
        ("a", 5, {"a": 5, "l": [1, {"x": 2}]}),
        ("a.b", 5, {"a": {"b": 5}, "l": [1, {"x": 2}]}),
        ("a.c", 5, {"a": {"b": 0, "c": 5}, "l": [1, {"x": 2}]}),
        ("c", 5, {"a": {"b": 0}, "l": [1, {"x": 2}], "c": 5}),
        ("l.0", 5, {"a": {"b": 0}, "l": [5, {"x": 2}]}),
        ("l.1.x", 5, {"a": {"b": 0}, "l": [1, {"x": 5}]}),
        ("a", None, {"l": [1, {"x": 2}]}),
        ("a.b", None, {"a": {}, "l": [1, {"x": 2}]}),
        ("l.0", None, {"a": {"b": 0}, "l": [{"x": 2}]}),
        ("l.1", None, {"a": {"b": 0}, "l": [1]}),
    ],
)
def test_assign(path, value, changed):
    before = node("{a: {b: 0}, l: [1, {x: 2}]}")
    assert plain(assign(before, path.split("."), entry(value))) == changed
    assert plain(before) == {"a": {"b": 0}, "l": [1, {"x": 2}]}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("alpha.b.c", "there is nothing below a single value, so no `c`"),
        ("alpah.b", "there is no `alpah`; did you mean `alpha`?"),
        ("zzz.b", "there is no `zzz`"),
        ("list.1", "`1` is not an index of a list of 1"),
        ("list.-1", "`-1` is not an index of a list of 1"),
        ("list.x", "`x` is not an index of a list of 1"),
        ("list.²", "`²` is not an index of a list of 1"),
    ],
)
@pytest.mark.parametrize("value", [1, None])
def test_paths_that_lead_nowhere(path, reason, value):
    with pytest.raises(ValueError, match=f"^{re.escape(reason)}$"):
        assign(node("{alpha: {b: 0}, list: [1]}"), path.split("."), entry(value))


def test_nothing_to_delete():
    with pytest.raises(ValueError, match="there is no `b`"):
        assign(node("{alpha: 1}"), ["b"], entry(None))


def test_a_value_that_is_assigned_brings_its_marks():
    changed = assign(node("a: {b: 0}"), ["a", "b"], entry(5))
    assert changed.entries["a"].key_mark == Mark("a.yaml", 1, 1)
    assert changed.entries["a"].value.entries["b"] == entry(5)


def test_change_at_and_put():
    root = node("{a: {b: 1}, c: 2}")

    def double(found):
        return Scalar(found.mark, found.value * 2)

    assert plain(change_at(root, ("a", "b"), double)) == {"a": {"b": 2}, "c": 2}
    for missing in (("x",), ("a", "x"), ("c", "x"), ("x", "y")):
        assert change_at(root, missing, double) == root
    assert plain(put(root, ("a", "n"), Scalar(MARK, 3))) == {"a": {"b": 1, "n": 3}, "c": 2}
    top = put(root, ("c",), Scalar(MARK, 3))
    assert top.entries["c"] == Entry(Mark("a.yaml", 1, 13), Scalar(MARK, 3))
    assert put(root, ("n",), Scalar(MARK, 3)).entries["n"].key_mark == MARK
    assert plain(root) == {"a": {"b": 1}, "c": 2}


def test_shift_moves_every_mark():
    shifted = shift(node("{a: [1, 'x']}"), 10)
    item = shifted.entries["a"]
    assert shifted.mark == Mark("a.yaml", 1, 11, 13)
    assert item.key_mark == Mark("a.yaml", 1, 12)
    assert item.value.mark == Mark("a.yaml", 1, 15, 8)
    assert item.value.items[1] == Scalar(Mark("a.yaml", 1, 19, 3), "x")
    assert moved(MARK, -2) == Mark("new", 7, 1, 2)


def test_parts_of_a_document():
    root = node("{a: {x: {k: 1}, y: 2}, b: 3}")
    assert [(name, plain(item)) for name, item in mapping_items(root, "a")] == [("x", {"k": 1})]
    assert mapping_items(root, "b") == mapping_items(root, "c") == []
    assert plain(without(root, "a")) == {"b": 3}
