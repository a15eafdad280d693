"""Which rows are held out for testing, and which are looked at: decided by hashes of the seed.

No generator is involved, so the choice depends on nothing but the seed and the keys. A row that is
added at the end of a file moves few of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def hash_order(seed: int, keys: Iterable[object], purpose: str) -> Indices:
    """Positions of `keys`, sorted by the hash of (purpose, seed, key)."""
    hashes = (_hash(f"{purpose}/{seed}/{key}") for key in keys)
    return np.argsort(np.fromiter(hashes, dtype=np.uint64), kind="stable")


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=16).digest()[:8])


def split_by_share(
    rows: int, share: float, seed: int, groups: Indices | None, group_keys: Sequence[str]
) -> tuple[Indices, Indices]:
    """Training and test rows, each ascending.

    Exactly `round(share * n)` of the n rows are held out, but at least one, and at least one is
    left. With `groups` [rows], the numbers of the rows' groups in `group_keys`, n counts groups,
    and a group is never torn.

    Raises:
        ValueError: there are fewer than two rows, or groups.
    """
    keys: Sequence[object] = range(rows) if groups is None else group_keys
    if len(keys) < 2:
        raise ValueError(f"{len(keys)} {'row' if groups is None else 'group'} can't be split")
    count = min(max(round(share * len(keys)), 1), len(keys) - 1)
    held_out = np.zeros(len(keys), dtype=bool)
    held_out[hash_order(seed, keys, "split")[:count]] = True
    test = held_out if groups is None else held_out[groups]
    return np.flatnonzero(~test), np.flatnonzero(test)


def pick(rows: Indices, count: int, seed: int, groups: Indices | None) -> Indices:
    """At least `count` of `rows` where there are so many, in an order that hashes decide.

    With `groups`, the group of every row of the data, whole groups are taken until `count` is
    reached; the rows of one group stand together.
    """
    if groups is None:
        return rows[hash_order(seed, rows.tolist(), "sample")[:count]]
    members: dict[int, list[int]] = {}
    for row in rows.tolist():
        members.setdefault(int(groups[row]), []).append(row)
    numbers = list(members)
    taken: list[int] = []
    for position in hash_order(seed, numbers, "sample").tolist():
        if len(taken) >= count:
            break
        taken.extend(members[numbers[position]])
    return np.array(taken, dtype=np.int64)
