"""Names as they read elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seobuilder.recipe.patterns import PatternError, compile_pattern
from seobuilder.recipe.renaming import compile_renaming

QUERY = "encoder.blocks.*.attention.{query,key}.{weight,bias}"


@pytest.mark.parametrize(
    ("pattern", "target", "name", "expected"),
    [
        ("words.weight", "embed.table", "words.weight", "embed.table"),
        ("words.weight", "embed.table", "words.bias", None),
        (QUERY, "h.*.{q,k}.{w,b}", "encoder.blocks.11.attention.key.weight", "h.11.k.w"),
        (QUERY, "h.*.{q,k}.*", "encoder.blocks.11.attention.key.weight", "h.11.k.weight"),
        (QUERY, "h.*.{q,k}.*", "encoder.blocks.11.attention.value.weight", None),
        ("a.<0-5>.w", "layer<6-11>.w", "a.2.w", "layer8.w"),
        ("a.<0-5>.w", "layer*.w", "a.2.w", "layer2.w"),
        ("a.<0-5>.w", "layer*.w", "a.6.w", None),
        ("**.w", "model.**.v", "a.b.w", "model.a.b.v"),
        ("**.w", "model.**.v", "w", "model.v"),
        ("a.**.c.**", "**.x.**", "a.c.c.b", "x.c.b"),
        ("a*b*", "*-*", "aabab", "a-ab"),
        ("a.{x,xy}z.w", "{1,2}.w", "a.xyz.w", "2.w"),
    ],
)
def test_wildcards_stand_for_what_was_matched_in_order(pattern, target, name, expected):
    assert compile_renaming(pattern, target).rename(name) == expected


@pytest.mark.parametrize(
    ("pattern", "target", "message"),
    [
        ("a.*.w", "a.w", "has 0 wildcards, and its pattern 1 wildcard"),
        ("a.w", "*.**", "has 2 wildcards, and its pattern 0 wildcards"),
        ("a.*.**", "*.b.*", "wildcard 2 can't stand for that of `a.*.**`"),
        ("a.*", "**", "wildcard 1 can't stand for that of `a.*`"),
        ("a.{b,c}", "{x,y,z}", "wildcard 1 can't stand for that of `a.{b,c}`"),
        ("a.*", "{x,y}", "wildcard 1 can't stand for that of `a.*`"),
        ("a.{b,c}", "{x,y*}", "wildcard 1 can't stand for that of `a.{b,c}`"),
        ("a.<0-3>", "<1-5>", "wildcard 1 can't stand for that of `a.<0-3>`"),
    ],
)
def test_wildcards_that_do_not_go_together(pattern, target, message):
    with pytest.raises(PatternError) as caught:
        compile_renaming(pattern, target)
    assert caught.value.message == message


TARGETS = {
    "*": "*",
    "**": "**",
    "a*": "*",
    "*b*": "*x*",
    "{a,b1}": "{x,y}",
    "{ab*,a}": "*",
    "<0-11>": "<1-12>",
    "a": "c",
}


@given(
    st.lists(st.sampled_from(list(TARGETS)), min_size=1, max_size=5),
    st.lists(st.text("ab1", min_size=1, max_size=4), min_size=1, max_size=6),
)
def test_every_name_that_the_pattern_matches_is_renamed(pieces, segments):
    pattern, name = ".".join(pieces), ".".join(segments)
    target = ".".join(TARGETS[piece] for piece in pieces)
    renamed = compile_renaming(pattern, target).rename(name)
    assert (renamed is not None) == compile_pattern(pattern).matches(name)


def test_a_name_renamed_by_its_own_pattern_stays():
    for pattern in (QUERY, "**", "encoder.**", "*.*.<0-99>.**", "en*.blocks.*.**.weight"):
        for name in ("encoder.blocks.3.attention.query.weight", "encoder.blocks.0.x.weight"):
            renamed = compile_renaming(pattern, pattern).rename(name)
            assert renamed in (name, None)
            assert (renamed == name) == compile_pattern(pattern).matches(name)


def test_many_stars_take_no_time_to_speak_of():
    pattern = "**." * 40 + "z"
    assert compile_renaming(pattern, pattern).rename(".".join("a" * 60)) is None
    pattern = "*a" * 60
    assert compile_renaming(pattern, pattern).rename("a" * 59 + "b") is None
