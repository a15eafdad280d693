"""Work shared out to threads such that their number changes no bit of the result.

PyTorch's own operations run on one thread meanwhile: sums in matrix routines are split by thread,
and their rounding with them. The threads here take whole jobs, and a job is cut by the shape of
what it writes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock
from typing import Protocol, TypeVar

import torch

SMALL = 1 << 16
"""Cost up to which jobs are not worth a second thread."""

_LOCK = RLock()
_outside: int | None = None
"""PyTorch's number of threads outside of `one_thread`; None if it is that now."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Spread(Protocol):
    """Calls a function with each item, perhaps on several threads, and gives the results."""

    def __call__(
        self, function: Callable[[Item], Result], items: Iterable[Item], /
    ) -> list[Result]:
        """The results in the order of the items; raises what a call raised."""


def in_turn(function: Callable[[Item], Result], items: Iterable[Item], /) -> list[Result]:
    """The spread over the calling thread alone."""
    return [function(item) for item in items]


@dataclass(frozen=True, slots=True)
class Job:
    """Work that depends on no other job.

    Args:
        run: does it, and may share out parts of it by the spread that it is given.
        cost: how long it takes, in elements of a normal weight.
        divisible: it uses the spread; if it costs more than one thread's share of all jobs, it is
            done before the others, on all threads.
    """

    run: Callable[[Spread], None]
    cost: float = 1.0
    divisible: bool = False


def run(jobs: Iterable[Job]) -> None:
    """Do the jobs on as many threads as PyTorch is set to use."""
    # The costly ones come first, so that no thread is left with one at the end.
    ordered = sorted(jobs, key=lambda job: job.cost, reverse=True)
    with one_thread() as threads:
        total = sum(job.cost for job in ordered)
        threads = threads if total > SMALL else 1
        share = total / threads
        wide = [job for job in ordered if job.divisible and job.cost > share]
        narrow = [job for job in ordered if not (job.divisible and job.cost > share)]
        with _pool(threads if wide or len(narrow) > 1 else 1) as spread:
            for job in wide:
                job.run(spread)
            spread(lambda job: job.run(in_turn), narrow)


@contextmanager
def one_thread() -> Iterator[int]:
    """PyTorch's operations run on one thread inside; gives the number that they have outside.

    The number of threads belongs to the whole process, so others who ask for one thread wait.
    """
    global _outside
    with _LOCK:
        if _outside is not None:
            yield _outside
            return
        _outside = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield _outside
        finally:
            torch.set_num_threads(_outside)
            _outside = None


@contextmanager
def sharing(items: int) -> Iterator[Spread]:
    """A spread for that many items, over as many threads as PyTorch is set to use."""
    with one_thread() as threads, _pool(min(threads, items)) as spread:
        yield spread


@contextmanager
def _pool(threads: int) -> Iterator[Spread]:
    if threads <= 1:
        yield in_turn
        return
    with ThreadPoolExecutor(threads) as pool:

        def spread(function: Callable[[Item], Result], items: Iterable[Item], /) -> list[Result]:
            return list(pool.map(function, items))

        yield spread
