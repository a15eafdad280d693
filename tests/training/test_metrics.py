"""Metrics against figures by hand."""

from __future__ import annotations

from math import isnan, log2
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from seobuilder.recipe.spec.outputs import OutputSpec
from seobuilder.recipe.spec.training import METRICS
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


def undefined(kind: str, *rows: Any, **keys: Any) -> set[str]:
    found = measure(spec(kind, **keys), *rows)
    return {name for name, value in found.items() if isnan(value)}


def test_nothing_is_measured_without_a_label() -> None:
    unlabelled = torch.full((4,), NAN)
    wide = unlabelled[:, None].expand(4, 2)
    of_classes = undefined("classification", torch.zeros(4, 2), torch.full((4,), -100), labels=2)
    assert of_classes == METRICS["classification"].keys()
    assert undefined("multilabel", wide * 0, wide, labels=2) == METRICS["multilabel"].keys()
    assert undefined("regression", torch.zeros(4), unlabelled) == METRICS["regression"].keys()
    assert undefined("ranking", torch.zeros(4), unlabelled) == METRICS["ranking"].keys()


def test_answers_that_are_not_finite_have_no_figures() -> None:
    lost, wide = torch.full((2,), NAN), torch.full((2, 2), NAN)
    known, square = torch.tensor([0.0, 1.0]), torch.eye(2)
    of_classes = undefined("classification", wide, torch.tensor([0, 1]), labels=2)
    assert of_classes == METRICS["classification"].keys()
    assert undefined("multilabel", wide, square, labels=2) == METRICS["multilabel"].keys()
    assert undefined("regression", lost, known) == METRICS["regression"].keys()
    assert undefined("ranking", lost, known) == METRICS["ranking"].keys()
    for sides in ((wide, square), (square, wide)):
        assert undefined("embedding", *sides) == METRICS["embedding"].keys()


def test_one_row_and_one_class_have_no_auc() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 0.0]])
    for rows in (1, 3):
        ones = torch.ones(rows, dtype=torch.long)
        assert undefined("classification", logits[:rows], ones, labels=2) == {"auc"}
        of_labels = undefined("multilabel", logits[:rows], torch.ones(rows, 2), labels=2)
        assert of_labels == {"auc"}


def test_labels_without_a_figure_stay_out_of_the_mean() -> None:
    logits = torch.tensor([[3.0, 2.0, 0.0], [1.0, 2.0, 1.0], [2.0, 1.0, 5.0]])
    found = measure(spec("classification", labels=3), logits, torch.tensor([0, 1, 0]))
    first, second = 0.5, 1.0  # of two pairs each; no row has the third label
    assert found["auc"] == pytest.approx((first + second) / 2)
    logits = torch.tensor([[3.0, -1.0], [-3.0, -2.0]])
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    found = measure(spec("multilabel", labels=2), logits, labels)
    assert (found["macro_f1"], found["auc"]) == (1.0, 1.0)
    assert undefined("multilabel", -logits.abs(), 0 * labels, labels=2) == {"macro_f1", "auc"}


def test_correlation_needs_targets_and_answers_that_differ() -> None:
    rising, same = torch.tensor([1.0, 2.0, 3.0]), torch.ones(3)
    assert undefined("regression", rising, same) == {"spearman"}
    assert undefined("regression", same, rising) == {"spearman"}
    assert undefined("regression", rising[:1], same[:1]) == {"spearman"}
    targets = torch.stack([rising, same], dim=1)
    wide = spec("regression", size=2)
    found = measure(wide, torch.stack([-rising, rising], dim=1), targets)
    assert found["spearman"] == pytest.approx(-1.0, abs=1e-4)
    assert isnan(measure(wide, targets.flip(1), targets)["spearman"])


def test_a_ranking_without_a_relevant_row_has_no_figures() -> None:
    scores, group = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4, 4, 6])
    assert undefined("ranking", scores, torch.zeros(3), group) == {"ndcg@10", "mrr"}
    assert measure(spec("ranking"), scores[2:], torch.ones(1)) == {"ndcg@10": 1.0, "mrr": 1.0}
