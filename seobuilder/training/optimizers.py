"""From the training section to an optimizer whose groups have their own rates and decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from seobuilder.planning.model import Plan
from seobuilder.planning.mup import rate_factors
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.recipe.spec.training import AdamW, Clip

DECAYING = frozenset(
    {"weight", "residual_out", "head", "gate", "recurrent_input", "recurrent_hidden"}
)
"""Roles of matrices, which weight decay is for: biases, norms and tables have none."""

FACTOR = "factor"
"""Key of a group: what multiplies the rate, 1 but under muP."""


def make_optimizer(model: nn.Module, plan: Plan, loaded: LoadedRecipe) -> torch.optim.Optimizer:
    """The optimizer that the recipe states, its parameters in the order of the plan."""
    spec = loaded.recipe.training.optimizer
    groups = _groups(model, plan, rate_factors(loaded, spec.method), spec.weight_decay)
    # One kernel for all parameters: on two cores, several times as fast as one after the other.
    if isinstance(spec, AdamW):
        return torch.optim.AdamW(
            groups, lr=spec.learning_rate, betas=spec.betas, eps=spec.eps, fused=True
        )
    return torch.optim.SGD(
        groups,
        lr=spec.learning_rate,
        momentum=spec.momentum,
        nesterov=spec.nesterov,
        fused=True,
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group[FACTOR]


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """L2 norm of the whole gradient, a scalar."""
    return nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])


def clip_gradients(parameters: list[nn.Parameter], clip: Clip, norm: Tensor) -> None:
    """Limit the gradient, whose norm is given, in place."""
    if clip.norm is not None:
        nn.utils.clip_grads_with_norm_(parameters, clip.norm, norm)
    if clip.value is not None:
        nn.utils.clip_grad_value_(parameters, clip.value)


def _groups(
    model: nn.Module, plan: Plan, factors: dict[str, float], weight_decay: float
) -> list[dict[str, Any]]:
    """Parameters of equal decay and factor together."""
    stored = dict(model.named_parameters(remove_duplicate=False))
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for assignment in plan.assignments:
        parameter = assignment.parameter
        decay = weight_decay if parameter.role in DECAYING else 0.0
        group = groups.setdefault((decay, factors[parameter.name]), [])
        group += [stored[name] for name in parameter.stored]
    return [
        {"params": parameters, "weight_decay": decay, FACTOR: factor}
        for (decay, factor), parameters in groups.items()
    ]
