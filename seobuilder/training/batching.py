"""Which rows stand in one batch, and in which order batches come.

Rows of similar length stand together, so that little of a batch is padding. An order is a pure
function of (seed, epoch, block): nothing of it needs to be saved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from seobuilder.data.split import Indices, hash_order
from seobuilder.init.streams import Stream
from seobuilder.recipe.spec.training import BatchSpec

NOISE = 0.1
"""How far, as a share of its length, a row is moved among the others: the same rows seldom meet."""

ROWS = 32
"""Rows of a batch whose size the recipe doesn't state."""


@dataclass(frozen=True)
class Order:
    """The batches of every epoch.

    Args:
        rows: of the data, what an epoch goes through.
        lengths: tokens of each row of the data [N], at least 1.
        groups: number of the group of each row of the data; groups are not torn.
        size: of a batch.
        seed: of the order.
        world: processes, each of which takes its share of a step's batches.
        block: number of the block of a stream that the rows are.
    """

    rows: Indices
    lengths: Indices
    groups: Indices | None
    size: BatchSpec
    seed: int
    world: int = 1
    block: int = 0

    def steps(self, epoch: int, rank: int = 0) -> list[list[Indices]]:
        """The batches of each step of an epoch that a process takes, at least one in each step."""
        key = f"{epoch}/{self.block}" if self.block else str(epoch)
        generator = np.random.default_rng(Stream(self.seed, key, "order").torch_seed)
        noise = 1 + NOISE * generator.uniform(-1, 1, len(self.lengths))
        batches = cut(self.rows, self.lengths, self.groups, self.size, noise)
        batches = [batches[index] for index in generator.permutation(len(batches))]
        # Every process must take part in every step: some batches come twice, as torch's own
        # DistributedSampler has it.
        missing = -len(batches) % self.world
        batches += (batches * missing)[:missing]
        together = self.size.accumulate * self.world
        return [
            batches[start : start + together][rank :: self.world]
            for start in range(0, len(batches), together)
        ]


def cut(
    rows: Indices,
    lengths: Indices,
    groups: Indices | None,
    size: BatchSpec,
    noise: NDArray[np.float64] | None = None,
) -> list[Indices]:
    """Batches of similar length, the shortest first; lengths are taken times `noise` [N]."""
    order, ends = _sorted(rows, lengths if noise is None else lengths * noise, groups)
    if groups is None and size.tokens is None:
        return np.array_split(order, ceil(len(order) / (size.rows or ROWS))) if len(order) else []
    cuts = list(_cuts(ends, np.maximum.reduceat(lengths[order], ends[:-1]), size))
    if cuts and len(order) - cuts[-1] == 1:  # too few for a norm over the batch
        cuts.pop()
    return np.split(order, cuts)


def _sorted(
    rows: Indices, keys: NDArray[np.generic], groups: Indices | None
) -> tuple[Indices, Indices]:
    """Rows by their key, and where what is not torn begins and ends: rows, or groups by their last.

    The second has one number more than there are units.
    """
    if groups is None:
        return rows[np.argsort(keys[rows], kind="stable")], np.arange(len(rows) + 1)
    numbers, unit = np.unique(groups[rows], return_inverse=True)
    last = np.zeros(len(numbers))
    np.maximum.at(last, unit, keys[rows])
    order = np.lexsort((unit, last[unit]))
    starts = np.flatnonzero(np.diff(unit[order], prepend=-1))
    return rows[order], np.append(starts, len(rows))


def _cuts(ends: Indices, longest: Indices, size: BatchSpec) -> Iterator[int]:
    """Where a batch ends and the next one begins: each holds what fits, but at least one unit."""
    start = width = 0
    for begin, end, length in zip(
        ends[:-1].tolist(), ends[1:].tolist(), longest.tolist(), strict=True
    ):
        width = max(width, length)
        held = end - start
        is_full = held > (size.rows or ROWS) if size.tokens is None else held * width > size.tokens
        if begin > start and is_full:
            yield begin
            start, width = begin, length


def hold_out(
    rows: Indices, share: float, seed: int, groups: Indices | None
) -> tuple[Indices, Indices]:
    """Rows to train on and rows to look at, each ascending; groups are not torn.

    Of n rows, or groups, `round(share * n)` are held out, at least one if the share is not 0, and
    at least one is left.
    """
    keys: Sequence[int] = rows.tolist() if groups is None else np.unique(groups[rows]).tolist()
    count = min(max(round(share * len(keys)), int(share > 0)), len(keys) - 1)
    held = [keys[index] for index in hash_order(seed, keys, "validation")[:count]]
    is_held = np.isin(rows if groups is None else groups[rows], held)
    return rows[~is_held], rows[is_held]
