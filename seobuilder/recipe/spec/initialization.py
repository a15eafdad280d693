"""Initialization rules: what a selector, a method and that method's own arguments say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from seobuilder.recipe.renaming import compile_renaming
from seobuilder.recipe.spec.base import (
    Distinct,
    Items,
    NonNegative,
    Pair,
    PatternText,
    Positive,
    Quantity,
    RelativePath,
    Spec,
    Text,
)
from seobuilder.recipe.spec.name_map import NameMap
from seobuilder.recipe.spec.selector import Selector

FanMode = Literal["fan_in", "fan_out", "fan_avg"]
Nonlinearity = Literal[
    "linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu", "gelu", "silu", "mish", "auto"
]

NARROWEST_CUT = 0.01
"""Between closer cuts a normal is uniform to five digits, and its moments lose theirs."""


def _cut_tag(value: Any) -> str:
    return "interval" if isinstance(value, list | tuple) else "width"


Cut = Annotated[
    Annotated[float, Field(ge=NARROWEST_CUT, le=8.0), Tag("width")]
    | Annotated[Pair[float], Tag("interval")],
    Discriminator(_cut_tag),
]


class Zeros(Selector):
    """All elements 0."""

    method: Literal["zeros"]


class Ones(Selector):
    """All elements 1."""

    method: Literal["ones"]


class Constant(Selector):
    """All elements `value`."""

    method: Literal["constant"]
    value: Quantity = Field(description="the value of every element")


class Identity(Selector):
    """Ones on the diagonal of a matrix, and of each gate of a recurrent weight, times `gain`."""

    method: Literal["identity"]
    gain: Positive = Field(1.0, description="multiplies the weights")


class Dirac(Selector):
    """A convolution that passes its channels through (Zagoruyko and Komodakis 2017)."""

    method: Literal["dirac"]
    groups: int = Field(
        1, ge=1, description="groups of outputs, each of which passes the inputs on"
    )


class Uniform(Selector):
    """Uniform on [-bound, bound], or on [low, high]."""

    method: Literal["uniform"]
    bound: Positive | None = Field(None, description="half-width around 0")
    low: Quantity | None = Field(None, description="smallest value")
    high: Quantity | None = Field(None, description="largest value")

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Uniform:
        given = (self.bound is not None, self.low is not None, self.high is not None)
        if given not in ((True, False, False), (False, True, True)):
            raise PydanticCustomError(
                "combination", "give either `bound`, or `low` and `high`", {"key": "method"}
            )
        return self


class Normal(Selector):
    """Normal with this mean and standard deviation."""

    method: Literal["normal"]
    mean: Quantity = Field(0.0, description="mean of the weights")
    std: NonNegative = Field(description="standard deviation of the weights")


class TruncatedNormal(Selector):
    """Normal, cut at `cut` standard deviations; `std` is that of the weights after the cut."""

    method: Literal["truncated_normal"]
    mean: Quantity = Field(0.0, description="mean of the weights after the cut")
    std: Positive = Field(description="standard deviation of the weights after the cut")
    cut: Cut = Field(
        2.0, description="in standard deviations of the normal that is cut: 2.0 or [-2.0, 2.0]"
    )

    @model_validator(mode="after")
    def _cut_is_an_interval(self) -> TruncatedNormal:
        low, high = self.cuts
        if not -8.0 <= low < high <= 8.0:
            raise PydanticCustomError(
                "combination", "`cut` must rise and lie between -8 and 8", {"key": "cut"}
            )
        if round(high - low, 9) < NARROWEST_CUT:
            message = f"`cut` must leave {NARROWEST_CUT} or more; take `uniform`"
            raise PydanticCustomError("combination", message, {"key": "cut"})
        return self

    @property
    def cuts(self) -> tuple[float, float]:
        """Lower and upper cut in standard deviations of the parent normal."""
        return self.cut if isinstance(self.cut, tuple) else (-self.cut, self.cut)


class VarianceScaling(Selector):
    """Variance scale / fan."""

    method: Literal["variance_scaling"]
    scale: Positive = Field(1.0, description="multiplies the variance")
    fan_mode: FanMode = Field("fan_in", description="what the variance is divided by")
    distribution: Literal["uniform", "normal", "truncated_normal"] = Field(
        "truncated_normal",
        description="shape of the distribution; the variance holds after the cut",
    )


class Lecun(Selector):
    """Variance 1 / fan_in (LeCun et al. 1998)."""

    method: Literal["lecun_uniform", "lecun_normal"]


class Xavier(Selector):
    """Variance gain² / fan_avg (Glorot and Bengio 2010, equations 12 and 16)."""

    method: Literal["xavier_uniform", "xavier_normal"]
    gain: Positive = Field(1.0, description="multiplies the weights")
    fan_mode: FanMode = Field("fan_avg", description="what the variance is divided by")


class Kaiming(Selector):
    """Variance gain(nonlinearity)² / fan (He et al. 2015, arXiv:1502.01852, equations 10, 14)."""

    method: Literal["kaiming_uniform", "kaiming_normal"]
    fan_mode: FanMode = Field("fan_in", description="what the variance is divided by")
    nonlinearity: Nonlinearity = Field(
        "relu", description="auto takes the activation that follows the layer"
    )
    slope: float | None = Field(None, ge=-10.0, le=10.0, description="of leaky_relu, else 0.01")
    convention: Literal["torch", "second_moment"] = Field(
        "torch",
        description="whose gain: PyTorch's table, or 1 / sqrt(E[phi(z)²]), which also stands for "
        "gelu, silu and mish where the table has none",
    )

    @model_validator(mode="after")
    def _slope_belongs_to_leaky_relu(self) -> Kaiming:
        if self.slope is not None and self.nonlinearity != "leaky_relu":
            raise PydanticCustomError(
                "combination", "`slope` is an argument of leaky_relu only", {"key": "slope"}
            )
        return self


class Orthogonal(Selector):
    """Haar-distributed orthogonal matrices (Saxe et al. 2014, arXiv:1312.6120)."""

    method: Literal["orthogonal"]
    gain: Positive = Field(1.0, description="multiplies the weights")
    per: Literal["matrix", "gate", "head"] = Field(
        "gate",
        description="what is orthogonal: the whole matrix, each gate or group of a convolution in "
        "it, or each head",
    )


class DeltaOrthogonal(Selector):
    """An orthogonal matrix at a convolution's centre tap (Xiao et al. 2018, arXiv:1806.05393).

    For the input map of a recurrent cell, an orthogonal matrix for each gate.
    """

    method: Literal["delta_orthogonal"]
    gain: Positive = Field(1.0, description="multiplies the weights")
    fewer_outputs: Literal["refuse", "allow"] = Field(
        "refuse", description="whether a layer may have fewer outputs than inputs, and lose some"
    )


class Sparse(Selector):
    """Normal entries in a share `density` of each column, zeros elsewhere (Martens 2010)."""

    method: Literal["sparse"]
    density: float = Field(gt=0.0, le=1.0, description="share of the weights that is not zero")
    std: Positive = Field(0.01, description="standard deviation of the weights that are not zero")
    dead_rows: Literal["refuse", "allow"] = Field(
        "refuse", description="whether an output may have no weight at all"
    )


class AutoInit(Selector):
    """What gives each layer's output the same variance (Bingham and Miikkulainen 2023).

    Mean and variance of the signal are followed through the model, from input to output, and the
    weights have the variance `variance` / (fan_in * E[x²]), where x is what arrives at the layer.
    """

    method: Literal["autoinit"]
    variance: Positive = Field(1.0, description="of the layer's output")
    distribution: Literal["uniform", "normal", "truncated_normal"] = Field(
        "truncated_normal",
        description="shape of the distribution; the variance holds after the cut",
    )


class ForgetBias(Selector):
    """Zeros, but `value` at the forget gate of an lstm (Jozefowicz et al. 2015).

    It stands in the input's bias alone: an lstm adds the hidden state's to it.
    """

    method: Literal["forget_bias"]
    value: Quantity = Field(1.0, description="bias of the forget gate")


class Pretrained(Selector):
    """Copied from a safetensors file, tensor by tensor."""

    method: Literal["pretrained"]
    file: RelativePath = Field(
        description="in the recipe's folder tree, or given by the caller: --file NAME=PATH"
    )
    map: NameMap | None = Field(
        None,
        description="from patterns over our names to the file's names, wildcards in order; the "
        "first that matches counts, and without a map names are equal",
    )
    unused: Annotated[Items[PatternText], Distinct] = Field(
        (), max_length=1000, description="tensors of the file that are left out on purpose"
    )
    obtain: Text | None = Field(None, description="how to get the file; told where it is missing")

    def tensor_of(self, name: str) -> tuple[str | None, str] | None:
        """The map's entry for a parameter and its tensor in the file; None if none covers it."""
        if self.map is None:
            return None, name
        for pattern, target in self.map.items():
            tensor = compile_renaming(pattern, target).rename(name)
            if tensor is not None:
                return pattern, tensor
        return None


class Keep(Selector):
    """The layer's own default."""

    method: Literal["keep"]


class PresetRule(Spec):
    """The rules of a preset, in its place."""

    preset: Text = Field(description="its name; docs/presets.md shows its rules")


InitializationRule = Annotated[
    Zeros
    | Ones
    | Constant
    | Identity
    | Dirac
    | Uniform
    | Normal
    | TruncatedNormal
    | VarianceScaling
    | Lecun
    | Xavier
    | Kaiming
    | Orthogonal
    | DeltaOrthogonal
    | Sparse
    | AutoInit
    | ForgetBias
    | Pretrained
    | Keep,
    Field(discriminator="method"),
]


def _tag(value: Any) -> str:
    preset = "preset" in value if isinstance(value, dict) else isinstance(value, PresetRule)
    return "preset" if preset else "rule"


InitializationSpec = Annotated[
    Annotated[InitializationRule, Tag("rule")] | Annotated[PresetRule, Tag("preset")],
    Discriminator(_tag),
]
