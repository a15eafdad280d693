"""How much rows count in a loss: by their class, or by a column."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from seobuilder.data.batches import make_batch
from seobuilder.data.encode import Examples, load_examples
from seobuilder.errors import DataError
from seobuilder.recipe.load import load_recipe

RECIPE = """\
version: 1
name: weighed
inputs:
  page: {kind: features, size: 1}
outputs:
  kind:
    kind: classification
    from: page
    labels: [a, b, c]
    loss: {method: focal, class_weights: WEIGHTS}
  rate: {kind: regression, from: page, loss: {method: log_loss, weight: shown}}
data:
  files: rows.csv
  columns: {page: x, kind: kind, rate: ctr}
initialization:
  - {match: "**", method: zeros}
"""

ROWS = "x,kind,ctr,shown\n1,a,50%,8\n2,a,0.25,4\n3,,1,1\n4,b,0,0\n"


def examples(folder: Path, rows: str = ROWS, weights: str = "balanced") -> Examples:
    (folder / "rows.csv").write_text(rows)
    (folder / "weighed.yaml").write_text(RECIPE.replace("WEIGHTS", weights))
    loaded = load_recipe(folder / "weighed.yaml")
    found = load_examples(loaded.recipe, folder)
    batch = make_batch(found, [3, 0], loaded.recipe, {})
    for name, weights_of in found.weights.items():
        expected = torch.tensor(weights_of[[3, 0]], dtype=torch.float32)
        assert torch.equal(batch.weights[name], expected)
    return found


def test_classes_that_occur_weigh_the_same_in_total(tmp_path: Path) -> None:
    found = examples(tmp_path)
    assert found.weights["kind"].tolist() == [0.75, 0.75, 1.0, 1.5]
    assert found.weights["rate"].tolist() == [8, 4, 1, 0]
    stated = examples(tmp_path, weights="[2.0, 3.0, 1.0]")
    assert stated.weights["kind"].tolist() == [2, 2, 1, 3]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("50%", "50", "row 1, column `ctr`: 50 is no rate from 0 to 1; 3.2 % is 0.032 or `3.2%`"),
        ("0.25", "-1", "row 2, column `ctr`: -1 is no rate"),
        ("0,0\n", "0,-2\n", "row 4, column `shown`: -2 is negative"),
        ("1,1\n", "1,\n", "row 3, column `shown`: the cell is empty"),
        ("shown", "seen", "outputs.rate.loss.weight: no column `shown`; "),
    ],
)
def test_numbers_out_of_range_and_missing_columns_are_told(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    with pytest.raises(DataError) as caught:
        examples(tmp_path, ROWS.replace(old, new))
    assert told in str(caught.value)
