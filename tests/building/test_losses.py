"""What the mean loss of a batch is over."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from seobuilder.building.losses import counts_for
from seobuilder.data.batches import Batch
from seobuilder.recipe.spec.outputs import OutputSpec

NAN = float("nan")
GROUP = torch.tensor([5, 5, 5, 2, 2, 9, 9])


def count(keys: dict[str, Any], target: list[Any], **further: Any) -> float:
    spec: OutputSpec = TypeAdapter(OutputSpec).validate_python({"from": "x", **keys})
    batch = Batch({"x": torch.zeros(len(target), 1)}, {"y": torch.tensor(target)}, **further)
    return counts_for(spec, "y", batch, len(target))


def test_labelled_rows_count_by_their_weights() -> None:
    target, weights = [0.5, NAN, 0.25], {"y": torch.tensor([3.0, 5.0, 0.0])}
    assert count({"kind": "regression"}, target) == 2
    assert count({"kind": "regression"}, target, weights=weights) == 3
    assert count({"kind": "classification", "labels": 2}, [1, -100, 0, -100]) == 2


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("listwise", [0.0, 2.0, NAN, 0.0, NAN, 1.0, 1.0], 2),
        ("lambda_rank", [0.0, 2.0, NAN, 0.0, NAN, 1.0, 1.0], 1),
        ("listwise", [0.0] * 7, 0),
        ("lambda_rank", [NAN] * 7, 0),
    ],
)
def test_groups_count_that_have_a_loss(method: str, target: list[float], expected: int) -> None:
    keys = {"kind": "ranking", "loss": {"method": method}}
    assert count(keys, target, group=GROUP) == expected
