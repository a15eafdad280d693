"""Training as a whole: it learns, it is published, and what was killed goes on bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import seobuilder
from seobuilder.artifact.verify import verify
from seobuilder.builder import encoder, load
from seobuilder.errors import BuildFolderError, DataError, RecipeError
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.report.training import TrainingRecord
from seobuilder.stages import Building
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.run import read_record, train

Small = Callable[..., LoadedRecipe]

START = [sys.executable, "-m", "seobuilder", "train"]

EVERYTHING = [
    "training.average=0.9",
    "training.validation=0.2",
    "training.early_stopping={metric: kind.accuracy, patience: 50}",
    "training.batch={tokens: 64, accumulate: 2}",
    "training.epochs=12",
    "training.checkpoints.steps=5",
]
"""Settings that all keep something in a checkpoint."""


class Stop(Callback):
    """Ends a run as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, state: State) -> None:
        if state.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def timeless(record: TrainingRecord) -> TrainingRecord:
    """A record without what no two runs have alike."""
    assert record.monitors is not None and record.monitors.timing is not None
    monitors = record.monitors.model_copy(update={"timing": None})
    return record.model_copy(update={"seconds": 0.0, "monitors": monitors})


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_it_learns_and_writes_a_folder_that_loads(small: Small, folder: Path) -> None:
    trained = train(small(), "out")
    record = trained.record
    assert record.figures["test"]["kind.accuracy"] == 1.0
    assert record.rows == {"train": 90, "validation": 0, "test": 30}
    assert (record.steps, record.epochs, record.kept, record.ended) == (24, 4.0, 24, "complete")
    assert verify(Path("out")) == [] and read_record(Path("out")) == record
    assert not Path("out.partial").exists()
    lines = [json.loads(line) for line in Path("out/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "monitor" not in line] == [10, 20, 24]
    assert lines[-1]["split"] == "test" and lines[-1]["kind.accuracy"] == 1.0
    model, encode = load("out"), encoder("out")
    answer = model.eval()(**encode(query=["buy ruby", "sky"]))["kind"]
    assert answer.argmax(dim=1).tolist() == [0, 1]
    for name, tensor in trained.model.state_dict().items():
        torch.testing.assert_close(tensor, model.state_dict()[name], rtol=0, atol=0)
    assert train(small(), "out").record == record  # it is there already
    with pytest.raises(BuildFolderError, match="--force replaces it"):
        train(small("training.epochs=1"), "out")


def test_it_begins_with_the_weights_of_the_build(small: Small) -> None:
    seen: dict[str, torch.Tensor] = {}

    class Look(Callback):
        def on_start(self, state: State) -> None:
            seen.update({n: t.clone() for n, t in state.model.state_dict().items()})

    train(small("training.steps=1"), callbacks=[Look()])
    for name, tensor in Building(small()).model.state_dict().items():
        assert torch.equal(seen[name], tensor)


def test_what_ctrl_c_ends_goes_on_bit_for_bit(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = small(*EVERYTHING)
    whole = train(loaded, "whole")
    generator = torch.random.get_rng_state()
    with pytest.raises(KeyboardInterrupt):
        train(loaded, "parts", callbacks=[Stop(9)])
    with pytest.raises(BuildFolderError, match="--resume goes on with it"):
        train(loaded, "parts")
    with pytest.raises(BuildFolderError, match="something else:\n  recipe: changed"):
        train(small(*EVERYTHING, "training.seed=8"), "parts", resume=True)
    with (
        monkeypatch.context() as patch,
        pytest.raises(BuildFolderError, match="processes: changed"),
    ):
        patch.setattr(seobuilder.training.run, "process_count", lambda: 2)
        train(loaded, "parts", resume=True)
    with pytest.raises(KeyboardInterrupt):
        train(loaded, "parts", callbacks=[Stop(15)], resume=True)
    train(loaded, "parts", resume=True)
    assert torch.equal(generator, torch.random.get_rng_state())
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (Path("whole") / name).read_bytes() == (Path("parts") / name).read_bytes()
    assert timeless(read_record(Path("parts"))) == timeless(whole.record)


def test_what_kill_9_ends_goes_on_bit_for_bit(small: Small, folder: Path) -> None:
    # Before the first look at validation rows, for which torchmetrics would have to be loaded.
    early = [*EVERYTHING, "training.checkpoints.steps=2"]
    overrides = [f"--set={each}" for each in early]
    process = subprocess.Popen([*START, "small.yaml", "-o", "killed", *overrides])
    while not list(folder.glob("killed.partial/step_*/manifest.json")):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.002)
    process.kill()
    process.wait()
    assert not Path("killed").exists()
    train(small(*EVERYTHING), "killed", resume=True)
    train(small(*EVERYTHING), "whole")
    assert weights(Path("killed")) == weights(Path("whole"))


def test_training_without_data_or_without_a_loss_says_what_to_do(small: Small) -> None:
    with pytest.raises(DataError, match="training needs data"):
        train(small("data=null"))
    embedding = "outputs={kind: {kind: embedding, from: body}}"
    with pytest.raises(RecipeError, match="no output can be trained"):
        train(small(embedding, "data.columns={query: query}"))


def test_a_callback_that_finds_something_stops_the_run(small: Small) -> None:
    class Find(Callback):
        def on_backward(self, state: State) -> None:
            if state.step == 3:
                raise seobuilder.TrainingStopped("step 4: gone wrong")

    with pytest.raises(seobuilder.TrainingStopped, match="step 4"):
        train(small(), "out", callbacks=[Find()])
    assert not Path("out").exists() and Path("out.partial").exists()
