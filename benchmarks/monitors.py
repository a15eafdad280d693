"""What the monitors cost, as a share of a step.

    python benchmarks/monitors.py [--rounds 6] [--write]

One run of each recipe, in which the monitors are switched on and off in turns, each time for as
many steps as lie between two measurements, so that each turn with them has exactly one. The share
is the median of those turns by the two beside each. `--write` puts the table into docs/monitors.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import perf_counter

from measure import DOCS, machine_and_runs, shown, write_table

from seobuilder.recipe.load import LoadedRecipe, load_recipe
from seobuilder.stages import Building
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.feed import make_feed
from seobuilder.training.loop import Loop
from seobuilder.training.monitors import Measure, Meter, Watch

PAGE = DOCS / "monitors.md"
WANTED = 0.03

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


class InTurns(Callback):
    """Calls the monitors in every second turn, and takes the time of each turn."""

    def __init__(self, inner: list[Callback], turn: int) -> None:
        self.inner = inner
        self.turn = turn
        self.seconds: dict[bool, list[float]] = {True: [], False: []}
        self.begun = 0.0

    def is_on(self, step: int) -> bool:
        """Whether a step, counted from 1, has monitors; the first turn is a warm-up."""
        return (step - 1) // self.turn % 2 == 1

    def on_start(self, state: State) -> None:
        for each in self.inner:
            each.on_start(state)
        self.begun = perf_counter()

    def on_batch(self, state: State) -> None:
        if self.is_on(state.step + 1):
            for each in self.inner:
                each.on_batch(state)

    def on_backward(self, state: State) -> None:
        if self.is_on(state.step + 1):
            for each in self.inner:
                each.on_backward(state)

    def on_step(self, state: State) -> None:
        if self.is_on(state.step):
            for each in self.inner:
                each.on_step(state)
        if state.step % self.turn == 0:
            now = perf_counter()
            self.seconds[self.is_on(state.step)].append(now - self.begun)
            self.begun = now


def turns_of(loaded: LoadedRecipe) -> Mapping[bool, list[float]]:
    """Seconds of the turns with and without monitors, in their order."""
    building = Building(loaded)
    recipe, examples = loaded.recipe, building.examples
    assert examples is not None
    every = recipe.training.monitors.every
    meter = Meter(building.model, building.plan)
    monitors: list[Callback] = [Watch(loaded), Measure(meter, every)]
    turns = InTurns(monitors, every)
    feed = make_feed(recipe, examples, building.tokenizers)
    Loop(building, feed, examples.train, examples.train[:0], [turns]).run()
    return turns.seconds


def share(found: Mapping[bool, list[float]]) -> float:
    """What monitors take of the time without them, at the median.

    A turn with them is held against the two beside it, as a machine may slow down in the long run.
    """
    beside = pairwise(found[False][1:])
    turns = zip(found[True][1:], beside, strict=False)  # the last has only one beside it
    return median(2 * on / sum(off) for on, off in turns) - 1


def table(rounds: int) -> Iterator[str]:
    """The lines of the report."""
    yield machine_and_runs(rounds)
    yield ""
    yield "| recipe | parameters | step, ms | with monitors, ms | cost | wanted | reached |"
    yield "|---|---:|---:|---:|---:|---:|---|"
    for title, (name, changes) in RECIPES.items():
        steps = 50 * (2 * rounds + 2)
        loaded = load_recipe(name, [*changes, f"training.steps={steps}"])
        every = loaded.recipe.training.monitors.every
        found = turns_of(loaded)
        off, on = (median(found[is_on][1:]) / every * 1e3 for is_on in (False, True))
        count = Building(loaded).plan.parameter_count
        cost = share(found)
        times = f"{off:.2f} | {on:.2f}"
        reached = "yes" if cost < WANTED else "no"
        yield f"| {title} | {count:,} | {times} | {cost:.1%} | under {WANTED:.0%} | {reached} |"


def main() -> None:
    """Measure, and print or write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=6, help="turns of each sort")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    given = parser.parse_args()
    lines = shown(table(given.rounds))
    if given.write:
        write_table(PAGE, Path(__file__).name, lines)


if __name__ == "__main__":
    main()
