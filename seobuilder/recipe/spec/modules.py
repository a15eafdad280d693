"""Kinds of module: the parts that a model is put together from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from seobuilder.recipe.spec.base import (
    Activation,
    Items,
    OneOrMany,
    Pair,
    Positive,
    Probability,
    Reference,
    Spec,
    Width,
)

Source = Annotated[Reference, Field(alias="from", description="the input or module that it reads")]
Depth = Annotated[int, Field(ge=1, le=1024, description="how many blocks or layers")]
KernelSize = Annotated[int, Field(ge=1, le=1023)]
ResidualKind = Literal["none", "plain", "scaled", "rezero", "layerscale"]
BlockResidual = Annotated[
    ResidualKind,
    Field(
        description="how each block whose output has the shape of its input joins it: plain adds "
        "it, scaled adds a multiple of the output, rezero learns one factor a block, layerscale "
        "one a channel; a block that changes the shape has no skip path"
    ),
]
ResidualScale = Annotated[
    Positive | None, Field(description="factor of each branch, for residual: scaled")
]
TokenShare = Annotated[
    Probability,
    Field(description="share of the tokens whose vectors training sets to zero, before positions"),
]


class TokenEmbedding(Spec):
    """A vector for every token: tokens to a sequence of `width`."""

    kind: Literal["token_embedding"]
    source: Source
    width: Width = Field(description="numbers in each vector")
    positions: Literal["none", "learned", "sinusoidal"] = Field(
        "none", description="position vectors that are added to the tokens'"
    )
    segments: int = Field(
        0,
        ge=0,
        le=1024,
        description="rows of a table of segments, as BERT has one; its row 0 is added to every "
        "token, and 0 rows are no table",
    )
    dropout: Probability = 0.0
    token_dropout: TokenShare = 0.0


class CategoryEmbedding(Spec):
    """A vector for every value of a category: a category to a vector of `width`."""

    kind: Literal["category_embedding"]
    source: Source
    width: Width = Field(description="numbers in each vector")


class MLPFeedForward(Spec):
    """down(activation(up(x)))."""

    kind: Literal["mlp"]
    width: Width = Field(description="size of the hidden layer")
    activation: Activation = Field("gelu", description="between up and down")


class GatedFeedForward(Spec):
    """down(activation(gate(x)) * up(x)), with silu (swiglu) or gelu (geglu)."""

    kind: Literal["swiglu", "geglu"]
    width: Width = Field(description="size of the hidden layer")


FeedForwardSpec = Annotated[MLPFeedForward | GatedFeedForward, Field(discriminator="kind")]


def _scale_belongs_to_scaled(spec: Any) -> Any:
    if (spec.residual == "scaled") != (spec.residual_scale is not None):
        raise PydanticCustomError(
            "combination",
            "`residual: scaled` and `residual_scale` need each other",
            {"key": "residual_scale" if spec.residual_scale is not None else "residual"},
        )
    return spec


class Transformer(Spec):
    """A stack of attention and feed-forward blocks: a sequence to a sequence of equal width."""

    kind: Literal["transformer"]
    source: Source
    depth: Depth
    heads: int = Field(ge=1, le=1024, description="attention heads; they divide the width")
    kv_heads: int | None = Field(
        None, ge=1, le=1024, description="key and value heads, fewer than `heads` when grouped"
    )
    ffn: FeedForwardSpec = Field(description="the feed-forward layer of each block")
    dropout: Probability = 0.0
    bias: bool = Field(True, description="whether linear layers add one")
    positions: Literal["none", "rotary", "alibi"] = Field(
        "none",
        description="how attention learns of order: rotary turns queries and keys, alibi lowers "
        "the scores of distant tokens",
    )
    causal: bool = Field(False, description="each token sees itself and the ones before it")
    qk_norm: Literal["none", "layer_norm", "rms_norm"] = Field(
        "none", description="norm of queries and keys, head by head"
    )
    residual: ResidualKind = Field(
        "plain",
        description="how a branch joins its input; rezero learns one factor a branch, layerscale "
        "one a channel, none drops the input",
    )
    residual_scale: ResidualScale = None
    attention_scale: Positive | None = Field(
        None, description="multiplies the scores of attention, 1 / sqrt(head_width) unless given"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations again in the backward pass, to save memory"
    )

    _residual = model_validator(mode="after")(_scale_belongs_to_scaled)


class Convolution(Spec):
    """A stack of convolutions: over a sequence in one dimension, over an image in two.

    A list of kernel sizes makes parallel convolutions whose channels are concatenated, as in a text
    CNN (Kim 2014, arXiv:1408.5882).
    """

    kind: Literal["conv"]
    source: Source
    channels: Items[Width] = Field(
        min_length=1, max_length=1024, description="channels of each layer, per kernel size"
    )
    kernel: OneOrMany[KernelSize] = Field(
        description="size, or for a sequence sizes that run side by side"
    )
    activation: Activation = Field("relu", description="after each layer")
    groups: int = Field(1, ge=1, description="groups of channels that are convolved apart")
    stride: int = Field(1, ge=1, le=64, description="images only")
    transposed: bool = Field(
        False, description="makes the image `stride` times as large, images only"
    )
    pool: int = Field(1, ge=1, le=64, description="max-pool after each layer, images only")
    residual: BlockResidual = "none"
    residual_scale: ResidualScale = None
    dropout: Probability = 0.0
    bias: bool = Field(True, description="whether convolutions add one")

    _residual = model_validator(mode="after")(_scale_belongs_to_scaled)

    @property
    def kernels(self) -> tuple[int, ...]:
        """The kernel sizes that run side by side."""
        return self.kernel if isinstance(self.kernel, tuple) else (self.kernel,)


class Recurrent(Spec):
    """A stack of recurrent layers: a sequence to a sequence."""

    kind: Literal["recurrent"]
    source: Source
    cell: Literal["rnn", "lstm", "gru"] = Field(description="kind of cell; rnn is a plain tanh")
    width: Width = Field(description="size of the hidden state of one direction")
    depth: Depth = 1
    bidirectional: bool = Field(
        False, description="reads backwards as well, which doubles the output's width"
    )
    residual: BlockResidual = "none"
    residual_scale: ResidualScale = None
    dropout: Probability = 0.0
    bias: bool = Field(True, description="whether each cell adds two, for input and hidden state")

    _residual = model_validator(mode="after")(_scale_belongs_to_scaled)


class MLP(Spec):
    """Linear layers, each followed by the activation."""

    kind: Literal["mlp"]
    source: Source
    widths: Items[Width] = Field(min_length=1, max_length=1024, description="outputs of each layer")
    activation: Activation = Field("relu", description="after each layer")
    residual: BlockResidual = "none"
    residual_scale: ResidualScale = None
    dropout: Probability = 0.0
    bias: bool = Field(True, description="whether linear layers add one")

    _residual = model_validator(mode="after")(_scale_belongs_to_scaled)


class Pool(Spec):
    """A sequence or an image to one vector."""

    kind: Literal["pool"]
    source: Source
    method: Literal["mean", "max", "first", "last", "attention"] = Field(
        description="an image has mean and max; padding never counts"
    )


class Concat(Spec):
    """Vectors (or sequences of one input) side by side."""

    kind: Literal["concat"]
    source: Annotated[
        Items[Reference],
        Field(
            alias="from", min_length=2, max_length=64, description="what is joined, in this order"
        ),
    ]


class Add(Spec):
    """The sum of values of equal width."""

    kind: Literal["add"]
    source: Annotated[
        Items[Reference],
        Field(alias="from", min_length=2, max_length=64, description="what is summed"),
    ]


class Interaction(Spec):
    """Two vectors compared.

    `dot` and `cosine` give one number, `matching` gives [u, v, |u - v|, u * v] (Mou et al. 2016,
    arXiv:1512.08422).
    """

    kind: Literal["interaction"]
    source: Annotated[
        Pair[Reference], Field(alias="from", description="u and v, two vectors of equal width")
    ]
    method: Literal["dot", "cosine", "matching"] = Field(description="how they are compared")


class SameAs(Spec):
    """Another module, applied to another source: same parameters, no names of its own."""

    same_as: Reference = Field(description="a module above that owns its parameters")
    source: Source


OwningModule = Annotated[
    TokenEmbedding
    | CategoryEmbedding
    | Transformer
    | Convolution
    | Recurrent
    | MLP
    | Pool
    | Concat
    | Add
    | Interaction,
    Field(discriminator="kind"),
]


def _tag(value: Any) -> str:
    shared = "same_as" in value if isinstance(value, dict) else isinstance(value, SameAs)
    return "shared" if shared else "own"


ModuleSpec = Annotated[
    Annotated[OwningModule, Tag("own")] | Annotated[SameAs, Tag("shared")], Discriminator(_tag)
]
