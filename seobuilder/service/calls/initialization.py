"""How weights are drawn: one configuration for a whole module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, TypeAdapter, model_validator
from torch import nn

from seobuilder.errors import InvalidArgument
from seobuilder.init.redraw import redraw
from seobuilder.planning.methods import METHODS
from seobuilder.planning.model import Parameter
from seobuilder.recipe.spec.initialization import InitializationRule
from seobuilder.service.calls.config import Config, checked, unknown

_ADAPTER: TypeAdapter[Any] = TypeAdapter(InitializationRule)

_ELSEWHERE = {
    "autoinit": "it follows the signal through a model's graph, which only a recipe states",
    "pretrained": "a recipe maps a file's tensors to parameters; load a state_dict instead",
    "forget_bias": "it draws biases alone",
    "keep": "it draws nothing",
}
"""Methods of recipes that one configuration for a whole module can't ask for, and why."""

_WHOLE = ("zeros", "ones", "constant", "uniform", "normal", "truncated_normal")
"""Methods that state a distribution, for tables of embeddings too; the others speak of matrices."""

_DEFAULTS: dict[str, dict[str, Any]] = {
    "normal": {"std": 0.02},
    "truncated_normal": {"std": 0.02},
    "sparse": {"density": 0.1},
}
"""Arguments that the language wants stated."""

_RENAMED = {"density": "sparsity"}
"""The words of the configuration for keys of the language."""

Number = float | str
"""A number, or a formula over `fan_in` and `fan_out`."""


def as_rule(rule: dict[str, Any]) -> Any:
    """A rule of the recipe language, checked."""
    return checked(_ADAPTER, {"match": "**", **rule}, _RENAMED)


@dataclass(frozen=True, slots=True)
class Draw:
    """A rule, and the parameters that it is for: of certain roles (None: any), or convolutions."""

    rule: dict[str, Any]
    roles: tuple[str, ...] | None = None
    convolutions: Literal["all", "ungrouped"] | None = None

    def takes(self, parameter: Parameter) -> bool:
        """Whether the rule is for this parameter, if no earlier one is."""
        if self.convolutions and not parameter.layer.startswith("conv"):
            return False
        if self.convolutions == "ungrouped" and parameter.groups > 1:
            return False
        return self.roles is None or parameter.role in self.roles

    def applied(self, parameter: Parameter) -> InitializationRule:
        """The rule for this parameter alone."""
        grouped = {"groups": parameter.groups} if self.rule["method"] == "dirac" else {}
        rule: InitializationRule = as_rule({**self.rule, **grouped})
        return rule

    def written(self) -> dict[str, Any]:
        """The rule as a recipe has it."""
        if self.roles is None and not self.convolutions:
            return {"match": "**.weight", **self.rule}
        selector: dict[str, Any] = {"role": list(self.roles)} if self.roles else {}
        return {**selector, **({"type": "conv1d"} if self.convolutions else {}), **self.rule}


class InitializationConfig(Config):
    """A method, its arguments, and the seed.

    An argument that the method doesn't have is refused. One that is left out has the method's own
    default, as docs/reference.md lists them; `std` of normal and truncated_normal is 0.02.

    Biases are drawn as zeros, scales of norms as ones. Tables of embeddings and positions are
    normal with `embedding_std`, unless the method itself states a distribution.
    """

    method: str = Field("xavier_uniform", description="how matrices are drawn")
    seed: int = Field(0, ge=0, lt=2**63, description="with a parameter's name, it decides the draw")
    embedding_std: float = Field(0.02, gt=0, description="of tables of embeddings and positions")
    gain: Number | None = Field(None, description="multiplies xavier, orthogonal, identity")
    scale: Number | None = Field(None, description="multiplies the variance of variance_scaling")
    fan_mode: Literal["fan_in", "fan_out", "fan_avg"] | None = Field(
        None, description="what xavier, kaiming and variance_scaling divide the variance by"
    )
    nonlinearity: str | None = Field(None, description="whose gain kaiming takes")
    slope: float | None = Field(None, description="of kaiming's leaky_relu")
    convention: Literal["torch", "second_moment"] | None = Field(
        None, description="whose gain: PyTorch's table, or 1 / sqrt(E[phi(z)²])"
    )
    sparsity: float | None = Field(
        None, description="share of a sparse weight that is NOT zero, as the guide counts; 0.1"
    )
    dead_rows: Literal["refuse", "allow"] | None = Field(
        None, description="whether an output of a sparse weight may have none"
    )
    mean: Number | None = Field(None, description="of normal and truncated_normal")
    std: Number | None = Field(None, description="of normal, truncated_normal and sparse")
    cut: float | tuple[float, float] | None = Field(
        None, description="of truncated_normal, in standard deviations before the cut"
    )
    bound: Number | None = Field(None, description="half-width of uniform")
    low: Number | None = Field(None, description="smallest value of uniform")
    high: Number | None = Field(None, description="largest value of uniform")
    value: Number | None = Field(None, description="of constant")
    distribution: Literal["uniform", "normal", "truncated_normal"] | None = Field(
        None, description="shape of variance_scaling"
    )
    per: Literal["matrix", "gate"] | None = Field(
        None, description="what is orthogonal: the whole weight, or each gate in it"
    )

    @model_validator(mode="after")
    def _method_takes_these(self) -> InitializationConfig:
        known = [method for method in METHODS if method not in _ELSEWHERE]
        if reason := _ELSEWHERE.get(self.method):
            raise InvalidArgument(f"{self.method} is a method of recipes: {reason}")
        if self.method not in known:
            raise InvalidArgument(unknown("unknown method", self.method, known))
        if self.nonlinearity == "auto":
            raise InvalidArgument(
                "`nonlinearity` is auto only in a recipe, whose plan knows what follows; name it"
            )
        for draw in self.draws:
            as_rule(draw.rule)
        return self

    @cached_property
    def draws(self) -> tuple[Draw, ...]:
        """The rules, in order: the first that takes a parameter decides it."""
        return tuple(self._draws())

    def rule_for(self, parameter: Parameter) -> InitializationRule:
        """The rule that draws a parameter."""
        for draw in self.draws:
            if draw.takes(parameter):
                return draw.applied(parameter)
        raise AssertionError(f"the last rule takes every parameter, and not {parameter.name}")

    def _draws(self) -> Iterator[Draw]:
        rule = self._rule()
        yield Draw({"method": "ones"}, ("norm_scale", "residual_scale"))
        yield Draw({"method": "zeros"}, ("norm_shift", "bias"))
        if self.method not in _WHOLE:
            tables = {"method": "normal", "std": self.embedding_std}
            yield Draw(tables, ("embedding", "position"))
        if self.method == "delta_orthogonal":
            # The form of a convolution. A recurrent or linear map has one tap, for which it is an
            # orthogonal matrix. Groups have no such form, and get a matrix each.
            yield Draw({**rule, "fewer_outputs": "allow"}, convolutions="ungrouped")
            yield Draw({**rule, "method": "orthogonal"})
        elif self.method in ("dirac", "identity"):
            # What passes a signal on is dirac in a convolution, and identity in a matrix.
            yield Draw({"method": "dirac"}, convolutions="all")
            yield Draw({**rule, "method": "identity"})
        else:
            yield Draw(rule)

    def _rule(self) -> dict[str, Any]:
        own = {"method", "seed", "embedding_std"}
        given = self.model_dump(exclude=own, exclude_none=True)
        if "sparsity" in given:
            given["density"] = given.pop("sparsity")
        return {"method": self.method, **_DEFAULTS.get(self.method, {}), **given}


class AdvancedWeightInitializer:
    """Draws the weights of any module."""

    @staticmethod
    def init_weights(model: nn.Module, config: InitializationConfig) -> nn.Module:
        """Draw every parameter of `model` whose meaning is known, in place, and return it.

        The same seed gives the same weights, whatever was drawn before; no global generator is
        read. What a weight is, and so its fans and gates, is told by the layer that owns it. A
        parameter of a module of your own that isn't called `weight` or `bias` stays as it is: see
        `WeightInitializationManager`, which says which ones.

        Raises:
            InvalidArgument: the method can't draw one of the weights; nothing has changed then.
        """
        redraw(model, config.rule_for, config.seed)
        return model
