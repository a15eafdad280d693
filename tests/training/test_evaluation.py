"""Losses of rows that nothing counts for."""

from __future__ import annotations

from math import isnan
from pathlib import Path

import pytest

from seobuilder.training.asking import Asked
from seobuilder.training.run import train

RATE = "  rate: {kind: regression, from: body, loss: {method: log_loss, weight: shown}}\ndata:"


@pytest.fixture
def asked(folder: Path) -> Asked:
    """A model of two tasks, of which a row may have one."""
    text = (folder / "small.yaml").read_text().replace("data:", RATE)
    (folder / "two.yaml").write_text(text.replace("kind: kind}", "kind: kind, rate: rate}"))
    rows = (folder / "rows.csv").read_text().splitlines()[1:]
    rated = [f"{row},0.25,{index}" for index, row in enumerate(rows)]
    (folder / "rows.csv").write_text("\n".join(["query,kind,rate,shown", *rated]))
    train("two.yaml", "built", ["training.steps=1", "training.monitors=false"])
    return Asked(folder / "built")


def figures(asked: Asked, *rows: str) -> dict[str, float]:
    Path("some.csv").write_text("\n".join(["query,kind,rate,shown", *rows]))
    return asked.evaluate(Path("some.csv"))


def test_a_loss_that_nothing_counts_for_is_undefined(asked: Asked) -> None:
    whole = figures(asked, "sea,blue,,1", "rose,red,0.5,2")
    assert whole["loss"] == pytest.approx(whole["kind.loss"] + whole["rate.loss"])
    for rate in (",1", "0.5,0"):  # no label, and one that weighs nothing
        found = figures(asked, f"sea,blue,{rate}", f"rose,red,{rate}")
        assert isnan(found["rate.loss"]) and found["loss"] == found["kind.loss"] > 0
    assert all(isnan(value) for value in figures(asked, "sea,,,1", "rose,,,1").values())
