"""Weight and spectral norm, attached to the weights of any module."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from seobuilder.building.describe import describe
from seobuilder.errors import InvalidArgument
from seobuilder.init.redraw import settle_keyed
from seobuilder.norm.reparametrization import (
    Method,
    attach,
    attached_method,
    effective,
    unusable_norm,
)
from seobuilder.planning.model import Parameter
from seobuilder.recipe.spec import normalization
from seobuilder.service.calls.normalization import NormalizationConfig

_MATRICES = ("weight", "recurrent_input", "recurrent_hidden")
"""Roles of weights that multiply; a table of embeddings is looked up."""


class WeightNormLinear(nn.Linear):
    """A linear layer whose weight is g v / |v|, with one g for each output.

    y = x W' + b. It starts from the weight that `nn.Linear` draws.

    Source: Salimans and Kingma 2016, arXiv:1602.07868, equation 2.
    """

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, **factory: Any
    ) -> None:
        """Take the sizes; `factory` is `device` and `dtype`."""
        super().__init__(in_features, out_features, bias, **factory)
        attach(self, "weight", "weight_norm", {})


class SpectralNorm(nn.Module):
    """A layer whose weight is divided by its largest singular value.

    Shapes: those of the layer.

    Source: Miyato et al. 2018, arXiv:1802.05957, equation 8.
    """

    def __init__(self, module: nn.Module, name: str = "weight", power_iterations: int = 1) -> None:
        """Attach it to the weight `name` of `module`.

        Raises:
            InvalidArgument: there is no such weight of two axes or more, or it is zero.
        """
        super().__init__()
        known = [p for p in describe(module).known if p.name == name and len(p.shape) > 1]
        if not known:
            raise InvalidArgument(f"{type(module).__name__} has no matrix `{name}`")
        _attach_all(
            module, known, NormalizationConfig(method="spectral_norm", iterations=power_iterations)
        )
        self.module = module

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Call the layer."""
        return self.module(*inputs, **named)


def apply_spectral_norm(model: nn.Module, power_iterations: int = 1) -> nn.Module:
    """Divide every weight of `model` that multiplies by its spectral norm, in place; return it.

    Args:
        model: any module. Tables of embeddings, norms and shared weights stay as they are.
        power_iterations: steps of the power method in each forward pass of training.

    Raises:
        InvalidArgument: there is no such weight, or one is zero; nothing has changed then.
    """
    config = NormalizationConfig(method="spectral_norm", iterations=power_iterations)
    attach_to_weights(model, config)
    return model


def attach_to_weights(model: nn.Module, config: NormalizationConfig) -> tuple[str, ...]:
    """Attach weight or spectral norm to the weights of a module; their names.

    One that has the other kind gets this one in its place. Those under a parametrization of another
    sort, and those that are shared between layers, stay as they are.

    Raises:
        InvalidArgument: there is no weight to attach to, or the norm of one is no divisor.
    """
    description = describe(model)
    chosen = [
        parameter
        for parameter in description.known
        if parameter.role in _MATRICES and len(parameter.shape) > 1 and not parameter.aliases
        if _is_free(*description.tensors[parameter.name])
    ]
    if not chosen:
        raise InvalidArgument(f"{config.method} found no weight in {type(model).__name__}")
    _attach_all(model, chosen, config)
    return tuple(parameter.name for parameter in chosen)


def _is_free(module: nn.Module, tensor: str) -> bool:
    return not is_parametrized(module, tensor) or attached_method(module, tensor) is not None


def _attach_all(
    model: nn.Module, parameters: list[Parameter], config: NormalizationConfig, seed: int = 0
) -> None:
    rule = config.rule
    assert isinstance(rule, normalization.WeightNorm | normalization.SpectralNorm)
    method: Method = rule.method
    settings = rule.model_dump(include={"iterations", "eps"})
    tensors = describe(model).tensors
    weights: dict[str, Tensor] = {p.name: effective(*tensors[p.name]) for p in parameters}
    unusable = {n: what for n, w in weights.items() if (what := unusable_norm(w, method))}
    if unusable:
        listed = ", ".join(f"that of `{name}` is {what}" for name, what in unusable.items())
        raise InvalidArgument(f"{method} divides by a norm, and {listed}; draw it first")
    for name in weights:
        module, tensor = tensors[name]
        if attached_method(module, tensor) is not None:
            # What the layer computes with now is what the new form starts from.
            remove_parametrizations(module, tensor, leave_parametrized=True)
        attach(module, tensor, method, settings)
        if method == "spectral_norm":
            settle_keyed(module, tensor, name, seed)
