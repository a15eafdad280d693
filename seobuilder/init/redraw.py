"""Drawing the parameters of any module, which no recipe need have made, by rules chosen for each.

The same decisions, samplers and keyed streams as for a recipe's model: a parameter is keyed by
the seed and its own name.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from seobuilder.building.describe import Description, describe
from seobuilder.errors import InvalidArgument
from seobuilder.init.draw import fill_jobs
from seobuilder.init.elementwise import standard_normal_
from seobuilder.init.streams import Stream
from seobuilder.init.threads import Job, in_turn, one_thread, run
from seobuilder.norm.reparametrization import (
    Method,
    assign,
    attached_method,
    effective,
    settle,
    start_size,
    unusable_norm,
)
from seobuilder.planning.methods import LARGEST, NotApplicable, decide
from seobuilder.planning.model import Assignment, Parameter, Reparametrization, RuleReference
from seobuilder.recipe.diagnostics import Mark
from seobuilder.recipe.dump import flow
from seobuilder.recipe.spec.initialization import InitializationRule

Choose = Callable[[Parameter], InitializationRule]
"""The rule for a parameter; what it selects by is not asked again."""


@torch.no_grad()
def redraw(model: nn.Module, choose: Choose, seed: int) -> tuple[tuple[Assignment, ...], list[str]]:
    """Draw every known parameter of a module in place, on the device and in the dtype it has.

    Weights under weight norm, spectral norm or another parametrization that can be inverted get
    the drawn values through it.

    Returns:
        What was drawn for each parameter, and the names of those that were left as they are.

    Raises:
        InvalidArgument: a rule can't draw a parameter; nothing has been drawn then. Or the module
            is lazy, on the meta device, or has no parameter whose meaning is known.
    """
    description = describe(model)
    if not description.known:
        raise InvalidArgument(f"{type(model).__name__} has no parameter to draw")
    assignments = _decide(description, choose)
    direct: list[Job] = []
    behind: list[tuple[Assignment, Tensor]] = []
    for assignment in assignments:
        module, tensor = description.tensors[assignment.parameter.name]
        memory = _memory(module, tensor)
        if memory is None:
            like = effective(module, tensor)
            behind.append((assignment, torch.empty(like.shape, dtype=like.dtype)))
        else:
            direct += _jobs(assignment, memory, seed)
    run(job for assignment, drawn in behind for job in _jobs(assignment, drawn, seed))
    for assignment, drawn in behind:
        _refuse_unusable(assignment, drawn)
    run(direct)
    for assignment, drawn in behind:
        module, tensor = description.tensors[assignment.parameter.name]
        assign(module, tensor, drawn)
        if attached_method(module, tensor) == "spectral_norm":
            settle_keyed(module, tensor, assignment.parameter.name, seed)
    return assignments, list(description.unknown)


def settle_keyed(module: nn.Module, tensor_name: str, name: str, seed: int) -> None:
    """Settle an attached spectral norm from the stream of the parameter called `name`."""
    stored = module.get_submodule(f"parametrizations.{tensor_name}").get_parameter("original")
    empty = torch.empty(start_size(module, tensor_name), dtype=torch.float64)
    with one_thread():
        start = standard_normal_(empty, Stream(seed, name, "spectral_norm"), in_turn)
        settle(module, tensor_name, start.to(stored.device))


def _decide(description: Description, choose: Choose) -> tuple[Assignment, ...]:
    """What each parameter is drawn from, or all reasons why not."""
    assignments, problems = [], []
    for parameter in description.known:
        module, tensor = description.tensors[parameter.name]
        if problem := _obstacle(parameter, module, tensor):
            problems.append(problem)
            continue
        rule = choose(parameter)
        try:
            decision = decide(rule, parameter, _dtype(module, tensor))
        except NotApplicable as error:
            problems.append(str(error))
            continue
        assignments.append(
            Assignment(
                parameter,
                rule.method,
                decision.distribution,
                _reference(rule),
                (),
                decision.gain,
                decision.convention,
                _attached(module, tensor, rule),
            )
        )
    if problems:
        raise InvalidArgument("; ".join(dict.fromkeys(problems)))
    return tuple(assignments)


def _dtype(module: nn.Module, tensor: str) -> str:
    """The weight's dtype, if it is one that recipes have too."""
    name = str(effective(module, tensor).dtype).removeprefix("torch.")
    return name if name in LARGEST else "float32"


def _obstacle(parameter: Parameter, module: nn.Module, tensor: str) -> str:
    """What is in the way of drawing a parameter, whatever the rule; empty for nothing."""
    weight = effective(module, tensor)
    if weight.is_meta:
        return f"`{parameter.name}` is on the meta device: give it memory first, by `to_empty`"
    if not weight.is_floating_point():
        return f"`{parameter.name}` is {weight.dtype}; only floating-point weights are drawn"
    if is_parametrized(module, tensor):
        forms = module.get_submodule(f"parametrizations.{tensor}").children()
        if not all(hasattr(form, "right_inverse") for form in forms):
            return f"the parametrization of `{parameter.name}` can't be inverted; draw it before"
    return ""


def _reference(rule: InitializationRule) -> RuleReference:
    """How the rule reads; no text holds it."""
    keys = [key for key in type(rule).model_fields if key in rule.model_fields_set - {"match"}]
    words = {key: getattr(value := getattr(rule, key), "text", value) for key in keys}
    return RuleReference(0, flow(words), Mark(rule.method, 1, 1))


def _attached(module: nn.Module, tensor: str, rule: InitializationRule) -> Reparametrization | None:
    method: Method | None = attached_method(module, tensor)
    return None if method is None else Reparametrization(method, {}, _reference(rule))


def _memory(module: nn.Module, tensor: str) -> Tensor | None:
    """The memory of the parameter itself, where it can be drawn right there."""
    weight = module._parameters.get(tensor)
    if weight is None or weight.device.type != "cpu" or not weight.is_contiguous():
        return None
    return weight.detach()


def _jobs(assignment: Assignment, out: Tensor, seed: int) -> list[Job]:
    parameter = assignment.parameter
    name, padding = parameter.name, parameter.padding_row
    return fill_jobs(out, assignment.distribution, name=name, seed=seed, padding_row=padding)


def _refuse_unusable(assignment: Assignment, drawn: Tensor) -> None:
    parameter, attached = assignment.parameter, assignment.reparametrization
    unusable = attached and unusable_norm(drawn, attached.method, parameter.padding_row)
    if attached and unusable:
        raise InvalidArgument(
            f"{attached.method} divides `{parameter.name}` by its norm, "
            f"and {assignment.method} would make that {unusable}"
        )
