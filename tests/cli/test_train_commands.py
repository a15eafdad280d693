"""Training, measuring and asking from the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROWS = "\n".join(f"{w},{c}" for w, c in [("ruby", "red"), ("sea", "blue")] * 20)

RECIPE = """\
version: 1
name: colours
inputs:
  query: {kind: tokens, vocab_size: 300, max_length: 12}
modules:
  words: {kind: token_embedding, from: query, width: 16}
  summary: {kind: pool, from: words, method: mean}
outputs:
  colour: {kind: classification, from: summary, labels: [red, blue]}
data:
  files: rows.csv
  split: {test: 0.25}
  columns: {query: query, colour: colour}
initialization:
  - {match: "**.bias", method: zeros}
  - {match: "**.weight", method: normal, std: 0.5}
training:
  batch: {rows: 10}
  epochs: 3
  optimizer: {learning_rate: 0.1}
"""


@pytest.fixture
def colours(folder: Path) -> Path:
    (folder / "rows.csv").write_text(f"query,colour\n{ROWS}\n")
    (folder / "colours.yaml").write_text(RECIPE)
    return folder


def test_train_evaluate_and_predict_in_a_fresh_process(colours: Path, fresh: Any) -> None:
    ended = fresh("train", "colours.yaml", "--track", "tensorboard")
    assert ended.code == 0, ended.err
    first, *_, last = ended.out.splitlines()
    assert first == "colours: trained 9 steps"
    report = "trained/colours/report.html"
    assert last == f"trained 9 steps, colour.accuracy 1 on 10 test rows, report: {report}"
    assert Path(report).is_file()
    # Plain lines, for there is no terminal.
    assert re.search(r"^step 9, epoch 3, test: loss [\d.]+, colour.accuracy 1$", ended.err, re.M)
    assert list(colours.glob("trained/tracking/colours/events*"))
    assert not (colours / "trained/colours.partial").exists()


def test_a_trained_folder_answers(colours: Path, seobuild: Any) -> None:
    assert seobuild("train", "colours.yaml", "-o", "out").code == 0
    assert "complete and unchanged, 9 files" in seobuild("verify", "out").out
    assert seobuild("train", "colours.yaml", "-o", "out").out.startswith("unchanged, trained 9")
    refused = seobuild("train", "colours.yaml", "-o", "out", "--set", "training.epochs=4")
    assert refused.code == 3 and "--force replaces it" in refused.err

    (colours / "some.csv").write_text("query,colour\nsea,blue\nruby,red\nsea,red\n")
    measured = json.loads(seobuild("evaluate", "out", "some.csv").out)
    assert measured["colour.accuracy"] == pytest.approx(2 / 3)
    (colours / "one.csv").write_text("query,colour\nsea,blue\n")
    one = json.loads(seobuild("evaluate", "out", "one.csv").out)
    assert one["colour.auc"] is None and one["colour.accuracy"] == 1.0
    recorded = json.loads(seobuild("evaluate", "out").out)
    assert recorded["colour.accuracy"] == 1.0

    (colours / "asked.jsonl").write_text('{"query": "the sea by the sea"}\n{"query": "ruby"}\n')
    lines = [
        json.loads(line) for line in seobuild("predict", "out", "asked.jsonl").out.split("\n")[:-1]
    ]
    assert [line["colour"]["label"] for line in lines] == ["blue", "red"]
    shares = lines[1]["colour"]["probabilities"]
    assert list(shares) == ["red", "blue"] and sum(shares.values()) == pytest.approx(1)


def test_standard_input_has_a_text_a_line(
    colours: Path, seobuild: Any, standard_input: Any
) -> None:
    assert seobuild("colours.yaml", "-o", "built").code == 0
    standard_input("sea\n\nruby\n")
    ended = seobuild("predict", "built", "-")
    assert ended.code == 0 and len(ended.out.splitlines()) == 3
    refused = seobuild("evaluate", "built")
    assert refused.code == 2 and "name a FILE" in refused.err


def test_mistakes_of_the_training_section_have_places(colours: Path, seobuild: Any) -> None:
    text = (
        RECIPE
        + "  validation: 0.1\n  early_stopping: {metric: colour.acuracy}\n  weights: {color: 2}\n"
    )
    (colours / "bad.yaml").write_text(text)
    told = seobuild("check", "bad.yaml")
    assert told.code == 1
    assert (
        "R212 training.early_stopping.metric: no output has the metric `colour.acuracy`" in told.err
    )
    assert "did you mean `colour.accuracy`?" in told.err
    assert "R201 training.weights.color: there is no output `color`; did you mean" in told.err
    unknown = seobuild("train", "colours.yaml", "--track", "tensorbord")
    assert unknown.code == 3 and "is no tracker; there are" in unknown.err
    nothing = seobuild("train", "small.yaml")
    assert nothing.code == 1 and "training needs data" in nothing.err
