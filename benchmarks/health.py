"""How long measuring a weight takes against plain calls, and how often a report is wrong.

    python benchmarks/health.py [--runs 7] [--write]
    python benchmarks/health.py --false-alarms [--seeds 200] [--first 0] [RECIPE ...]

One process, the same 30,522 x 768 float32 matrix and threads on both sides, in turns. `--write`
puts the table into docs/performance.md.

`--false-alarms` builds every shipped recipe with each seed, and counts the reports that find fault
with weights that are as declared. Fewer than one in 1,000 may.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from measure import DOCS, machine, medians, write_table
from torch import Tensor

from seobuilder.errors import SeobuilderError
from seobuilder.health.assess import assess
from seobuilder.health.spectrum import as_matrices, spectrum
from seobuilder.health.statistics import measure
from seobuilder.init.threads import one_thread
from seobuilder.recipe.load import load_recipe
from seobuilder.recipe.shipped import recipe_names
from seobuilder.stages import Building

PAGE = DOCS / "performance.md"
SHAPE = (30_522, 768)


def plain(x: Tensor) -> tuple[Tensor, ...]:
    """What `measure` gives, by one call for each."""
    spread = (x.mean(), x.std(), x.min(), x.max(), x.abs().sum(), x.norm())
    return *spread, (x == 0).sum(), x.isnan().sum(), x.isinf().sum()


def ours(x: Tensor) -> float | None:
    """Statistics and the spectral norm."""
    found = spectrum(as_matrices(x), measure(x))
    assert found is not None
    return found.largest


def by_numpy(x: Tensor) -> tuple[float, ...]:
    """Some of the statistics, and the spectral norm."""
    array = x.numpy()
    norm = np.linalg.norm(array, 2)
    return tuple(map(float, (array.mean(), array.std(), array.min(), array.max(), norm)))


def table(runs: int) -> Iterator[str]:
    """The lines of the report, each as soon as it is measured."""
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0)) * 0.02
    yield machine(runs)
    yield ""
    yield "| measured, 30,522 x 768 | peer | seobuilder, ms | peer, ms | ratio | wanted | reached |"
    yield "|---|---|---:|---:|---:|---:|---|"
    rows: list[tuple[str, str, float, Callable[[], object], Callable[[], object]]] = [
        ("statistics", "nine torch calls", 4, partial(measure, x), partial(plain, x)),
        (
            "statistics and spectral norm",
            "numpy mean, std, min, max, norm(x, 2)",
            20,
            partial(ours, x),
            partial(by_numpy, x),
        ),
    ]
    for name, peer, wanted, mine, theirs in rows:
        fast, slow = medians(mine, theirs, runs)
        reached = "yes" if slow / fast >= wanted else "no"
        times = f"{fast * 1e3:,.0f} | {slow * 1e3:,.0f} | {slow / fast:.1f}"
        yield f"| {name} | {peer} | {times} | {wanted:g} | {reached} |"
    found, exact = ours(x), by_numpy(x)[-1]
    assert found is not None
    yield ""
    yield f"The spectral norm came out {abs(found / exact - 1):.2%} below numpy's."


def false_alarms(names: Sequence[str], seeds: range) -> Iterator[str]:
    """One line for each recipe, and one for all."""
    reports, alarms, start = 0, 0, perf_counter()
    for name in names:
        found: Counter[str] = Counter()
        wrong = 0
        for seed in seeds:
            try:
                building = Building(load_recipe(name, [f"seed={seed}"]))
                model = building.model
            except SeobuilderError as error:
                yield f"{name}: left out: {str(error).splitlines()[0]}"
                break
            with one_thread():
                codes = [f"{f.code} {f.place}" for f in assess(model, building.plan).issues]
            wrong += bool(codes)
            found.update(codes)
        else:
            reports, alarms = reports + len(seeds), alarms + wrong
            yield f"{name}: {wrong} of {len(seeds)} reports with a false alarm {dict(found) or ''}"
    yield f"{alarms} of {reports} reports, in {perf_counter() - start:,.0f} s"


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description="Time measuring, or count false alarms.")
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="all that are shipped")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--false-alarms", action="store_true")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    arguments = parser.parse_args()
    if arguments.false_alarms:
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        for line in false_alarms(arguments.recipes or recipe_names(), seeds):
            print(line, flush=True)
        return
    lines = []
    for line in table(arguments.runs):
        print(line, flush=True)
        lines.append(line)
    if arguments.write:
        write_table(PAGE, Path(__file__).name, lines)


if __name__ == "__main__":
    main()
