"""A recipe that trains in a second, and its data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seobuilder.recipe.load import LoadedRecipe, load_recipe

RECIPE = """\
version: 1
name: small
inputs:
  query: {kind: tokens, vocab_size: 300, max_length: 12}
modules:
  words: {kind: token_embedding, from: query, width: 16, dropout: 0.1}
  summary: {kind: pool, from: words, method: mean}
  body: {kind: mlp, from: summary, widths: [16], activation: relu, dropout: 0.1}
outputs:
  kind: {kind: classification, from: body, labels: [red, blue]}
data:
  files: rows.csv
  split: {test: 0.25}
  columns: {query: query, kind: kind}
initialization:
  - {match: "**.bias", method: zeros}
  - {role: embedding, method: normal, std: 0.5}
  - {match: "**.weight", method: xavier_normal}
training:
  batch: {rows: 16}
  epochs: 4
  optimizer: {learning_rate: 0.05}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: `small.yaml` and its rows."""
    monkeypatch.chdir(tmp_path)
    colours = {"red": "ruby rose", "blue": "sea sky"}
    rows = []
    for index in range(120):
        kind = ("red", "blue")[index % 2]
        word = colours[kind].split()[index // 2 % 2]
        rows.append(f"{'buy ' * (index % 5)}{word},{kind}\n")
    (tmp_path / "rows.csv").write_text("query,kind\n" + "".join(rows))
    (tmp_path / "small.yaml").write_text(RECIPE)
    return tmp_path


@pytest.fixture
def small(folder: Path) -> Callable[..., LoadedRecipe]:
    """The recipe, with changes such as `training.epochs=2`."""
    return lambda *overrides: load_recipe(folder / "small.yaml", overrides)
