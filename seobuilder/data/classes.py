"""How often each class occurs in the training rows, and what a rare one should weigh."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seobuilder.data.cells import UNLABELLED
from seobuilder.recipe.spec.outputs import Classification, Multilabel

if TYPE_CHECKING:
    from seobuilder.data.encode import Examples


def class_counts(
    examples: Examples, name: str, spec: Classification | Multilabel
) -> NDArray[np.int64]:
    """Training rows of each class [K] of the output `name`; of a multilabel one, rows it is on."""
    assert not isinstance(spec.labels, str), "label files are read with the recipe"
    classes = spec.labels if isinstance(spec.labels, int) else len(spec.labels)
    if spec.kind == "classification":
        indices = examples.targets[name][examples.train]
        indices = indices[indices != UNLABELLED]
    else:
        sets = (examples.label_sets[name][row] for row in examples.train.tolist())
        indices = np.array([index for labels in sets for index in labels or ()], dtype=np.int64)
    return np.bincount(indices, minlength=classes)


def balanced_weights(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """A weight for each class [K], so that all classes that occur have an equal say in a loss.

    A class of n rows weighs N / (C * n), N being all rows and C the classes that occur: the mean
    weight of a row is 1. A class that never occurs weighs nothing. Source: King and Zeng 2001,
    "Logistic regression in rare events data", doi 10.1093/oxfordjournals.pan.a004868; it is the
    `balanced` of scikit-learn where every class occurs.
    """
    occurs = counts > 0
    weights = np.zeros(len(counts))
    weights[occurs] = counts.sum() / (occurs.sum() * counts[occurs])
    return weights
