"""Recipes for real queries, whose data lie beside the checkout and are no part of it."""

from __future__ import annotations

import csv
import json
import shutil
from math import log
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seobuilder.recipe.load import load_recipe
from seobuilder.recipe.shipped import recipe_path
from seobuilder.stages import Building

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"

TRANSFORMER = """\
version: 1
name: banking
inputs:
  query: {kind: tokens, vocab_size: 1024, max_length: 32, lowercase: true}
modules:
  words: {kind: token_embedding, from: query, width: 64, positions: learned}
  encoder:
    kind: transformer
    from: words
    depth: 2
    heads: 4
    ffn: {kind: mlp, width: 128, activation: gelu}
  summary: {kind: pool, from: encoder, method: mean}
outputs:
  intent: {kind: classification, from: summary, labels: labels.txt}
data:
  split: {train: train.csv, test: test.csv}
  columns: {query: text, intent: category}
normalization:
  - {match: "encoder.blocks.*", method: layer_norm, placement: pre}
initialization:
  - {preset: gpt2}
"""

TEXT_CONV = """\
version: 1
name: clinc
inputs:
  query: {kind: tokens, vocab_size: 1024, max_length: 32, lowercase: true}
modules:
  words: {kind: token_embedding, from: query, width: 64}
  phrases: {kind: conv, from: words, channels: [32], kernel: [2, 3, 4], activation: relu}
  strongest: {kind: pool, from: phrases, method: max}
outputs:
  intent: {kind: classification, from: strongest, labels: labels.txt}
data:
  files: train.csv
  split: {test: 0.1}
  columns: {query: text, intent: category}
normalization:
  - {match: "phrases.*", method: none}
initialization:
  - {match: "**.bias", method: zeros}
  - {role: embedding, method: normal, std: 0.1}
  - {role: head, method: xavier_uniform}
  - {match: "**.weight", method: kaiming_normal, nonlinearity: relu}
"""


def real(name: str) -> Path:
    """A file of the real data."""
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"the real data are not here: no {path}")
    return path


def built(folder: Path, recipe: str) -> Building:
    """The build of a recipe in a folder whose `train.csv` names the labels."""
    with (folder / "train.csv").open(encoding="utf-8", newline="") as file:
        labels = sorted({row["category"] for row in csv.DictReader(file)})
    (folder / "labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    building = Building(load_recipe(folder / "recipe.yaml"))
    building.write(folder / "build")
    return building


def test_banking77(tmp_path: Path) -> None:
    for name in ("train.csv", "test.csv"):
        shutil.copyfile(real(f"banking77/{name}"), tmp_path / name)
    building = built(tmp_path, TRANSFORMER)
    assert building.examples is not None
    assert (len(building.examples.train), len(building.examples.test)) == (10_003, 3_080)
    check(building, labels=77)


def test_clinc150(tmp_path: Path) -> None:
    rows = json.loads(real("clinc150/data_full.json").read_text(encoding="utf-8"))["train"]
    with (tmp_path / "train.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "category"), *rows])
    building = built(tmp_path, TEXT_CONV)
    assert building.examples is not None
    assert (len(building.examples.train), len(building.examples.test)) == (13_500, 1_500)
    check(building, labels=150)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_search_console_export_as_it_comes(tmp_path: Path, suffix: str) -> None:
    export = real("gsc_export/Queries_first100.csv")
    if suffix == ".csv":
        shutil.copyfile(export, tmp_path / "export.csv")
    else:
        with export.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if suffix == ".jsonl":
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (tmp_path / "export.jsonl").write_text(text, encoding="utf-8")
        else:
            pq.write_table(pa.Table.from_pylist(rows), tmp_path / "export.parquet")
    recipe = recipe_path("click_through").read_text(encoding="utf-8")
    recipe = recipe.replace("data/click_through.csv", f"export{suffix}")
    (tmp_path / "recipe.yaml").write_text(recipe, encoding="utf-8")
    examples = Building(load_recipe(tmp_path / "recipe.yaml")).examples
    assert examples is not None
    assert (len(examples.train), len(examples.test)) == (80, 20)
    assert list(examples.texts["query"])[:2] == ["scanner", "qr code scanner"]
    assert examples.numbers["result"][0].tolist() == [1095056, 5.34]
    assert examples.targets["rate"][0].item() == pytest.approx(0.0417)


def check(building: Building, labels: int) -> None:
    """Healthy, no unused tokens, and a first loss near that of guessing."""
    report = building.report
    assert report.findings == ()
    (output,) = report.outputs
    assert (output.rows, output.chance) == (64, pytest.approx(log(labels)))
    assert output.loss == pytest.approx(log(labels), rel=0.15)
    (vocabulary,) = report.vocabulary
    assert (vocabulary.rows, vocabulary.unused) == (1024, 0)
