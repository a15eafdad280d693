"""The training section: optimizer, schedule, batches, and when to look, stop and save."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from seobuilder.recipe.spec.base import Pair, Reference, Spec

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Steps = Annotated[int, Field(ge=1, le=10**12)]

ALTERNATIVES: dict[tuple[str, ...], tuple[str, str]] = {
    ("training",): ("epochs", "steps"),
    ("training", "batch"): ("rows", "tokens"),
    ("training", "schedule"): ("warmup", "warmup_steps"),
    ("training", "clip"): ("norm", "value"),
}
"""Two keys of a mapping that exclude each other: one that is laid over the other replaces it."""

METRICS: dict[str, dict[str, Literal["higher", "lower"]]] = {
    "classification": {
        "accuracy": "higher",
        "macro_f1": "higher",
        "auc": "higher",
        "calibration_error": "lower",
    },
    "multilabel": {
        "accuracy": "higher",
        "macro_f1": "higher",
        "auc": "higher",
        "calibration_error": "lower",
    },
    "regression": {"mean_absolute_error": "lower", "spearman": "higher"},
    "ranking": {"ndcg@10": "higher", "mrr": "higher"},
    "embedding": {"accuracy": "higher", "mrr": "higher"},
}
"""What is measured of an output of each kind beside its loss, and which is better."""


def metrics_of(kinds: Mapping[str, object]) -> dict[str, Literal["higher", "lower"]]:
    """All that is measured of outputs of these kinds, by name, and which is better."""
    found: dict[str, Literal["higher", "lower"]] = {"loss": "lower"}
    for name, kind in kinds.items():
        found[f"{name}.loss"] = "lower"
        for metric, better in METRICS.get(str(kind), {}).items():
            found[f"{name}.{metric}"] = better
    return found


Rates = Annotated[
    Literal["equal", "mup"] | None,
    Field(
        description="of layers: equal, or mup, which shrinks them with width; mup where the preset "
        "mup is used"
    ),
]


class AdamW(Spec):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101)."""

    method: Literal["adamw"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0.0, description="at its highest")
    weight_decay: float = Field(
        0.01, ge=0.0, description="of matrices; biases, norms and tables have none"
    )
    betas: Pair[Share] = Field((0.9, 0.999), description="of the gradient and of its square")
    eps: float = Field(1e-8, gt=0.0, description="added to the root of the square")
    rates: Rates = None


class Sgd(Spec):
    """Stochastic gradient descent with momentum (Sutskever et al. 2013)."""

    method: Literal["sgd"]
    learning_rate: float = Field(0.1, gt=0.0, description="at its highest")
    weight_decay: float = Field(
        0.0, ge=0.0, description="of matrices; biases, norms and tables have none"
    )
    momentum: Share = Field(0.9, description="share of the last step that the next one keeps")
    nesterov: bool = Field(False, description="look ahead by the momentum; it must not be 0 then")

    rates: Rates = None

    @model_validator(mode="after")
    def _looks_ahead_by_something(self) -> Sgd:
        if self.nesterov and self.momentum == 0:
            message = "`nesterov` looks ahead by the momentum, which is 0"
            raise PydanticCustomError("combination", message, {"key": "nesterov"})
        return self


def method(optimizer: Any) -> str:
    """The method that is stated, or the usual one."""
    if isinstance(optimizer, dict):
        return str(optimizer.get("method", "adamw"))
    return str(getattr(optimizer, "method", ""))


OptimizerSpec = Annotated[
    Annotated[AdamW, Tag("adamw")] | Annotated[Sgd, Tag("sgd")], Discriminator(method)
]


class Schedule(Spec):
    """How the learning rate rises and falls: a line up, then the decay."""

    decay: Literal["none", "linear", "cosine"] = Field("cosine", description="from there to `end`")
    warmup: Share = Field(0.05, description="share of the training in which it rises")
    warmup_steps: Annotated[int, Field(ge=0)] | None = Field(
        None, description="the same in steps, instead of `warmup`"
    )
    end: float = Field(0.0, ge=0.0, le=1.0, description="share of the highest rate at the end")

    @model_validator(mode="after")
    def _one_warmup(self) -> Schedule:
        if self.warmup_steps is not None and "warmup" in self.model_fields_set:
            message = "state the warm-up as a share or in steps, not both"
            raise PydanticCustomError("combination", message, {"key": "warmup_steps"})
        return self


class BatchSpec(Spec):
    """How many rows a batch has; rows of similar length stand together, padded to the longest."""

    rows: Steps | None = Field(None, description="so many rows; 32 where `tokens` is not given")
    tokens: Steps | None = Field(
        None, description="as many rows as fit: rows times the tokens of the longest"
    )
    accumulate: Annotated[int, Field(ge=1, le=10**6)] = Field(
        1, description="batches whose gradients one step averages"
    )

    @model_validator(mode="after")
    def _one_size(self) -> BatchSpec:
        if self.rows is not None and self.tokens is not None:
            message = "size batches by `rows` or by `tokens`, not by both"
            raise PydanticCustomError("combination", message, {"key": "tokens"})
        return self


class Clip(Spec):
    """What limits a step's gradient."""

    norm: Annotated[float, Field(gt=0.0)] | None = Field(
        None, description="the gradient is scaled to this L2 norm where it is longer"
    )
    value: Annotated[float, Field(gt=0.0)] | None = Field(
        None, description="each number of the gradient is cut to this size"
    )

    @model_validator(mode="after")
    def _one_limit(self) -> Clip:
        if self.norm is not None and self.value is not None:
            message = "clip by `norm` or by `value`, not by both"
            raise PydanticCustomError("combination", message, {"key": "value"})
        return self


class EarlyStopping(Spec):
    """End when the validation rows stop getting better, and keep the best weights."""

    metric: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        "loss", description="loss, or one of an output: `intent.accuracy`, `intent.loss`"
    )
    patience: Annotated[int, Field(ge=1)] = Field(
        3, description="evaluations in a row that may bring nothing"
    )


class Checkpoints(Spec):
    """When the state of the run is written, so that it can go on after an interruption."""

    minutes: float = Field(5.0, gt=0.0, description="at the latest after so many")
    steps: Steps | None = Field(None, description="after so many steps as well")
    keep: Annotated[int, Field(ge=1, le=1000)] = Field(2, description="the last so many are kept")


class Monitors(Spec):
    """What is measured while the model trains, and whether a run that goes wrong is ended."""

    every: Steps = Field(
        50, description="steps from one measurement to the next; the first step is measured too"
    )
    measure: bool = Field(True, description="gradients, updates, weights, signals and attention")
    stop: bool = Field(True, description="end a run that goes wrong, with a finding")


def _off(value: Any) -> Any:
    return {"measure": False, "stop": False} if value is False else value


class TrainingSpec(Spec):
    """How `seobuild train` trains the model."""

    epochs: Annotated[int, Field(ge=1, le=10**6)] | None = Field(
        None, description="passes over the training rows; 10 where `steps` is not given"
    )
    steps: Steps | None = Field(None, description="optimizer steps, instead of epochs")
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = Field(
        None, description="of order and dropout; the recipe's own where it is not given"
    )
    batch: BatchSpec = Field(default_factory=BatchSpec, description="rows of one forward pass")
    optimizer: OptimizerSpec = Field(
        default_factory=AdamW, description="adamw where no method is given"
    )
    schedule: Schedule = Field(default_factory=Schedule, description="of the learning rate")
    clip: Clip = Field(
        default_factory=lambda: Clip(norm=1.0),
        description="norm 1 where it is not given; {} clips nothing",
    )
    precision: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="of matrix products; parameters keep the recipe's dtype"
    )
    average: Share = Field(
        0.0,
        description="weights are those averaged over the steps, each keeping this share, such as "
        "0.999; 0: the last ones",
    )
    weights: dict[Reference, Annotated[float, Field(ge=0.0)]] = Field(
        default_factory=dict, description="output: the factor of its loss, 1 where none is given"
    )
    validation: Share = Field(
        0.0,
        description="share of the training rows that is held out to look at meanwhile; of streamed "
        "ones, a share of the first block",
    )
    evaluate_steps: Steps | None = Field(
        None, description="look at the validation rows after so many steps, not after each epoch"
    )
    early_stopping: EarlyStopping | None = Field(None, description="end when nothing gets better")
    checkpoints: Checkpoints = Field(
        default_factory=Checkpoints, description="when the state of the run is written"
    )
    monitors: Annotated[
        Monitors, BeforeValidator(_off, json_schema_input_type=Monitors | Literal[False])
    ] = Field(default_factory=Monitors, description="what watches the run; false: nothing")
    log_steps: Steps = Field(10, description="a line of metrics.jsonl after so many steps")

    @model_validator(mode="after")
    def _one_length(self) -> TrainingSpec:
        if self.epochs is not None and self.steps is not None:
            message = "train for `epochs` or for `steps`, not for both"
            raise PydanticCustomError("combination", message, {"key": "steps"})
        return self

    @model_validator(mode="after")
    def _has_something_to_look_at(self) -> TrainingSpec:
        if self.early_stopping is not None and not self.validation:
            message = "early stopping looks at validation rows: add `validation: 0.1`"
            raise PydanticCustomError("combination", message, {"key": "early_stopping"})
        return self
