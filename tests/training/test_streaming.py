"""Training on rows that are streamed: each comes once an epoch, and a run goes on bit for bit."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from seobuilder.errors import DataError
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.run import train

Small = Callable[..., LoadedRecipe]

STREAMED = [
    "data.files=null",
    "data.split={train: rows.csv, test: test.csv}",
    "data.streaming={rows: 50}",
    "training.steps=24",
]
"""120 rows in blocks of 50, 50 and 20: 4, 4 and 2 steps, an epoch of 10."""


@pytest.fixture(autouse=True)
def test_rows(folder: Path) -> None:
    (folder / "test.csv").write_text("query,kind\nbuy rose,red\nsea,blue\nbuy buy sky,blue\n")


class Rows(Callback):
    """Keeps the rows that each epoch sees, by what tells them apart."""

    def __init__(self) -> None:
        self.seen: list[Counter[float]] = [Counter()]

    def on_batch(self, state: State) -> None:
        assert state.batch is not None
        self.seen[-1].update(state.batch.inputs["number"][:, 0].tolist())

    def on_step(self, state: State) -> None:
        if state.epoch == len(self.seen):
            self.seen.append(Counter())


class Stop(Callback):
    """Ends a run as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, state: State) -> None:
        if state.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def number_rows(folder: Path) -> None:
    """Give each row a number, for an input of its own."""
    for name in ("rows.csv", "test.csv"):
        header, *rows = (folder / name).read_text().splitlines()
        numbered = [f"{row},{index}" for index, row in enumerate(rows)]
        (folder / name).write_text("\n".join([f"{header},n", *numbered]))
    text = (folder / "small.yaml").read_text()
    for before, after in {
        "modules:": "  number: {kind: features, size: 1, scale: none}\nmodules:",
        "  body: {kind: mlp, from: summary": "  both: {kind: concat, from: [summary, number]}\n"
        "  body: {kind: mlp, from: both",
        "kind: kind}": "kind: kind, number: n}",
    }.items():
        assert text.count(before) == 1
        text = text.replace(before, after)
    (folder / "small.yaml").write_text(text)


def test_each_epoch_sees_each_row_once(small: Small, folder: Path) -> None:
    number_rows(folder)
    watch = Rows()
    trained = train(small(*STREAMED), callbacks=[watch])
    first, second, third = watch.seen
    assert first == second == Counter(range(120)) and sum(third.values()) < 120
    assert trained.record.rows == {"train": 120, "validation": 0, "test": 3}
    assert trained.record.epochs == 2


def test_it_learns_as_it_does_from_rows_in_memory(small: Small, folder: Path) -> None:
    streamed = train(small(*STREAMED)).record
    whole = train(small(*STREAMED, "data.streaming=false")).record
    assert streamed.figures["test"]["kind.accuracy"] == 1.0
    assert whole.figures["test"]["kind.accuracy"] == 1.0
    one = train(small(*STREAMED, "data.streaming={rows: 120}")).record
    assert one.curve == whole.curve  # one block of all rows is all rows


EVERYTHING = [
    "training.average=0.9",
    "training.validation=0.2",
    "training.early_stopping={metric: loss, patience: 50}",
    "training.batch={tokens: 64, accumulate: 2}",
    "training.checkpoints.steps=1000",
]


def test_an_interrupted_run_goes_on_bit_for_bit(small: Small, folder: Path) -> None:
    loaded = small(*STREAMED, *EVERYTHING)
    train(loaded, "whole")
    for step, place in {4: (0, 1), 9: (1, 1)}.items():
        with pytest.raises(KeyboardInterrupt):
            train(loaded, "parts", callbacks=[Stop(step)], resume=True)
        (checkpoint,) = Path("parts.partial").glob(f"step_*{step}/state.json")
        state = json.loads(checkpoint.read_text())
        assert (state["epoch"], state["block"]) == place and state["index"] > 0
    train(loaded, "parts", resume=True)
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (Path("whole") / name).read_bytes() == (Path("parts") / name).read_bytes()


def test_a_bad_row_ends_the_run_and_the_last_checkpoint_is_kept(small: Small, folder: Path) -> None:
    with (folder / "rows.csv").open("a") as file:
        file.write("x,green\n")
    with pytest.raises(DataError, match=r"rows.csv:122:3 D202 .* row 121, column `kind`"):
        train(small(*STREAMED), "out")
    assert not Path("out").exists()
    assert [path.name for path in Path("out.partial").glob("step_*")] == ["step_000000000008"]
