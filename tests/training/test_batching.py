"""The order of rows: every row once, similar lengths together, a function of seed and epoch."""

from __future__ import annotations

import numpy as np
import pytest

from seobuilder.data.split import Indices
from seobuilder.recipe.spec.training import BatchSpec
from seobuilder.training.batching import Order, cut, hold_out

LENGTHS = np.random.default_rng(0).integers(1, 60, 500)
ROWS = np.arange(0, 500, 2)


def order(size: BatchSpec, world: int = 1, groups: Indices | None = None, seed: int = 3) -> Order:
    return Order(ROWS, LENGTHS, groups, size, seed, world)


def flat(steps: list[list[Indices]]) -> list[int]:
    return [row for step in steps for batch in step for row in batch.tolist()]


@pytest.mark.parametrize(
    "size", [BatchSpec(rows=16), BatchSpec(tokens=400), BatchSpec(rows=7, accumulate=3)]
)
def test_an_epoch_has_every_row_once_and_is_a_function_of_seed_and_epoch(size: BatchSpec) -> None:
    steps = order(size).steps(4)
    assert sorted(flat(steps)) == ROWS.tolist()
    assert flat(steps) == flat(order(size).steps(4))
    assert flat(steps) != flat(order(size).steps(5))
    assert flat(steps) != flat(order(size, seed=4).steps(4))


def test_the_same_rows_seldom_meet_again() -> None:
    batches = [
        {frozenset(batch.tolist()) for step in order(BatchSpec(rows=8)).steps(e) for batch in step}
        for e in range(2)
    ]
    assert len(batches[0] & batches[1]) <= 3  # of 32


def test_a_budget_of_tokens_holds_and_is_used() -> None:
    batches = [batch for step in order(BatchSpec(tokens=400)).steps(0) for batch in step]
    sizes = [len(batch) * LENGTHS[batch].max() for batch in batches]
    assert max(sizes) <= 400 and np.mean(sizes) > 330
    padding = 1 - sum(LENGTHS[b].sum() for b in batches) / sum(sizes)
    assert padding < 0.12  # of rows that stand together at random it is about a half


def test_a_row_longer_than_the_budget_stands_alone_and_a_last_one_joins_others() -> None:
    lengths = np.array([50, 3, 3, 3])
    batches = cut(np.arange(4), lengths, None, BatchSpec(tokens=9))
    assert [batch.tolist() for batch in batches] == [[1, 2, 3, 0]]
    lengths = np.array([50, 3, 50, 3])
    batches = cut(np.arange(4), lengths, None, BatchSpec(tokens=9))
    assert [batch.tolist() for batch in batches] == [[1, 3], [0, 2]]


def test_groups_are_not_torn() -> None:
    groups = np.arange(500) // 6
    for size in (BatchSpec(rows=20), BatchSpec(tokens=500)):
        seen = [
            set(groups[batch].tolist())
            for step in order(size, groups=groups).steps(0)
            for batch in step
        ]
        assert sum(map(len, seen)) == len(set().union(*seen)) == len(np.unique(groups[ROWS]))


def test_processes_share_a_step_and_take_as_many() -> None:
    size = BatchSpec(rows=16, accumulate=2)
    parts = [order(size, world=3).steps(1, rank) for rank in range(3)]
    assert len({len(part) for part in parts}) == 1
    assert [len(step) for step in parts[0]] == [2, 2, 2]
    together = [row for part in parts for row in flat(part)]
    assert set(together) == set(ROWS.tolist()) and len(together) < len(ROWS) + 3 * 16


def test_rows_are_held_out_by_share_and_by_group() -> None:
    train, held = hold_out(ROWS, 0.2, 1, None)
    assert len(held) == 50 and sorted([*train, *held]) == ROWS.tolist()
    assert not len(hold_out(ROWS, 0.0, 1, None)[1])
    groups = np.arange(500) // 6
    train, held = hold_out(ROWS, 0.2, 1, groups)
    assert not set(groups[train]) & set(groups[held]) and len(held) > 30
    assert len(hold_out(ROWS[:2], 0.9, 1, None)[0]) == 1


def test_blocks_of_an_epoch_have_orders_of_their_own() -> None:
    def rows(block: int) -> list[int]:
        order = Order(ROWS, LENGTHS, None, BatchSpec(rows=8), seed=7, block=block)
        return [row for step in order.steps(1) for batch in step for row in batch.tolist()]

    assert rows(1) == rows(1) != rows(2) and sorted(rows(1)) == sorted(rows(2))
