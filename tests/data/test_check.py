from __future__ import annotations

from pathlib import Path

import pytest

from seobuilder.data.check import check_data
from seobuilder.errors import DataError
from seobuilder.recipe.load import load_recipe

RECIPE = """\
version: 1
name: example
inputs:
  query: {kind: tokens, vocab_size: 300, max_length: 8}
outputs:
  intent: {kind: classification, from: query, labels: [a, b, c]}
  topics: {kind: multilabel, from: query, labels: 9}
data:
  split: {train: train.csv, test: test.csv}
  columns: {query: q, intent: intent, topics: topics}
initialization:
  - {match: "**", method: zeros}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "train.csv").write_text("q,intent,topics\nx,a,0|1\ny,c,\n")
    (tmp_path / "test.csv").write_text("q,intent,topics\nz,b,2\n")
    path = tmp_path / "example.yaml"
    path.write_text(RECIPE)
    return path


def test_rows_are_counted_and_labels_without_rows_told(recipe: Path) -> None:
    found = check_data(load_recipe(recipe))
    assert (found.train, found.test) == (2, 1)
    intent, topics = found.warnings
    assert (intent.code, intent.severity, intent.path) == (
        "D212",
        "warning",
        "outputs.intent.labels",
    )
    assert intent.message == "no training row has the label `b`"
    assert intent.mark is not None and intent.mark.line == 6
    assert topics.message == "no training row has the label `2`, `3`, `4`, `5`, `6` and 2 more"


def test_problems_of_files_cells_and_tokenizers_are_told_at_once(
    recipe: Path, tmp_path: Path
) -> None:
    (tmp_path / "t.json").write_text("{")
    (tmp_path / "train.csv").write_text("q,intent,topics\nx,A,10\n")
    recipe.write_text(
        RECIPE.replace(
            "max_length: 8}",
            "max_length: 8}\n  title: {kind: tokens, vocab_size: 9, max_length: 8}",
        )
        .replace("from: query, labels: 9", "from: title, labels: 9")
        .replace("{query: q", "{title: q, query: q")
    )
    with pytest.raises(DataError) as caught:
        check_data(load_recipe(recipe))
    assert str(caught.value).replace(f"{tmp_path}/", "") == (
        "train.csv:2:3 D202 data.columns.intent: row 1, column `intent`: unknown label `A`; did "
        "you mean `a`?\n"
        "    2 | x,A,10\n"
        "      |   ^\n"
        "train.csv:2:5 D202 data.columns.topics: row 1, column `topics`: unknown label `10`; "
        "expected 0 to 8\n"
        "    2 | x,A,10\n"
        "      |     ^^\n"
        "D303 inputs.title.vocab_size: a trained tokenizer needs at least 257 entries: 256 bytes "
        "and <pad>; found 9"
    )


def test_rows_that_are_streamed_are_all_looked_at(recipe: Path, tmp_path: Path) -> None:
    streaming = ["data.streaming={rows: 2}", "training.steps=1"]
    rows = "q,intent,topics\n" + "x,a,0|1\n" * 4 + "y,c,2\n"
    (tmp_path / "train.csv").write_text(rows)
    found = check_data(load_recipe(recipe, streaming))
    assert (found.train, found.test) == (5, 1)
    assert [warning.message for warning in found.warnings] == [
        "no training row has the label `b`",
        "no training row has the label `3`, `4`, `5`, `6`, `7` and 1 more",
    ]
    (tmp_path / "train.csv").write_text(f"{rows}y,d,2\n")
    with pytest.raises(DataError, match=r"train.csv:7:3 D202 .* row 6, column `intent`"):
        check_data(load_recipe(recipe, streaming))
