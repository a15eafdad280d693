from __future__ import annotations

import numpy as np

from seobuilder.data.classes import balanced_weights, class_counts
from seobuilder.data.encode import Examples
from seobuilder.recipe.spec.outputs import Classification, Multilabel

ROWS = np.arange(6)


def test_only_labelled_training_rows_count() -> None:
    spec = Classification.model_validate(
        {"kind": "classification", "from": "x", "labels": ["a", "b", "c"]}
    )
    examples = Examples(ROWS[:5], ROWS[5:], targets={"kind": np.array([0, 1, 0, -100, 0, 1])})
    assert class_counts(examples, "kind", spec).tolist() == [3, 1, 0]


def test_a_row_counts_for_each_of_its_labels() -> None:
    spec = Multilabel.model_validate({"kind": "multilabel", "from": "x", "labels": 4})
    sets: list[tuple[int, ...] | None] = [(0, 2), (), None, (2,), (0,), (3,)]
    examples = Examples(ROWS[:5], ROWS[5:], label_sets={"topics": sets})
    assert class_counts(examples, "topics", spec).tolist() == [2, 0, 2, 0]


def test_balanced_weights_give_classes_an_equal_say() -> None:
    counts = np.array([90, 9, 0, 1])
    weights = balanced_weights(counts)
    np.testing.assert_allclose(weights * counts, [100 / 3, 100 / 3, 0, 100 / 3])
    assert (weights * counts).sum() == 100
    assert balanced_weights(np.zeros(2, dtype=np.int64)).tolist() == [0, 0]
