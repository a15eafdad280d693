"""The record of a training run: `training.json`, frozen and versioned."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from seobuilder.report.record import Document, Items, Number, Record
from seobuilder.report.schema import document_schema

Count = Annotated[int, Field(ge=0)]


class StepPoint(Record):
    """One step: the loss of its batches, the learning rate, the gradient's norm before clipping."""

    step: Count
    epoch: Count
    loss: Number
    rate: float
    gradient_norm: Number


class Evaluation(Record):
    """What was measured after a step, by metric: `loss`, `intent.loss`, `intent.accuracy`."""

    step: Count
    split: Literal["validation", "test"]
    figures: dict[str, Number]


class TrainingRecord(Document):
    """A run: what it was given, how it went, and what came out.

    `settings` is the training section with its defaults. `rows` counts those of each split. `ended`
    is `complete`, or `early` where the validation rows stopped getting better. `kept` is the step
    whose weights were kept. `seconds` are those in the loop, of all processes that took it up.
    `tokens` counts those of all processes, padding included. `figures` are of the kept weights, by
    split.
    """

    format: Literal[1] = 1
    name: str
    settings: dict[str, Any]
    seed: Count
    device: str
    processes: Annotated[int, Field(ge=1)]
    rows: dict[Literal["train", "validation", "test"], Count]
    steps: Count
    epochs: Annotated[float, Field(ge=0)]
    ended: Literal["complete", "early"]
    kept: Count
    seconds: Annotated[float, Field(ge=0)]
    tokens: Count
    curve: Items[StepPoint]
    evaluations: Items[Evaluation]
    figures: dict[Literal["validation", "test"], dict[str, Number]]


def training_schema() -> dict[str, Any]:
    """The schema of `training.json`."""
    return document_schema(
        TrainingRecord, "urn:seobuilder:schema:training:1", "seobuilder training record"
    )
