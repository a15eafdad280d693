"""The guide that the service's names come from: every block of Python in it runs as printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import seobuilder.service
from seobuilder.service import autograd_utils

GUIDE = Path(__file__).parents[3] / "shared/seed/weight_initialization_guide.md"
"""Beside the project, and not part of it."""

pytestmark = pytest.mark.skipif(not GUIDE.is_file(), reason="the guide isn't beside the project")


def blocks() -> list[tuple[int, str]]:
    """Line and text of every block, in order."""
    text = GUIDE.read_text(encoding="utf-8")
    found = re.finditer(r"(?ms)^```python\n(.*?)^```$", text)
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in found]


@pytest.fixture(autouse=True)
def bare_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(seobuilder.service.__path__[0])
    yield


def assumed() -> dict[str, Any]:
    """What the guide's prose has at hand: a model, a batch, and names of its other files."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 10))
    rows = TensorDataset(torch.randint(1, 8192, (16, 8)), torch.randint(0, 3, (16,)))
    return {
        **{name: getattr(autograd_utils, name) for name in autograd_utils.__all__},
        **{"torch": torch, "nn": nn, "model": model, "num_epochs": 2, "activation": "relu"},
        **{"in_features": 100, "out_features": 200, "model_type": "transformer"},
        "dataloader": DataLoader(rows, batch_size=16),
    }


def backward(model: nn.Module) -> torch.Tensor:
    """A loss of the model's answers to a batch."""
    if hasattr(model, "config"):
        return model(torch.randint(1, model.config.vocab_size, (4, 6))).square().mean()  # type: ignore[no-any-return]
    first = next(p for p in model.parameters() if p.ndim == 2)
    return model(torch.randn(4, first.shape[1])).square().mean()  # type: ignore[no-any-return]


def test_every_block_runs_in_the_order_of_the_guide(capsys: pytest.CaptureFixture[str]) -> None:
    names = assumed()
    every = blocks()
    assert len(every) > 25
    for line, code in every:
        if "autograd_monitor" in code or "clip_grad" in code:
            backward(names["model"]).backward()
        if "loss.backward()" in code:
            names["loss"] = backward(names["model"])
        # As many lines ahead as in the guide, so that an error names the line there.
        exec(compile("\n" * line + code, str(GUIDE), "exec"), names)
    printed = capsys.readouterr().out
    assert "orthogonal: Health=True" in printed and "Weight health: True" in printed
    assert re.search(r"Epoch 1: Loss=\d\.\d{4}", printed)
    assert re.search(r"Gradient norm: \d+\.\d{4}", printed)
    assert re.search(r"Average step time: \d\.\d{4}s", printed)
    assert "Methods used: {'kaiming_uniform': 3, 'orthogonal': 3," in printed
    assert "Normalizations applied: {" in printed
    assert "Gradient issues" not in printed and "Weight issues" not in printed
