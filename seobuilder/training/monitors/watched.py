"""The parameters that monitors tell apart: a recipe's by logical name, any module's by its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn

from seobuilder.building.describe import describe
from seobuilder.health.assess import drawn_weight
from seobuilder.planning.model import Assignment, Plan


@dataclass(frozen=True, slots=True)
class Watched:
    """A parameter; `read` gives the weight that its layer computes with.

    `stored` has the tensors that are trained: two under weight norm. `rule` is `file:line`.
    """

    name: str
    role: str | None
    rule: str | None
    stored: tuple[nn.Parameter, ...]
    read: Callable[[], Tensor]


def watched(model: nn.Module, plan: Plan | None = None) -> tuple[Watched, ...]:
    """The parameters of a model that learn, shared ones once.

    Args:
        model: any module.
        plan: what it was compiled from, for logical names and rules; None for any other module.
    """
    if plan is None:
        roles = {p.stored[0]: p.role for p in describe(model).known}
        return tuple(
            Watched(name, roles.get(name), None, (parameter,), parameter.detach)
            for name, parameter in model.named_parameters()
            if parameter.requires_grad
        )
    stored = dict(model.named_parameters(remove_duplicate=False))
    return tuple(
        Watched(
            assignment.parameter.name,
            assignment.parameter.role,
            assignment.rule.mark.place,
            tuple(stored[name] for name in assignment.parameter.stored),
            _reader(model, assignment, stored),
        )
        for assignment in plan.assignments
    )


def _reader(
    model: nn.Module, assignment: Assignment, stored: Mapping[str, nn.Parameter]
) -> Callable[[], Tensor]:
    """What gives the weight: looking up what is stored as it is would cost as much as a norm."""
    names = assignment.parameter.stored
    if len(names) == 1:
        return stored[names[0]].detach
    return partial(drawn_weight, model, assignment)
