"""What is measured of each kind of output, by torchmetrics.

Each function takes finite answers and targets of labelled rows only, one at least, on the CPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from math import nan
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
    """All metrics of one output, by name; NaN for one that has no meaning on these rows.

    Shapes: as the output's head gives them, and as `Batch` has targets; of an embedding, `target`
    is the other side's. Accuracy, macro F1, AUC (labels one against the rest) and the calibration
    error (15 bins; Guo et al. 2017, arXiv:1706.04599) are from 0 to 1. NDCG takes gains of
    2^relevance - 1 over the first 10; a query without relevant rows does not count.

    A mean over labels leaves out one without a figure: AUC needs rows with the label and rows
    without it, F1 a row that has it or is said to. Spearman needs targets that differ, and answers
    that do. Answers that are not finite have no figure at all.
    """
    if spec.kind == "regression" and spec.is_rate:
        answers = answers.sigmoid()
    given = [answers, target]
    if spec.kind == "ranking":
        given.append(torch.zeros(len(target), dtype=torch.long) if group is None else group)
    known = _known(spec, target)
    given = [each[known] for each in given]
    found: dict[str, Any] = {}
    if known.any() and all(each.isfinite().all() for each in given):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of labels that no row has
            found = FUNCTIONS[spec.kind](*given)
        assert found.keys() == METRICS[spec.kind].keys()
    return {name: float(found.get(name, nan)) for name in METRICS[spec.kind]}


def _known(spec: OutputSpec, target: Tensor) -> Tensor:
    """Which rows [B] are measured: those with all of their labels."""
    if spec.kind == "embedding":
        return torch.ones(len(target), dtype=torch.bool)
    if spec.kind == "classification":
        return target != UNLABELLED
    known = ~target.isnan()
    return known if known.ndim == 1 else known.all(dim=1)


def _classification(logits: Tensor, target: Tensor) -> dict[str, Any]:
    from torchmetrics.functional import classification as metrics

    probabilities, classes = logits.softmax(dim=1), logits.shape[1]
    areas = metrics.multiclass_auroc(probabilities, target, classes, average="none")
    return {
        "accuracy": metrics.multiclass_accuracy(probabilities, target, classes, average="micro"),
        "macro_f1": metrics.multiclass_f1_score(probabilities, target, classes, average="macro"),
        "auc": _mean_area(areas, target.bincount(minlength=classes), len(target)),
        "calibration_error": metrics.multiclass_calibration_error(probabilities, target, classes),
    }


def _multilabel(logits: Tensor, target: Tensor) -> dict[str, Any]:
    from torchmetrics.functional import classification as metrics

    probabilities, labels = logits.sigmoid(), target.long()
    count = labels.shape[1]
    flat, flat_labels = probabilities.flatten(), labels.flatten()
    f1 = metrics.multilabel_f1_score(probabilities, labels, count, average="none")
    areas = metrics.multilabel_auroc(probabilities, labels, count, average="none")
    return {
        "accuracy": metrics.binary_accuracy(flat, flat_labels),
        "macro_f1": f1[((labels == 1) | (probabilities > 0.5)).any(dim=0)].mean(),
        "auc": _mean_area(areas, labels.sum(dim=0), len(labels)),
        "calibration_error": metrics.binary_calibration_error(flat, flat_labels),
    }


def _mean_area(areas: Tensor, positives: Tensor, rows: int) -> Tensor:
    """The mean over labels, by how many rows have them; torchmetrics says 0 of none and of all."""
    return areas[(positives > 0) & (positives < rows)].mean()


def _regression(values: Tensor, target: Tensor) -> dict[str, Any]:
    from torchmetrics.functional import mean_absolute_error, spearman_corrcoef

    values, target = values.double(), target.double()
    columns, targets = (each.reshape(len(each), -1) for each in (values, target))
    differ = (targets != targets[0]).any(dim=0)
    columns, targets = columns[:, differ], targets[:, differ]
    orders = [
        spearman_corrcoef(column, other) if (column != column[0]).any() else torch.tensor(nan)
        for column, other in zip(columns.T, targets.T, strict=True)
    ]
    return {
        "mean_absolute_error": mean_absolute_error(values, target),
        "spearman": torch.stack(orders).mean() if orders else nan,
    }


def _ranking(scores: Tensor, relevance: Tensor, group: Tensor) -> dict[str, Any]:
    from torchmetrics.retrieval import RetrievalNormalizedDCG

    if not (relevance > 0).any():
        return {f"ndcg@{TOP}": nan, "mrr": nan}
    ndcg = RetrievalNormalizedDCG(empty_target_action="skip", top_k=TOP)
    return {
        f"ndcg@{TOP}": ndcg(scores, relevance.exp2() - 1, indexes=group),
        "mrr": _reciprocal_places(scores, relevance > 0, group),
    }


def _reciprocal_places(scores: Tensor, relevant: Tensor, group: Tensor) -> Tensor:
    """The mean over groups of 1 / the place of the best relevant row; one that ties is half ahead.

    By hand, for torchmetrics counts no row whose score is 0 or less.
    """
    lists = torch.unique(group, return_inverse=True)[1]
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
