"""Metrics against figures by hand."""

from __future__ import annotations

from math import log2
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from seobuilder.recipe.spec.outputs import OutputSpec
from seobuilder.training.metrics import measure

NAN = float("nan")


def spec(kind: str, **keys: Any) -> OutputSpec:
    given = {"kind": kind, "from": "x", **keys}
    output: OutputSpec = TypeAdapter(OutputSpec).validate_python(given)
    return output


def test_classification_counts_labelled_rows() -> None:
    logits = torch.tensor([[2.0, 0, 0], [0, 2.0, 0], [2.0, 0, 0], [0, 0, 9.0]])
    found = measure(spec("classification", labels=3), logits, torch.tensor([0, 1, 1, -100]))
    assert found["accuracy"] == pytest.approx(2 / 3)
    # F1 is 2/3 of either label; the third one neither is nor was said.
    assert found["macro_f1"] == pytest.approx(2 / 3)
    confidence = float(torch.tensor([2.0, 0, 0]).softmax(0)[0])
    assert found["calibration_error"] == pytest.approx(abs(confidence - 2 / 3), abs=1e-6)
    assert measure(spec("classification", labels=3), logits, torch.full((4,), -100)) == {}


def test_multilabel() -> None:
    logits = torch.tensor([[3.0, -3.0], [3.0, 3.0], [-3.0, 3.0], [0.0, 0.0]])
    target = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [NAN, NAN]])
    found = measure(spec("multilabel", labels=2), logits, target)
    assert found["accuracy"] == pytest.approx(5 / 6)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["auc"] == pytest.approx((0.75 + 1) / 2)


def test_rates_are_measured_as_rates() -> None:
    rate = spec("regression", loss={"method": "log_loss"})
    found = measure(rate, torch.tensor([0.0, 2.0, 3.0]), torch.tensor([0.25, 0.9, NAN]))
    error = (0.25 + abs(float(torch.tensor(2.0).sigmoid()) - 0.9)) / 2
    assert found["mean_absolute_error"] == pytest.approx(error, abs=1e-6)
    assert found["spearman"] == pytest.approx(1.0, abs=1e-4)


def test_ranking_by_hand() -> None:
    scores = torch.tensor([3.0, 2.0, 1.0, 5.0, 1.0, 2.0])
    relevance = torch.tensor([0.0, 2.0, 1.0, NAN, 0.0, 0.0])
    group = torch.tensor([7, 7, 7, 7, 9, 9])  # the second has nothing relevant
    found = measure(spec("ranking"), scores, relevance, group)
    gained, ideal = 3 / log2(3) + 1 / 2, 3 + 1 / log2(3)
    assert found["ndcg@10"] == pytest.approx(gained / ideal, abs=1e-6)
    assert found["mrr"] == 0.5


def test_places_count_by_the_order_of_scores_not_by_their_sign() -> None:
    relevance, group = torch.tensor([0.0, 1.0, 2.0, 0.0, 1.0]), torch.tensor([3, 3, 3, 1, 1])
    scores = torch.tensor([-1.0, -3.0, -2.0, 0.5, 0.0])
    for shift in (0.0, 4.0):
        assert measure(spec("ranking"), scores + shift, relevance, group)["mrr"] == 0.5


def test_rows_that_tie_with_a_relevant_one_are_half_ahead() -> None:
    scores, relevance = torch.zeros(5), torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0])
    for order in (relevance, relevance.flip(0)):
        assert measure(spec("ranking"), scores, order)["mrr"] == pytest.approx(1 / 3)


def test_embeddings_find_their_other_side() -> None:
    first = torch.eye(4)
    second = first[[0, 1, 3, 2]] + 0.1 * first
    found = measure(spec("embedding"), first, second)
    assert found == {"accuracy": 0.5, "mrr": 0.75}


def test_embeddings_that_are_all_alike_find_one_by_chance() -> None:
    found = measure(spec("embedding"), torch.ones(4, 3), torch.ones(4, 3))
    assert found == {"accuracy": 0.25, "mrr": 1 / 2.5}
