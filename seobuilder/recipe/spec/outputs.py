"""Kinds of output: what a model says, and which loss it is trained with."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from seobuilder.recipe.spec.base import (
    Distinct,
    Items,
    Probability,
    Reference,
    RelativePath,
    Spec,
    Text,
    Width,
)
from seobuilder.recipe.spec.losses import (
    Binary,
    ClassificationLoss,
    CrossEntropy,
    Listwise,
    LogLoss,
    MeanSquared,
    MultilabelLoss,
    RankingLoss,
    RegressionLoss,
)
from seobuilder.recipe.spec.modules import Source

LabelList = Annotated[Items[Text], Field(min_length=2, max_length=100_000), Distinct]
LabelCount = Annotated[int, Field(ge=2, le=10_000_000)]
Dropout = Annotated[
    Probability,
    Field(description="share of the values that training sets to zero before the head's layer"),
]


# A file is one label a line. It is read, and replaced by its lines, before the recipe is checked.
def _labels_tag(value: Any) -> str:
    if isinstance(value, str):
        return "file"
    return "count" if isinstance(value, int | float) else "list"


Labels = Annotated[
    Annotated[LabelList, Tag("list")]
    | Annotated[LabelCount, Tag("count")]
    | Annotated[RelativePath, Tag("file")],
    Discriminator(_labels_tag),
    Field(description="a list, a file with one label a line, or a count; order is class index"),
]


class Classification(Spec):
    """One of several labels: logits [B, K]."""

    kind: Literal["classification"]
    source: Source
    labels: Labels
    bias: bool = Field(True, description="whether the head's layer adds one")
    dropout: Dropout = 0.0
    loss: ClassificationLoss = Field(
        default_factory=lambda: CrossEntropy(method="cross_entropy"),
        description="cross_entropy where it is not given",
    )

    @model_validator(mode="after")
    def _a_weight_for_each_label(self) -> Classification:
        weights = self.loss.class_weights
        count = self.labels if isinstance(self.labels, int) else len(self.labels)
        if isinstance(weights, tuple) and len(weights) != count:
            message = "{found} class weights for {count} labels"
            context = {"key": "loss", "found": len(weights), "count": count}
            raise PydanticCustomError("combination", message, context)
        return self


class Multilabel(Spec):
    """Any of several labels: logits [B, K]."""

    kind: Literal["multilabel"]
    source: Source
    labels: Labels
    bias: bool = Field(True, description="whether the head's layer adds one")
    dropout: Dropout = 0.0
    loss: MultilabelLoss = Field(
        default_factory=lambda: Binary(method="binary"),
        description="binary where it is not given",
    )


class Regression(Spec):
    """One number [B], or several [B, size]; logits of rates with `log_loss`."""

    kind: Literal["regression"]
    source: Source
    size: Annotated[int, Field(ge=1, le=1_000_000, description="how many numbers")] = 1
    bias: bool = Field(True, description="whether the head's layer adds one")
    dropout: Dropout = 0.0
    loss: RegressionLoss = Field(
        default_factory=lambda: MeanSquared(method="mean_squared"),
        description="mean_squared where it is not given",
    )

    @property
    def is_rate(self) -> bool:
        """Whether the answers are logits of rates from 0 to 1."""
        return isinstance(self.loss, LogLoss)


class Ranking(Spec):
    """A score [B] by which the pages of one query are ordered."""

    kind: Literal["ranking"]
    source: Source
    score: Literal["linear", "identity"] = Field(
        "linear", description="identity: the source is the score already, and is one wide"
    )
    bias: bool = Field(True, description="whether the head's layer adds one")
    loss: RankingLoss = Field(
        default_factory=lambda: Listwise(method="listwise"),
        description="listwise where it is not given",
    )


class EmbeddingOutput(Spec):
    """A vector [B, width] to compare pages by; in-batch contrastive loss against `contrast`."""

    kind: Literal["embedding"]
    source: Source
    width: Width | None = Field(None, description="project to this width; without it, no layer")
    normalize: bool = Field(True, description="scale every vector to length 1")
    contrast: Reference | None = Field(None, description="the embedding output of the other side")
    temperature: float = Field(
        0.05, gt=0.0, le=100.0, description="divides the similarities in the loss"
    )
    bias: bool = Field(True, description="whether the head's layer adds one")


OutputSpec = Annotated[
    Classification | Multilabel | Regression | Ranking | EmbeddingOutput,
    Field(discriminator="kind"),
]
