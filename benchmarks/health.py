"""How long measuring a weight takes against plain calls, and how often a report is wrong.

    OMP_NUM_THREADS=1 python benchmarks/health.py [--runs 7] [--write]
    python benchmarks/health.py --false-alarms [--seeds 200] [--first 0] [--keep FILE] [RECIPE ...]

One process, the same 30,522 x 768 float32 matrix and threads on both sides, in turns. Times are
those of the processor in all threads, which other programs don't lengthen; on one thread none waits
for another. `--write` puts the table into docs/performance.md.

`--false-alarms` builds every shipped recipe with each seed, probes included, and counts the reports
with an error or a warning: shipped recipes are sound, so each is a false alarm. Fewer than one in
1,000 may have one. With `--keep` every report is a line of FILE, those that stand there already are
not made again, and the count is of all that it holds: a long run can be stopped, and goes on.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch
from measure import DOCS, machine_and_runs, medians, shown, write_table
from torch import Tensor

from seobuilder.errors import SeobuilderError
from seobuilder.health.spectrum import Edges, as_matrices, declared_edges, spectrum
from seobuilder.health.statistics import measure
from seobuilder.planning.distributions import Normal
from seobuilder.recipe.load import load_recipe
from seobuilder.recipe.shipped import recipe_names
from seobuilder.stages import Building

PAGE = DOCS / "performance.md"
SHAPE = (30_522, 768)


def plain(x: Tensor) -> tuple[Tensor, ...]:
    """What `measure` gives, by one call for each."""
    spread = (x.mean(), x.std(), x.min(), x.max(), x.abs().sum(), x.norm())
    return *spread, (x == 0).sum(), x.isnan().sum(), x.isinf().sum()


def ours(x: Tensor, edges: Edges | None) -> float:
    """Statistics and the spectral norm, with the edges that are declared for it, if any are."""
    found = spectrum(as_matrices(x), measure(x), edges)
    assert found is not None and found.largest is not None
    return found.largest


def by_numpy(x: Tensor) -> tuple[float, ...]:
    """Some of the statistics, and the spectral norm."""
    array = x.numpy()
    norm = np.linalg.norm(array, 2)
    return tuple(map(float, (array.mean(), array.std(), array.min(), array.max(), norm)))


def table(runs: int) -> Iterator[str]:
    """The lines of the report, each as soon as it is measured."""
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)) * 0.02
    yield f"{machine_and_runs(runs)} Processor time."
    yield ""
    yield "| measured, 30,522 x 768 | peer | seobuilder, ms | peer, ms | ratio | wanted | reached |"
    yield "|---|---|---:|---:|---:|---:|---|"
    edges = declared_edges(Normal(0, 0.02), SHAPE)
    peer = "numpy mean, std, min, max, norm(x, 2)"
    rows: list[tuple[str, str, float, Callable[[], object], Callable[[], object]]] = [
        ("statistics", "nine torch calls", 4, partial(measure, x), partial(plain, x)),
        (
            "statistics and spectral norm, declared",
            peer,
            20,
            partial(ours, x, edges),
            partial(by_numpy, x),
        ),
        (
            "statistics and spectral norm, nothing declared",
            peer,
            20,
            partial(ours, x, None),
            partial(by_numpy, x),
        ),
    ]
    for name, peer, wanted, mine, theirs in rows:
        fast, slow = medians(mine, theirs, runs, process_time)
        reached = "yes" if slow / fast >= wanted else "no"
        times = f"{fast * 1e3:,.0f} | {slow * 1e3:,.0f} | {slow / fast:.1f}"
        yield f"| {name} | {peer} | {times} | {wanted:g} | {reached} |"
    exact = by_numpy(x)[-1]
    off = [f"{found / exact - 1:+.2%}" for found in (ours(x, edges), ours(x, None))]
    yield ""
    yield f"The spectral norm is {off[0]} and {off[1]} off numpy's."


def false_alarms(names: Sequence[str], seeds: range, keep: Path | None) -> Iterator[str]:
    """One line for each recipe, and one for all."""
    kept: dict[tuple[str, int], list[str]] = {}
    if keep is not None and keep.exists():
        for line in keep.read_text(encoding="utf-8").splitlines():
            name, seed, *codes = json.loads(line)
            kept[name, seed] = codes
    reports, alarms, start = 0, 0, perf_counter()
    for name in names:
        try:
            for seed in seeds:
                if (name, seed) not in kept:
                    kept[name, seed] = found = alarms_of(name, seed)
                    if keep is not None:
                        with keep.open("a", encoding="utf-8") as file:
                            file.write(json.dumps([name, seed, *found]) + "\n")
        except SeobuilderError as error:
            yield f"{name}: left out: {str(error).splitlines()[0]}"
            continue
        own = [codes for (recipe, _), codes in kept.items() if recipe == name]
        wrong = sum(map(bool, own))
        counts = dict(Counter(code for codes in own for code in codes))
        reports, alarms = reports + len(own), alarms + wrong
        yield f"{name}: {wrong} of {len(own)} reports with a false alarm {counts or ''}"
    yield f"{alarms} of {reports} reports, in {perf_counter() - start:,.0f} s"


def alarms_of(name: str, seed: int) -> list[str]:
    """Code and place of every error and warning in a recipe's report."""
    report = Building(load_recipe(name, [f"seed={seed}"])).report
    return [f"{found.code} {found.place}" for found in (*report.issues, *report.warnings)]


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description="Time measuring, or count false alarms.")
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="all that are shipped")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--false-alarms", action="store_true")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="reports that were made, to go on"
    )
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    arguments = parser.parse_args()
    if arguments.false_alarms:
        names = arguments.recipes or recipe_names()
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        for line in false_alarms(names, seeds, arguments.keep):
            print(line, flush=True)
        return
    lines = shown(table(arguments.runs))
    if arguments.write:
        write_table(PAGE, Path(__file__).name, lines)


if __name__ == "__main__":
    main()
