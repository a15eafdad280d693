"""Which pool leaves maps of states idle."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seobuilder.planning.ends import pool_at_an_end
from seobuilder.planning.model import Plan


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
    modules = (
        "words: {kind: token_embedding, from: query, width: 4}\n"
        "reader: {kind: recurrent, from: words, cell: gru, width: 4}\n"
        f"meaning: {{kind: pool, from: reader, method: {method}}}\n"
        "joined: {kind: concat, from: [meaning, page]}"
    )
    plan = planned(modules=modules, initialization='- {match: "**", method: keep}')
    names = [f"reader.layers.0.forward.{name}" for name in silent]
    assert pool_at_an_end(plan, names) == pool
