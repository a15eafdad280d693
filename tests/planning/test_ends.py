"""Pools that read the end at which what they pool has seen one token."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seobuilder.planning.ends import pool_at_an_end
from seobuilder.planning.model import Plan
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.load import LoadedRecipe

HEADS = "heads: 2, ffn: {kind: mlp, width: 4}"


def text(reader: str, method: str) -> str:
    return (
        "words: {kind: token_embedding, from: query, width: 4}\n"
        f"reader: {reader}\n"
        f"meaning: {{kind: pool, from: reader, method: {method}}}\n"
        "joined: {kind: concat, from: [meaning, page]}"
    )


@pytest.mark.parametrize(
    ("method", "silent", "pool"),
    [
        ("last", ["hidden.weight"], "meaning"),
        ("first", ["hidden.weight"], "meaning"),
        ("mean", ["hidden.weight"], None),
        ("last", ["hidden.weight", "input.weight"], None),  # then there is another cause
        ("last", [], None),
    ],
)
def test_maps_of_states_alone_point_to_a_pool_at_an_end(
    planned: Callable[..., Plan], method: str, silent: list[str], pool: str | None
) -> None:
    modules = text("{kind: recurrent, from: words, cell: gru, width: 4}", method)
    plan = planned(modules=modules, initialization='- {match: "**", method: keep}')
    names = [f"reader.layers.0.forward.{name}" for name in silent]
    assert pool_at_an_end(plan, names) == pool


BOTH = "bidirectional: true"


@pytest.mark.parametrize(
    ("reader", "method", "said"),
    [
        ("kind: recurrent, cell: gru, width: 4", "first", "`reader`"),
        ("kind: recurrent, cell: gru, width: 4, depth: 2", "first", "`reader`"),
        ("kind: recurrent, cell: gru, width: 4", "last", None),
        ("kind: recurrent, cell: gru, width: 4", "mean", None),
        (f"kind: recurrent, cell: gru, width: 4, {BOTH}", "last", "backwards"),
        (f"kind: recurrent, cell: gru, width: 4, {BOTH}", "first", "forwards"),
        (f"kind: recurrent, cell: gru, width: 4, {BOTH}, depth: 2", "last", None),
        (f"kind: transformer, depth: 2, {HEADS}, causal: true", "first", "`reader`"),
        (f"kind: transformer, depth: 2, {HEADS}, causal: true", "last", None),
        (f"kind: transformer, depth: 2, {HEADS}", "first", None),
        ("kind: mlp, widths: [4]", "first", None),  # a word by itself is meant
        ("kind: conv, channels: [4], kernel: 3", "first", None),
    ],
)
def test_a_pool_that_reads_what_has_seen_one_token(
    load: Callable[..., LoadedRecipe], reader: str, method: str, said: str | None
) -> None:
    loaded = load(modules=text(f"{{from: words, {reader}}}", method))
    found = [each for each in make_plan(loaded).warnings if each.code == "P506"]
    assert len(found) == (said is not None)
    if said:
        (warning,) = found
        assert said in warning.message and warning.path == "modules.meaning.method"
        assert [change.yaml for change in warning.changes] == ["mean"]


def test_what_reads_on_from_all_tokens_has_seen_them(load: Callable[..., LoadedRecipe]) -> None:
    causal = f"kind: transformer, depth: 1, {HEADS}, causal: true"
    for before, count in (
        ("kind: conv, channels: [4], kernel: 3", 0),
        (f"kind: recurrent, cell: gru, width: 2, {BOTH}", 0),
        ("kind: recurrent, cell: gru, width: 4", 1),
        ("kind: mlp, widths: [4]", 1),
    ):
        modules = text(f"{{from: seen, {causal}}}", "first")
        modules = modules.replace("reader:", f"seen: {{from: words, {before}}}\nreader:", 1)
        warnings = make_plan(load(modules=modules)).warnings
        assert [each.code for each in warnings].count("P506") == count
