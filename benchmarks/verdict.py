"""Whether the verdict on a fresh model foretells how it trains.

    python benchmarks/verdict.py [--seed 1] [--number 120] [--data FILE] [--keep FILE] [--write]

Recipes are drawn at random, a third of them with a planted fault. Each is reported on before
training, mended by `seobuild fix`, and trained at three rates on the same batches, as drawn and as
mended. `--keep` names a file in which every training and every result is a line: a run that was
stopped, or that `--minutes` ends, goes on where it was; with `--anew` reports and mends are taken
again, and the trainings are not. `--write` makes docs/evidence.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from measure import DOCS
from verdict_figures import judged
from verdict_page import write_page
from verdict_trials import Json, Trial, prepare_data

DATA = DOCS.parents[1] / "shared" / "data" / "clinc150" / "data_full.json"


class Kept:
    """Trainings and results, a line of JSON each; without a file they live in memory alone."""

    def __init__(self, file: Path | None, *, anew: bool) -> None:
        """Read what is there."""
        self.file = file
        self.trainings: dict[str, list[float]] = {}
        self.results: dict[tuple[str, int, int], Json] = {}
        if file is not None and file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                if "training" in entry:
                    self.trainings[entry["training"]] = entry["reductions"]
                elif not anew:
                    self.results[entry["data"], entry["seed"], entry["number"]] = entry

    def add(self, result: Json, trainings: dict[str, list[float]]) -> None:
        """Keep a recipe's result and the trainings that it took, at once."""
        lines = [{"training": key, "reductions": found} for key, found in trainings.items()]
        self.trainings |= trainings
        self.results[result["data"], result["seed"], result["number"]] = result
        if self.file is not None:
            text = "".join(json.dumps(line) + "\n" for line in [*lines, result])
            with self.file.open("a", encoding="utf-8") as file:
                file.write(text)


def run(arguments: argparse.Namespace, kept: Kept, folder: Path) -> Iterator[Json]:
    """The results of all recipes, those that are there already first."""
    data = prepare_data(arguments.data, folder)
    todo = []
    for number in range(arguments.number):
        if (result := kept.results.get((data, arguments.seed, number))) is not None:
            yield result
        else:
            todo.append(Trial(arguments.seed, number, folder, data, kept.trainings))
    end = perf_counter() + 60 * arguments.minutes
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        running: set[Future[tuple[Json, dict[str, list[float]]]]] = set()
        while todo or running:
            while todo and len(running) < arguments.workers and perf_counter() < end:
                running.add(pool.submit(todo.pop(0).run))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                result, trainings = each.result()
                result |= {"data": data, "seed": arguments.seed}
                kept.add(result, trainings)
                yield result


def main() -> None:
    """Train, print, and write if asked to."""
    parser = argparse.ArgumentParser(description="Hold the verdict against the outcome.")
    parser.add_argument("--seed", type=int, default=1, help="of the recipes")
    parser.add_argument("--number", type=int, default=120, help="of recipes")
    parser.add_argument("--data", type=Path, default=DATA, help="clinc150's JSON, or a CSV")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="what was done, to go on")
    parser.add_argument("--anew", action="store_true", help="keep the trainings alone")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no recipe after so many")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread")
    parser.add_argument("--write", action="store_true", help="docs/evidence.md")
    arguments = parser.parse_args()
    kept, start, results = Kept(arguments.keep, anew=arguments.anew), perf_counter(), []
    with TemporaryDirectory() as folder:
        for result in run(arguments, kept, Path(folder)):
            results.append(result)
            reductions = kept.trainings[result["key"]]
            codes = " ".join(sorted({each["code"] for each in result["findings"]})) or "nothing"
            print(
                f"{len(results)} of {arguments.number}, {perf_counter() - start:,.0f} s: recipe "
                f"{result['number']}, loss down by {max(reductions):.2f}, found {codes}",
                flush=True,
            )
    if arguments.write:
        models = sorted(judged(results, kept.trainings), key=lambda model: model.drawn.number)
        write_page(models, arguments.seed, arguments.data.parent.name)


if __name__ == "__main__":
    main()
