"""What a run shows of itself, on a terminal and elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from io import StringIO

import pytest
from rich.console import Console

from seobuilder.recipe.load import LoadedRecipe
from seobuilder.training import progress
from seobuilder.training.callbacks import State
from seobuilder.training.progress import ShowProgress
from seobuilder.training.run import train

Small = Callable[..., LoadedRecipe]

SETTINGS = ("training.epochs=2", "training.validation=0.2", "training.monitors=false")
STEP = (
    r"step \d+  loss \d\.\d{4}  rate \d\.\d\de-\d\d  gradient [\d.]+  [\d,]+ tokens/s  \d:\d\d left"
)


def shown(loaded: LoadedRecipe, *, is_terminal: bool) -> str:
    stream = StringIO()
    console = Console(file=stream, force_terminal=is_terminal, width=160, soft_wrap=True)
    train(loaded, callbacks=[ShowProgress(console)])
    return stream.getvalue()


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(progress, "BAR_SECONDS", 0.0)


def test_lines_where_there_is_no_terminal(small: Small) -> None:
    lines = shown(small(*SETTINGS), is_terminal=False).splitlines()
    steps = [line for line in lines if re.fullmatch(rf" *\d+%  {STEP}", line)]
    assert len(steps) == 10 and steps[-1].startswith("100%")
    looks = [line for line in lines if line not in steps]
    figures = r"loss [\d.]+, kind\.accuracy [\d.]+"
    for line, place in zip(
        looks,
        ("step 5, epoch 1, validation", "step 10, epoch 2, validation", "step 10, epoch 2, test"),
        strict=True,
    ):
        assert re.fullmatch(f"{place}: {figures}", line)


def test_a_figure_without_meaning_is_a_dash(small: Small) -> None:
    class Undefined(ShowProgress):
        def on_evaluate(self, state: State, split: str, figures: Mapping[str, float]) -> None:
            super().on_evaluate(state, split, {**figures, "kind.accuracy": float("nan")})

    stream = StringIO()
    train(small(*SETTINGS), callbacks=[Undefined(Console(file=stream, width=160))])
    assert re.search(r"test: loss [\d.]+, kind\.accuracy -\n", stream.getvalue())


def test_a_bar_on_a_terminal_that_is_taken_away(small: Small) -> None:
    text = shown(small(*SETTINGS), is_terminal=True)
    assert re.search(STEP, re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", text))
    assert text.index("\x1b[?25l") < text.rindex("\x1b[?25h")  # the cursor is back
