"""The record of a training run: `training.json`, frozen and versioned."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from seobuilder.report.model import Finding
from seobuilder.report.parameters import Statistics
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


class Reading(Record):
    """What monitors measured of one step, by logical name of a parameter, or by module.

    `gradients` are L2 norms before clipping, `updates` the norm of the step by that of the weight,
    `changes` that of the weight less the drawn one by that of the drawn one (None for zeros).
    `variance` is that of the signal behind a module in training mode, `dead` the share of units
    behind a block's ReLU that are zero on all rows. The others are of attention, before the softmax
    (`logit_std`, `logit_max`) and after it (`entropy`, and `uniform`, that of equal weights).
    """

    gradients: dict[str, Number]
    updates: dict[str, Number]
    changes: dict[str, Number]
    variance: dict[str, Number]
    dead: dict[str, Number]
    logit_std: dict[str, Number]
    logit_max: dict[str, Number]
    entropy: dict[str, Number]
    uniform: dict[str, Number]


class Timing(Record):
    """Seconds from one step to the next, evaluations left out; nine of ten are below `slow`."""

    steps: Count
    median: float
    slow: float
    longest: float


class Overlay(Record):
    """Elements of a weight in equal bins from `low` to `high`, before training and after."""

    low: float
    high: float
    before: Items[int]
    after: Items[int]


class ParameterCourse(Record):
    """A parameter before and after training, and its course at each measured step.

    `change` is the norm of the kept weight less the drawn one, by that of the drawn one.
    """

    name: str
    role: str | None
    rule: str | None
    elements: Count
    before: Statistics
    after: Statistics
    change: Number
    gradients: Items[Number]
    updates: Items[Number]
    changes: Items[Number]
    histogram: Overlay | None = None


class SignalCourse(Record):
    """The signal behind a module at each measured step; `dead` is empty where there is no ReLU."""

    name: str
    variance: Items[Number]
    dead: Items[Number]


class AttentionCourse(Record):
    """The scores and the entropy of an attention at each measured step."""

    name: str
    logit_std: Items[Number]
    logit_max: Items[Number]
    entropy: Items[Number]
    uniform: Items[Number]


class Monitored(Record):
    """What monitors measured at `steps`, counted from 1."""

    every: Annotated[int, Field(ge=1)]
    steps: Items[int]
    parameters: Items[ParameterCourse]
    signals: Items[SignalCourse]
    attention: Items[AttentionCourse]
    timing: Timing | None = None


class Earlier(Record):
    """Settings of the training that held up to a step, before it went on with others."""

    until: Count
    settings: dict[str, Any]


class TrainingRecord(Document):
    """A run: what it was given, how it went, and what came out.

    `settings` is the training section with its defaults. `rows` counts those of each split. `ended`
    is `complete`, or `early` where the validation rows stopped getting better. `kept` is the step
    whose weights were kept. `seconds` are those in the loop, of all processes that took it up.
    `tokens` counts those of all processes, padding included. `figures` are of the kept weights, by
    split, and `chance` has what an answer that prefers nothing would get, where that is known.
    `earlier` lists other settings that the run was begun with. `monitors` is None where they were
    off. Findings are warnings: a run that ends with an error leaves no record.
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
    chance: dict[str, Number] = Field(default_factory=dict)
    earlier: Items[Earlier] = ()
    monitors: Monitored | None = None
    findings: Items[Finding] = ()


def training_schema() -> dict[str, Any]:
    """The schema of `training.json`."""
    return document_schema(
        TrainingRecord, "urn:seobuilder:schema:training:1", "seobuilder training record"
    )
