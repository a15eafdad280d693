"""What formulas may say of the recipe as a whole, and of what stands around a parameter."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seobuilder.planning.model import Plan

Planned = Callable[..., Plan]

TOWERS = """\
words: {{kind: token_embedding, from: query, width: 4, positions: learned}}
other: {{kind: token_embedding, from: query, width: 4}}
again: {{same_as: words, from: query}}
encoder: {{kind: transformer, from: {first}, depth: 3, heads: 2, ffn: {{kind: mlp, width: 8}}}}
second: {{kind: transformer, from: {then}, depth: {depth}, heads: 2, ffn: {{kind: mlp, width: 8}}}}
plain: {{kind: pool, from: other, method: mean}}
one: {{kind: pool, from: encoder, method: mean}}
two: {{kind: pool, from: second, method: mean}}
three: {{kind: pool, from: words, method: mean}}
four: {{kind: pool, from: again, method: mean}}
facts: {{kind: mlp, from: page, widths: [4]}}
joined: {{kind: concat, from: [plain, one, two, three, four, facts]}}"""


def variables(plan: Plan, name: str) -> dict[str, float]:
    return dict(next(a.parameter for a in plan.assignments if a.parameter.name == name).variables)


def test_the_base_width_is_known_everywhere_once_it_is_set(planned: Planned) -> None:
    plan = planned(base_width="64")
    assert {a.parameter.variables["base_width"] for a in plan.assignments} == {64}
    for assignment in planned().assignments:
        assert "base_width" not in assignment.parameter.variables


@pytest.mark.parametrize(
    ("first", "then", "depth", "known"),
    [
        ("words", "words", 3, 3),
        ("words", "again", 3, 3),
        ("again", "other", 5, 3),
        # Two readers of different depth leave none.
        ("words", "again", 5, None),
        ("other", "other", 3, None),
    ],
)
def test_an_embedding_knows_the_depth_of_the_transformer_that_reads_it(
    planned: Planned, first: str, then: str, depth: int, known: int | None
) -> None:
    plan = planned(modules=TOWERS.format(first=first, then=then, depth=depth))
    for name in ("words.tokens.weight", "words.positions.weight"):
        assert variables(plan, name).get("depth") == known
