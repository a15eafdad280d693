from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seobuilder.data.split import hash_order, pick, split_by_share


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 2**63 - 1))
def test_the_share_is_exact(rows: int, share: float, seed: int) -> None:
    train, test = split_by_share(rows, share, seed, None, [])
    assert len(test) == min(max(round(share * rows), 1), rows - 1)
    assert sorted([*train, *test]) == list(range(rows))
    assert (np.diff(train) > 0).all()
    assert (np.diff(test) > 0).all()


def test_the_split_is_frozen() -> None:
    _, test = split_by_share(20, 0.25, 7, None, [])
    assert test.tolist() == [0, 2, 6, 7, 19]


@given(st.lists(st.integers(0, 6), min_size=2, max_size=40), st.integers(0, 1000))
def test_groups_are_never_torn(numbers: list[int], seed: int) -> None:
    keys = [str(number) for number in sorted(set(numbers))]
    groups = np.array([keys.index(str(number)) for number in numbers])
    if len(keys) < 2:
        with pytest.raises(ValueError, match=r"^1 group can't be split$"):
            split_by_share(len(groups), 0.5, seed, groups, keys)
        return
    train, test = split_by_share(len(groups), 0.5, seed, groups, keys)
    assert len(train) + len(test) == len(groups)
    assert set(groups[train]).isdisjoint(groups[test])
    assert len(set(groups[test])) == max(1, round(len(keys) / 2))


def test_a_row_at_the_end_moves_at_most_one_other() -> None:
    before = set(split_by_share(100, 0.2, 3, None, [])[1].tolist())
    after = set(split_by_share(101, 0.2, 3, None, [])[1].tolist())
    assert len(before - after) <= 1


def test_every_row_is_held_out_as_often_as_another() -> None:
    counts = np.zeros(10)
    for seed in range(1000):
        counts[split_by_share(10, 0.3, seed, None, [])[1]] += 1
    # Five standard deviations of a binomial with 1000 draws of probability 0.3.
    assert np.abs(counts - 300).max() < 5 * (1000 * 0.3 * 0.7) ** 0.5


def test_purposes_and_seeds_order_differently() -> None:
    orders = {tuple(hash_order(seed, range(8), p)) for seed in (1, 2) for p in ("split", "sample")}
    assert len(orders) == 4


def test_picked_rows_come_from_the_given_ones() -> None:
    rows = np.array([1, 3, 5, 7, 9])
    picked = pick(rows, 3, 0, None)
    assert len(set(picked.tolist())) == 3
    assert set(picked.tolist()) <= set(rows.tolist())
    assert pick(rows, 3, 0, None).tolist() == picked.tolist()
    assert sorted(pick(rows, 99, 0, None).tolist()) == rows.tolist()


def test_picked_groups_are_whole() -> None:
    groups = np.array([0, 1, 0, 2, 1, 0, 2, 2])
    rows = np.array([0, 1, 2, 4, 5, 3])
    for seed in range(10):
        picked = groups[pick(rows, 3, seed, groups)].tolist()
        assert len(picked) >= 3
        for number in set(picked):
            assert picked.count(number) == groups[rows].tolist().count(number)
            first = picked.index(number)
            assert set(picked[first : first + picked.count(number)]) == {number}
