"""Selectors that match some parameters and no others."""

from __future__ import annotations

import pytest

from seobuilder.planning.model import Parameter
from seobuilder.planning.selecting import narrow_selectors


def parameters(*names: str) -> list[Parameter]:
    """Parameters of these names; one in `down` has the role residual_out."""
    return [
        Parameter(name, (name,), (2, 2), "residual_out" if ".down." in name else "weight", "linear")
        for name in names
    ]


EVERY = parameters(
    *(f"a.blocks.{i}.{layer}.weight" for i in range(12) for layer in ("up", "gate", "down")),
    *(f"b.blocks.{i}.{layer}.weight" for i in range(2) for layer in ("up", "gate", "down")),
    "a.deep.one.two.weight",
    "a.deep.weight",
    "head.weight",
)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["head.weight"], [{"match": "head.weight"}]),
        (["a.deep.weight", "a.deep.one.two.weight"], [{"match": "a.deep.**.weight"}]),
        ([f"a.blocks.{i}.up.weight" for i in range(12)], [{"match": "a.blocks.*.up.weight"}]),
        (
            [f"a.blocks.{i}.up.weight" for i in range(9, 12)],
            [{"match": "a.blocks.<9-11>.up.weight"}],
        ),
        (
            [f"{m}.blocks.{i}.up.weight" for m in "ab" for i in range(2)],
            [{"match": "{a,b}.blocks.<0-1>.up.weight"}],
        ),
        ([p.name for p in EVERY if p.role == "residual_out"], [{"role": "residual_out"}]),
        (
            [p.name for p in EVERY if p.role == "residual_out" and p.name.startswith("a.")],
            [{"match": "a.blocks.*.down.weight"}],
        ),
        (
            ["head.weight", "a.blocks.3.up.weight"],
            [{"match": "head.weight"}, {"match": "a.blocks.3.up.weight"}],
        ),
    ],
)
def test_the_shortest_that_is_exact(names: list[str], expected: list[dict[str, str]]) -> None:
    assert narrow_selectors(names, EVERY) == expected


def test_a_role_beside_a_pattern() -> None:
    every = parameters("a.x.down.weight", "a.down.weight", "a.x.up.weight", "b.down.weight")
    assert narrow_selectors(["a.x.down.weight", "a.down.weight"], every) == [
        {"match": "a.**.down.weight"}
    ]
    every = parameters("a.down.one.weight", "a.down.two.x.weight", "a.up.weight", "b.down.weight")
    assert narrow_selectors(["a.down.one.weight", "a.down.two.x.weight"], every) == [
        {"match": "a.down.**.weight"}
    ]
    every = parameters("a.down.one", "a.x.down.two", "a.up.one", "b.down.one")
    assert narrow_selectors(["a.down.one", "a.x.down.two"], every) == [
        {"match": "a.**", "role": "residual_out"}
    ]


def test_a_choice_too_long_for_one_pattern_is_parted() -> None:
    names = [f"{'word' * 10}{letter}.weight" for letter in "abcdefgh"]
    found = narrow_selectors(names[:7], parameters(*names))
    assert len(found) == 4
    assert found[0] == {"match": names[0]}
