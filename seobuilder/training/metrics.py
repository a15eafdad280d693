"""What is measured of each kind of output, by torchmetrics.

Each function takes answers and targets of labelled rows only, on the CPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from seobuilder.layers.objectives import UNLABELLED
from seobuilder.recipe.spec.outputs import OutputSpec
from seobuilder.recipe.spec.training import METRICS

TOP = 10
"""Places of a ranking that NDCG looks at."""

AT_ONCE = 2048
"""Embeddings that are compared with all others at a time."""


def measure(
    spec: OutputSpec, answers: Tensor, target: Tensor, group: Tensor | None = None
) -> dict[str, float]:
    """All metrics of one output, by name; none where no row has a label.

    Shapes: as the output's head gives them, and as `Batch` has targets; of an embedding, `target`
    is the other side's. Accuracy, macro F1, AUC (labels one against the rest) and the calibration
    error (15 bins; Guo et al. 2017, arXiv:1706.04599) are from 0 to 1. NDCG takes gains of
    2^relevance - 1 over the first 10; a query without relevant rows does not count.
    """
    function: Callable[..., dict[str, Any]] = FUNCTIONS[spec.kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of labels that no row has
        if spec.kind == "embedding":
            found = function(answers, target)
        elif spec.kind == "ranking":
            known = ~target.isnan()
            lists = torch.zeros(len(target), dtype=torch.long) if group is None else group
            found = function(answers[known], target[known], lists[known]) if known.any() else {}
        else:
            found = function(spec, answers, target)
    assert not found or found.keys() == METRICS[spec.kind].keys()
    return {name: float(value) for name, value in found.items()}


def _classification(spec: OutputSpec, logits: Tensor, target: Tensor) -> dict[str, Any]:
    from torchmetrics.functional import classification as metrics

    known = target != UNLABELLED
    if not known.any():
        return {}
    probabilities, target = logits[known].softmax(dim=1), target[known]
    classes = logits.shape[1]
    return {
        "accuracy": metrics.multiclass_accuracy(probabilities, target, classes, average="micro"),
        "macro_f1": metrics.multiclass_f1_score(probabilities, target, classes, average="macro"),
        "auc": metrics.multiclass_auroc(probabilities, target, classes, average="macro"),
        "calibration_error": metrics.multiclass_calibration_error(probabilities, target, classes),
    }


def _multilabel(spec: OutputSpec, logits: Tensor, target: Tensor) -> dict[str, Any]:
    from torchmetrics.functional import classification as metrics

    known = ~target.isnan().any(dim=1)
    if not known.any():
        return {}
    probabilities, labels = logits[known].sigmoid(), target[known].long()
    count = labels.shape[1]
    flat, flat_labels = probabilities.flatten(), labels.flatten()
    return {
        "accuracy": metrics.binary_accuracy(flat, flat_labels),
        "macro_f1": metrics.multilabel_f1_score(probabilities, labels, count, average="macro"),
        "auc": metrics.multilabel_auroc(probabilities, labels, count, average="macro"),
        "calibration_error": metrics.binary_calibration_error(flat, flat_labels),
    }


def _regression(spec: OutputSpec, answers: Tensor, target: Tensor) -> dict[str, Any]:
    from torchmetrics.functional import mean_absolute_error, spearman_corrcoef

    assert spec.kind == "regression"
    values = answers.sigmoid() if spec.is_rate else answers
    known = ~(target.isnan() if target.ndim == 1 else target.isnan().any(dim=1))
    if known.sum() < 2:
        return {}
    values, target = values[known].double(), target[known].double()
    return {
        "mean_absolute_error": mean_absolute_error(values, target),
        "spearman": spearman_corrcoef(values, target).mean(),
    }


def _ranking(scores: Tensor, relevance: Tensor, group: Tensor) -> dict[str, Any]:
    from torchmetrics.retrieval import RetrievalNormalizedDCG

    ndcg = RetrievalNormalizedDCG(empty_target_action="skip", top_k=TOP)
    return {
        f"ndcg@{TOP}": ndcg(scores, relevance.exp2() - 1, indexes=group),
        "mrr": _reciprocal_places(scores, relevance > 0, group),
    }


def _reciprocal_places(scores: Tensor, relevant: Tensor, group: Tensor) -> Tensor:
    """The mean over groups of 1 / the place of the best relevant row; one that ties is half ahead.

    By hand, for torchmetrics counts no row whose score is 0 or less.
    """
    lists = group.unique(return_inverse=True)[1]
    best = scores.new_full((int(lists.max()) + 1,), -torch.inf)
    best = best.scatter_reduce(0, lists[relevant], scores[relevant], "amax")
    own = best[lists]
    ahead = (scores > own).double() + 0.5 * ((scores == own) & ~relevant).double()
    place = torch.ones_like(best, dtype=torch.double).scatter_add(0, lists, ahead)
    return (1 / place)[best > -torch.inf].mean()


def _embedding(first: Tensor, second: Tensor) -> dict[str, Any]:
    """How a row's second ranks among all seconds, by the product with its first.

    Those that tie stand in an order of chance, so that vectors that are all alike find nothing.
    """
    hits, places = [], []
    for start in range(0, len(first), AT_ONCE):
        part = first[start : start + AT_ONCE]
        products = part @ second.T
        rows = torch.arange(len(part))
        own = products[rows, start + rows][:, None]
        ahead, alike = (products > own).sum(dim=1), (products == own).sum(dim=1).double()
        hits.append((ahead == 0) / alike)
        places.append(ahead + (alike + 1) / 2)
    return {"accuracy": torch.cat(hits).mean(), "mrr": (1 / torch.cat(places)).mean()}


FUNCTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    "classification": _classification,
    "multilabel": _multilabel,
    "regression": _regression,
    "ranking": _ranking,
    "embedding": _embedding,
}
"""Kind of an output to its metrics, whose names `METRICS` lists."""
