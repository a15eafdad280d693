"""The loss before training beside that of guessing, for each kind of output."""

from __future__ import annotations

from math import log
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seobuilder.data.batches import Batch
from seobuilder.health.first_loss import measure_outputs, summed_loss
from seobuilder.recipe.spec import Recipe
from seobuilder.report.model import OutputRecord

NAN = float("nan")


class Fixed(nn.Module):
    """Gives the same answers whatever it is asked, and remembers in which mode."""

    def __init__(self, **answers: Tensor) -> None:
        super().__init__()
        self.answers = answers
        self.asked_in_training: list[bool] = []

    def forward(self, **inputs: Tensor) -> dict[str, Tensor]:
        self.asked_in_training.append(self.training)
        return self.answers


def recipe(**outputs: dict[str, Any]) -> Recipe:
    return Recipe.model_validate(
        {
            "version": 1,
            "name": "example",
            "inputs": {"page": {"kind": "features", "size": 2}},
            "outputs": {name: {"from": "page", **spec} for name, spec in outputs.items()},
            "initialization": [{"match": "**", "method": "zeros"}],
        }
    )


def measure(
    spec: dict[str, Any], answer: Tensor, target: Tensor, group: Tensor | None = None
) -> OutputRecord:
    inputs = {"page": torch.zeros(len(target), 2)}
    (record,) = measure_outputs(
        Fixed(out=answer), recipe(out=spec), Batch(inputs, {"out": target}, group)
    )
    assert (record.name, record.kind) == ("out", spec["kind"])
    return record


def test_a_classification_is_held_against_the_number_of_labels() -> None:
    spec = {"kind": "classification", "labels": ["a", "b", "c"]}
    logits = torch.tensor([[0.0, log(2), 0.0], [0.0, 0.0, 0.0], [9.0, 0.0, 0.0]])
    record = measure(spec, logits, torch.tensor([1, 0, -100]))
    assert record.loss == pytest.approx((log(2) + log(3)) / 2)
    assert (record.chance, record.rows) == (pytest.approx(log(3)), 2)


def test_labels_that_may_all_apply_are_held_against_a_coin() -> None:
    spec = {"kind": "multilabel", "labels": ["a", "b"]}
    target = torch.tensor([[1.0, 0.0], [NAN, NAN], [0.0, NAN]])
    record = measure(spec, torch.zeros(3, 2), target)
    assert (record.loss, record.chance) == (pytest.approx(log(2)), pytest.approx(log(2)))
    assert record.rows == 2


def test_a_regression_is_held_against_the_mean() -> None:
    target = torch.tensor([1.0, 3.0, NAN])
    record = measure({"kind": "regression"}, torch.zeros(3), target)
    assert (record.loss, record.chance, record.rows) == (5.0, 1.0, 2)
    pairs = torch.tensor([[1.0, 3.0], [3.0, 3.0]])
    record = measure({"kind": "regression", "size": 2}, torch.zeros(2, 2), pairs)
    assert (record.loss, record.chance, record.rows) == (7.0, 0.5, 2)


def test_a_ranking_is_held_against_equal_scores_within_a_query() -> None:
    target = torch.tensor([1.0, 0.0, 1.0, 0.0, NAN])
    group = torch.tensor([0, 0, 1, 1, 1])
    scores = torch.tensor([log(3), 0.0, log(3), 0.0, 0.0])
    record = measure({"kind": "ranking"}, scores, target, group)
    assert (record.loss, record.chance) == (pytest.approx(log(4 / 3)), pytest.approx(log(2)))
    assert record.rows == 4
    alone = measure({"kind": "ranking"}, scores[:2], target[:2])  # one list, without a group
    assert alone.loss == pytest.approx(log(4 / 3))


def test_an_embedding_is_held_against_the_other_rows() -> None:
    outputs = {
        "first": {"kind": "embedding", "contrast": "second", "temperature": 0.5},
        "second": {"kind": "embedding"},
    }
    answers = {"first": torch.eye(4), "second": torch.eye(4)}
    records = measure_outputs(
        Fixed(**answers), recipe(**outputs), Batch({"page": torch.zeros(4, 2)}, {})
    )
    (record,) = records
    expected = torch.nn.functional.cross_entropy(torch.eye(4) / 0.5, torch.arange(4))
    assert (record.name, record.loss) == ("first", pytest.approx(float(expected)))
    assert (record.chance, record.rows) == (pytest.approx(log(4)), 4)


def test_outputs_come_in_the_recipes_order_and_only_with_a_target() -> None:
    outputs = {name: {"kind": "regression"} for name in ("c", "a", "b")}
    answers = dict.fromkeys(outputs, torch.zeros(2))
    targets = {"a": torch.ones(2), "c": torch.ones(2)}
    inputs = {"page": torch.zeros(2, 2)}
    records = measure_outputs(Fixed(**answers), recipe(**outputs), Batch(inputs, targets))
    assert [record.name for record in records] == ["c", "a"]


@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_a_loss_that_is_no_number_is_none(value: float) -> None:
    record = measure({"kind": "regression"}, torch.full((2,), value), torch.ones(2))
    assert (record.loss, record.chance) == (None, 0.0)


def test_narrow_answers_are_summed_in_float32() -> None:
    spec = {"kind": "regression"}
    record = measure(spec, torch.full((2,), 300, dtype=torch.float16), torch.zeros(2))
    assert record.loss == 90000.0  # more than float16 can hold


@pytest.mark.parametrize("training", [False, True])
def test_it_measures_in_evaluation_mode_and_leaves_the_mode_and_no_graph(training: bool) -> None:
    answer = torch.zeros(2, requires_grad=True)
    model = Fixed(out=answer).train(training)
    inputs = {"page": torch.zeros(2, 2)}
    measure_outputs(
        model, recipe(out={"kind": "regression"}), Batch(inputs, {"out": torch.ones(2)})
    )
    assert model.asked_in_training == [False]
    assert model.training is training and answer.grad is None


def test_the_mode_is_put_back_when_the_model_fails() -> None:
    class Failing(nn.Module):
        def forward(self, **inputs: Tensor) -> Tensor:
            raise ValueError("no")

    model = Failing().train()
    with pytest.raises(ValueError, match="no"):
        measure_outputs(model, recipe(out={"kind": "regression"}), Batch({}, {}))
    assert model.training


def test_the_losses_of_all_outputs_are_summed_and_differentiable() -> None:
    outputs = {"a": {"kind": "regression"}, "b": {"kind": "regression"}, "c": {"kind": "embedding"}}
    answer = torch.zeros(2, requires_grad=True)
    model = Fixed(a=answer, b=answer + 1, c=torch.zeros(2, 3))
    batch = Batch({"page": torch.zeros(2, 2)}, {"a": torch.full((2,), 2.0), "b": torch.ones(2)})
    loss = summed_loss(model, recipe(**outputs), batch)
    loss.backward()
    assert loss.item() == 4 and answer.grad is not None and answer.grad.tolist() == [-2, -2]


def test_a_model_without_any_loss_has_one_of_zero() -> None:
    answer = torch.ones(2, 3, requires_grad=True)
    loss = summed_loss(Fixed(c=answer), recipe(c={"kind": "embedding"}), Batch({}, {}))
    loss.backward()
    assert loss.item() == 0 and answer.grad is not None and not answer.grad.any()
