"""Ways to initialize one model, side by side."""

from __future__ import annotations

from typing import Literal

from seobuilder.report.model import Verdict
from seobuilder.report.record import Document, Items, Number, Record


class Candidate(Record):
    """One way to initialize the model: what its report says, and how it trained.

    `label` is `as written`, or what was asked for instead. `loss` is summed over outputs before
    training, on the report's batch. `signal` and `gradient` are the ratios, last block by first, of
    the signal's variance and of the gradient's root mean square, in the longest stack of the model.
    `losses` are those of the steps, in order, each on the batch that all candidates saw there;
    `held_out` is the loss after training on rows that were not trained on.
    """

    label: str
    verdict: Verdict
    errors: int
    warnings: int
    loss: Number
    signal: Number
    gradient: Number
    losses: Items[Number]
    held_out: Number


class Comparison(Document):
    """Ways to initialize one model, each built from the same recipe, seed and batches.

    `chance` is the loss of guessing, summed over outputs like the others.
    """

    format: Literal[1] = 1
    name: str
    steps: int
    batch: int
    learning_rate: float
    chance: Number
    candidates: Items[Candidate]
