"""Inputs of a module as a caller gives them: what it can't be called with is told, not raised."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, signature
from typing import Any

from torch import nn
from torch.jit import ScriptModule

from seobuilder.arguments import shown
from seobuilder.errors import InvalidArgument
from seobuilder.health.probes.probe import probe_module
from seobuilder.planning.model import Plan
from seobuilder.report.probes import Probes


def probe_inputs(model: nn.Module, inputs: Mapping[str, Any]) -> Probes:
    """As `probe_module`, with inputs from anywhere.

    Raises:
        InvalidArgument: they are no mapping, or not what the module is called with, or its signals
            can't be followed. What fails within the module is raised as it is.
    """
    if not isinstance(inputs, Mapping) or not all(isinstance(name, str) for name in inputs):
        example = next(iter(_names(model)), "x")
        what = "a mapping by something else" if isinstance(inputs, Mapping) else shown(inputs)
        message = f'inputs are by name, such as {{"{example}": tensor}}; this is {what}'
        raise InvalidArgument(message)
    _check_followed(model)
    if isinstance(getattr(model, "plan", None), Plan):
        _check_tensors(model, inputs)
    try:
        return probe_module(model, inputs)
    except TypeError as error:
        if reason := _refusal(model, inputs):
            raise InvalidArgument(reason) from error
        raise


def _check_followed(model: nn.Module) -> None:
    """Whether PyTorch lets hooks and gradients into a module."""
    cant = "signals and gradients can't be measured"
    if any(isinstance(each, ScriptModule) for each in model.modules()):
        raise InvalidArgument(f"{cant} in TorchScript; inspect the module that it was made from")
    if frozen := [name for name, each in model.named_parameters() if each.is_inference()]:
        raise InvalidArgument(f"{cant}: made in torch.inference_mode are {', '.join(frozen)}")


def _check_tensors(model: Any, inputs: Mapping[str, Any]) -> None:
    """Whether a built model takes them."""
    try:
        model.check_inputs(inputs)
    except TypeError as error:
        raise InvalidArgument(str(error)) from None


def _names(model: Any) -> list[str]:
    """What the module is called with, as far as that can be seen."""
    if isinstance(getattr(model, "plan", None), Plan):
        return list(model.input_names)
    unnamed = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return [p.name for p in signature(model.forward).parameters.values() if p.kind not in unnamed]


def _refusal(model: nn.Module, inputs: Mapping[str, Any]) -> str:
    """Why a call with these names fails before the module runs; empty if it does not."""
    names = _names(model)
    try:
        signature(model.forward).bind(**inputs)
    except TypeError as error:
        given = ", ".join(inputs) or "nothing"
        return f"{type(model).__name__} takes {', '.join(names)}, and is given {given}: {error}"
    return ""
