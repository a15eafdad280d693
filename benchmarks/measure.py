"""What the benchmarks share: timing two sides in turn, the machine, and the table in a page."""

from __future__ import annotations

import gc
import os
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from time import perf_counter

import torch

DOCS = Path(__file__).parent.parent / "docs"


Clock = Callable[[], float]


def seconds(function: Callable[[], object], clock: Clock = perf_counter) -> float:
    """Time of one call, on the wall or by another clock, without that of freeing its result."""
    gc.collect()
    start = clock()
    result = function()
    elapsed = clock() - start
    del result
    return elapsed


def medians(
    ours: Callable[[], object],
    theirs: Callable[[], object],
    runs: int,
    clock: Clock = perf_counter,
) -> tuple[float, float]:
    """Median seconds of both, run in turn, so that a busy moment of the machine hits both."""
    seconds(ours), seconds(theirs)
    pairs = [(seconds(ours, clock), seconds(theirs, clock)) for _ in range(runs)]
    mine, reference = (median(times) for times in zip(*pairs, strict=True))
    return mine, reference


def machine() -> str:
    """Where it was measured, for the line above a table."""
    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}, "
        f"torch {torch.__version__}, float32."
    )


def machine_and_runs(runs: int) -> str:
    """The line above a table of medians: where it was measured, and how."""
    return f"{machine()} Medians of {runs} interleaved runs."


def shown(lines: Iterable[str]) -> list[str]:
    """The lines, each printed as soon as it is there."""
    found = []
    for line in lines:
        print(line, flush=True)
        found.append(line)
    return found


def read_table(page: Path, script: str) -> list[str]:
    """The lines of a script's table in a page."""
    return _around_table(page, script)[1].splitlines()


def write_table(page: Path, script: str, lines: list[str]) -> None:
    """Put a script's table into a page, between the marks that name the script."""
    before, _, after = _around_table(page, script)
    page.write_text(before + "".join(line + "\n" for line in lines) + after)


def _around_table(page: Path, script: str) -> tuple[str, str, str]:
    begin, end = f"<!-- table: benchmarks/{script} --write -->\n", "<!-- end of table -->"
    before, found, rest = page.read_text().partition(begin)
    table, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{page} has no place for the table of {script}")
    return before + begin, table, end + after
