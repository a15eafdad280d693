"""What an output is trained with: one method of its kind, with the method's own settings."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from seobuilder.recipe.spec.base import Items, Spec

Column = Annotated[str, Field(min_length=1, max_length=500)]


def _weights_tag(value: Any) -> str:
    return "balanced" if isinstance(value, str) else "list"


ClassWeights = Annotated[
    Annotated[Literal["balanced"], Tag("balanced")]
    | Annotated[
        Items[Annotated[float, Field(ge=0.0)]],
        Field(min_length=2, max_length=100_000),
        Tag("list"),
    ],
    Discriminator(_weights_tag),
]
"""A factor for the rows of each label, or `balanced`: rows / (labels * rows of the label)."""

_CLASS_WEIGHTS = Field(
    None,
    description="a factor for the rows of each label, in the order of `labels`; balanced: what "
    "makes every label of the training rows weigh the same",
)
_GAMMA = Field(2.0, ge=0.0, le=100.0, description="how much less rows count that are right already")


class CrossEntropy(Spec):
    """-log softmax(logits)[label]."""

    method: Literal["cross_entropy"]
    label_smoothing: float = Field(
        0.0, ge=0.0, lt=1.0, description="share of the target that all labels have alike"
    )
    class_weights: ClassWeights | None = _CLASS_WEIGHTS


class Focal(Spec):
    """Cross-entropy times (1 - p)^gamma, p being the label's probability (Lin et al. 2017)."""

    method: Literal["focal"]
    gamma: float = _GAMMA
    class_weights: ClassWeights | None = _CLASS_WEIGHTS


class Binary(Spec):
    """Binary cross-entropy of each label."""

    method: Literal["binary"]


class BinaryFocal(Spec):
    """Binary cross-entropy times (1 - p)^gamma, p being that of what is so (Lin et al. 2017)."""

    method: Literal["focal"]
    gamma: float = _GAMMA


class MeanSquared(Spec):
    """(prediction - target)^2."""

    method: Literal["mean_squared"]


class Huber(Spec):
    """Half the squared error up to delta, and from there a line (Huber 1964)."""

    method: Literal["huber"]
    delta: float = Field(1.0, gt=0.0, description="the error at which the line begins")


class LogLoss(Spec):
    """Binary cross-entropy against rates from 0 to 1; the model's answers are logits.

    Of a rate that is clicks / impressions, with `weight: Impressions`, it is the log-likelihood of
    the clicks, in nats an impression. `predict` gives rates.
    """

    method: Literal["log_loss"]
    weight: Column | None = Field(
        None, description="column of how much a row counts, such as its impressions"
    )


class Listwise(Spec):
    """Softmax cross-entropy over a query's rows (Cao et al. 2007)."""

    method: Literal["listwise"]


class LambdaRank(Spec):
    """log(1 + exp(-difference)) of a pair, times what its exchange does to NDCG (Burges 2010)."""

    method: Literal["lambda_rank"]


ClassificationLoss = Annotated[CrossEntropy | Focal, Field(discriminator="method")]
MultilabelLoss = Annotated[Binary | BinaryFocal, Field(discriminator="method")]
RegressionLoss = Annotated[MeanSquared | Huber | LogLoss, Field(discriminator="method")]
RankingLoss = Annotated[Listwise | LambdaRank, Field(discriminator="method")]
