"""What the monitors cost, as a share of a step.

    python benchmarks/monitors.py [--rounds 20] [--write]

Each recipe is trained with all monitors at their default interval. Every step is of the same batch,
of usual length, so that one is as much work as another; it runs on one thread, and its time is that
of the processor, which other programs don't lengthen. A round is one interval: the step that is
measured, and those up to the next one. What monitors take of it is

- all that the measured step takes longer than a bare one: what is called, the hooks of its forward
  pass, and the tensors that are kept for it;
- the same of the step after it, which may find the caches empty;
- what the monitors take within each of the others, by the clock around every call.

A bare step is the median of the others without what monitors take within them. The cost is the
median of the rounds, beside which stand their quartiles. `--write` puts the table into
docs/monitors.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from time import thread_time
from typing import NamedTuple

import numpy as np
import torch
from measure import DOCS, machine, shown, write_table

from seobuilder.data.split import Indices
from seobuilder.recipe.load import LoadedRecipe, load_recipe
from seobuilder.stages import Building
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.feed import Feed, make_feed
from seobuilder.training.loop import Loop
from seobuilder.training.monitors import Measure, Meter, Watch

PAGE = DOCS / "monitors.md"
WANTED = 0.03
ROWS = 32

CONVOLUTION = (
    "modules={words: {kind: token_embedding, from: query, width: 192}, "
    "body: {kind: conv, from: words, channels: [192], kernel: [1, 2, 3, 5], activation: relu}, "
    "summary: {kind: pool, from: body, method: max}}",
    "normalization=[]",
    "initialization=[{preset: kaiming}]",
)

RECIPES: dict[str, tuple[str, tuple[str, ...]]] = {
    "search_intent, 4 transformer blocks": ("search_intent", ()),
    "text convolution, 4 widths of 192 channels": ("search_intent", CONVOLUTION),
}


class Timed(Callback):
    """Calls the monitors, and takes the seconds of each step, and of what is called within it."""

    def __init__(self, inner: list[Callback]) -> None:
        self.inner = inner
        self.steps: list[float] = []
        self.within: list[float] = []
        self.begun = self.spent = 0.0

    def call(self, place: str, state: State) -> float:
        """Call a place of all monitors; gives the time after it."""
        before = thread_time()
        for each in self.inner:
            getattr(each, place)(state)
        after = thread_time()
        self.spent += after - before
        return after

    def on_start(self, state: State) -> None:
        self.call("on_start", state)
        self.begun, self.spent = thread_time(), 0.0

    def on_batch(self, state: State) -> None:
        self.call("on_batch", state)

    def on_backward(self, state: State) -> None:
        self.call("on_backward", state)

    def on_step(self, state: State) -> None:
        now = self.call("on_step", state)
        self.steps.append(now - self.begun)
        self.within.append(self.spent)
        self.begun, self.spent = now, 0.0


class Round(NamedTuple):
    """Seconds of one interval: a bare step, what the measured and the next add, and each other."""

    bare: float
    measured: float
    other: float

    def cost(self, every: int) -> float:
        """What monitors add, as a share of bare steps."""
        return (self.measured + (every - 2) * self.other) / (every * self.bare)


def rounds_of(timed: Timed, every: int) -> list[Round]:
    """The rounds of a run, from the first step that is measured after so many."""
    steps, within = np.array(timed.steps), np.array(timed.within)
    found = []
    for first in range(every - 1, len(steps) - every + 1, every):
        rest = slice(first + 2, first + every)
        bare = float(np.median(steps[rest] - within[rest]))
        measured = steps[first] + steps[first + 1] - 2 * bare
        found.append(Round(bare, float(measured), float(within[rest].mean())))
    return found


def usual(feed: Feed, rows: Indices) -> Indices:
    """As many rows as a batch has, in the middle of all by their length."""
    ordered = rows[np.argsort(feed.lengths[rows], kind="stable")]
    start = (len(ordered) - ROWS) // 2
    return np.sort(ordered[start : start + ROWS])


def measure(loaded: LoadedRecipe) -> list[Round]:
    """Train a recipe, and give the rounds of it."""
    building = Building(loaded)
    recipe, examples = loaded.recipe, building.examples
    assert examples is not None
    every = recipe.training.monitors.every
    timed = Timed([Watch(loaded), Measure(Meter(building.model, building.plan), every)])
    feed = make_feed(recipe, examples, building.tokenizers)
    Loop(building, feed, usual(feed, examples.train), examples.train[:0], [timed]).run()
    return rounds_of(timed, every)


def table(rounds: int) -> Iterator[str]:
    """The lines of the report."""
    yield f"{machine()} Processor time of one thread, medians of {rounds} intervals of a run."
    yield ""
    yield (
        "| recipe | parameters | bare step, ms | a measured one adds, ms | each other adds, ms "
        "| cost | quartiles | wanted | reached |"
    )
    yield "|---|---:|---:|---:|---:|---:|---|---|---|"
    for title, (name, changes) in RECIPES.items():
        every = load_recipe(name, changes).recipe.training.monitors.every
        steps = every * (rounds + 1) - 1
        batch = f"training.batch={{rows: {ROWS}}}"
        loaded = load_recipe(name, [*changes, batch, f"training.steps={steps}"])
        found = measure(loaded)
        assert len(found) == rounds
        costs = [each.cost(every) for each in found]
        low, cost, high = quantiles(costs, n=4)
        times = [median(column) * 1e3 for column in zip(*found, strict=True)]
        yield (
            f"| {title} | {Building(loaded).plan.parameter_count:,} "
            f"| {times[0]:.2f} | {times[1]:.2f} | {times[2]:.3f} "
            f"| {cost:.2%} | {low:.2%} to {high:.2%} "
            f"| under {WANTED:.0%} | {'yes' if cost < WANTED else 'no'} |"
        )


def main() -> None:
    """Measure, and print or write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=20, help="intervals of each run")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines = shown(table(given.rounds))
    if given.write:
        write_table(PAGE, Path(__file__).name, lines)


if __name__ == "__main__":
    main()
