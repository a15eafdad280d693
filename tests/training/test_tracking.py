"""Trackers, by one of accelerate's kind that keeps what it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker

from seobuilder.errors import EnvironmentProblem
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.training import tracking
from seobuilder.training.callbacks import State
from seobuilder.training.run import train
from seobuilder.training.tracking import Track

Small = Callable[..., LoadedRecipe]


class Kept(GeneralTracker):
    """Keeps all calls; raises at that one of `fails`."""

    name = "kept"
    requires_logging_directory = False
    calls: list[Any]
    fails: str

    def __init__(self, run_name: str) -> None:
        self._note(run_name)

    @property
    def tracker(self) -> None:
        return None

    def start(self) -> None:
        self._note("start")

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self._note(values)

    def log(self, values: dict[str, Any], step: int | None = None, **others: Any) -> None:
        self._note((step, values))

    def finish(self) -> None:
        self._note("finish")

    def _note(self, call: Any) -> None:
        self.calls.append(call)
        if str(call[0] if isinstance(call, tuple) else call) == self.fails:
            raise OSError("nobody answers\nat all")


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> type[Kept]:
    monkeypatch.setitem(LOGGER_TYPE_TO_CLASS, "kept", Kept)
    monkeypatch.setattr(tracking, "get_available_trackers", lambda: ["kept"])
    Kept.calls, Kept.fails = [], ""
    return Kept


def test_it_is_sent_what_the_journal_notes(small: Small, kept: type[Kept]) -> None:
    train(small("training.validation=0.2"), "out", callbacks=[Track("kept", Path(), 10)])
    name, start, settings, *sent, finish = kept.calls
    assert (name, start, finish) == ("small", "start", "finish")
    assert settings["batch.rows"] == 16 and settings["optimizer.betas"] == "[0.9, 0.999]"
    lines = [json.loads(line) for line in Path("out/metrics.jsonl").read_text().splitlines()]
    noted: list[Any] = []
    for line in lines:
        step, _, split = line.pop("step"), line.pop("epoch"), line.pop("split", None)
        if "monitor" not in line:
            noted.append((step, {f"{split}/{k}": v for k, v in line.items()} if split else line))
    assert sent == noted and len(sent) > 5


def test_names_are_such_as_every_tracker_takes(small: Small, kept: type[Kept]) -> None:
    class Ranks(Track):
        def on_end(self, state: State) -> None:
            self.on_evaluate(state, "test", {"score.ndcg@10": 0.5, "score.mrr": float("nan")})

    train(small("training.steps=1"), callbacks=[Ranks("kept", Path(), 1)])
    assert kept.calls[-1] == (1, {"test/score.ndcg_at_10": 0.5})


@pytest.mark.parametrize("place", ["small", "start"])
def test_one_that_cannot_be_begun_leaves_nothing(
    small: Small, kept: type[Kept], place: str
) -> None:
    kept.fails = place
    with pytest.raises(EnvironmentProblem, match=r"^kept can't be begun: nobody answers$"):
        train(small(), "out", callbacks=[Track("kept", Path(), 10)])
    assert not Path("out.partial").exists() and not Path("out").exists()


@pytest.mark.parametrize(("place", "last"), [("10", 10), ("finish", 24)])
def test_one_that_fails_is_told_of_and_left(
    small: Small, kept: type[Kept], capsys: Any, place: str, last: int
) -> None:
    kept.fails = place
    record = train(small(), callbacks=[Track("kept", Path(), 10)]).record
    assert record.steps == 24 and record.figures["test"]
    steps = [call[0] for call in kept.calls if isinstance(call, tuple)]
    assert steps[-1] == last
    assert capsys.readouterr().err == "kept fails, and gets nothing more: nobody answers\n"


def test_trackers_that_are_not_there(kept: type[Kept]) -> None:
    with pytest.raises(EnvironmentProblem, match="`kpet` is no tracker; there are aim, "):
        Track("kpet", Path(), 10)
    with pytest.raises(EnvironmentProblem, match="wandb is not installed; `pip install wandb`"):
        Track("wandb", Path(), 10)
