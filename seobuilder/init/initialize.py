"""Giving a compiled model its weights, as its plan decided them.

Every draw is keyed by the recipe's seed and the parameter's logical name, so neither the order of
the draws nor the number of threads decides a value. Everything is drawn on the CPU and moved then,
so that a model has the same weights on every device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import Parameter

from seobuilder.errors import RecipeError
from seobuilder.init.draw import fill_jobs
from seobuilder.init.elementwise import standard_normal_
from seobuilder.init.pretrained import load_tensors
from seobuilder.init.streams import Stream
from seobuilder.init.threads import Job, in_turn, one_thread, run
from seobuilder.norm.reparametrization import (
    attach,
    locate,
    plain_name,
    settle,
    start_size,
    unusable_norm,
)
from seobuilder.planning.distributions import Keep, Pretrained
from seobuilder.planning.model import Assignment, Plan, Reparametrization
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.files import NO_FILES, Files

DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "float64": torch.float64,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def allocate(model: nn.Module, plan: Plan) -> None:
    """Give every tensor memory on the CPU, and compute every buffer.

    Parameters get the recipe's dtype and whatever stood in memory, to be drawn or loaded.
    """
    _materialize(model, DTYPES[plan.dtype])
    _reset_buffers(model)


def initialize(
    model: nn.Module,
    plan: Plan,
    *,
    device: str | torch.device = "cpu",
    files: Files = NO_FILES,
) -> None:
    """Allocate the model's tensors, and draw its parameters or load them from files, in place.

    Args:
        model: as compiled from `plan`, on the meta device or any other.
        plan: names the parameters of the model, one assignment for each.
        device: where the finished model lives.
        files: where each file lies that the plan loads parameters from.

    Raises:
        RecipeError: a weight or spectral norm would divide by zero.
        EnvironmentProblem: a file is no longer what it was when the plan was checked.
    """
    allocate(model, plan)
    found = _match(model, plan)
    _keep_defaults(model, plan, found)
    jobs: list[Job] = []
    for assignment in plan.assignments:
        parameter = assignment.parameter
        if not isinstance(assignment.distribution, Keep | Pretrained):
            jobs += fill_jobs(
                found[parameter.name],
                assignment.distribution,
                name=parameter.name,
                seed=plan.seed,
                padding_row=parameter.padding_row,
            )
    run(jobs)
    load_tensors(found, plan, files)
    for assignment in plan.assignments:
        if assignment.reparametrization is not None:
            _reparametrize(model, assignment, assignment.reparametrization, plan.seed)
    model.to(device)


def _materialize(model: nn.Module, dtype: torch.dtype) -> None:
    """Give every tensor memory on the CPU, parameters in `dtype`. Shared ones stay shared.

    `nn.Module.to_empty` would tear a parameter that two modules share into two.
    """
    tensors: dict[int, Parameter | torch.Tensor] = {}
    for module in model.modules():
        for name, old in list(module._parameters.items()):
            if old is not None:
                empty = torch.empty_like(old, dtype=dtype, device="cpu")
                new = tensors.setdefault(id(old), Parameter(empty, old.requires_grad))
                setattr(module, name, new)
        for name, buffer in list(module._buffers.items()):
            if buffer is not None:
                empty = torch.empty_like(buffer, device="cpu")
                module._buffers[name] = tensors.setdefault(id(buffer), empty)


def _reset_buffers(model: nn.Module) -> None:
    """Compute every buffer: by our modules' method, or by that of PyTorch's batch norms."""
    for module in model.modules():
        resets = [
            reset
            for method in ("reset_buffers", "reset_running_stats")
            if (reset := getattr(module, method, None)) is not None
        ]
        held = [name for name, buffer in module._buffers.items() if buffer is not None]
        assert resets or not held, f"nothing sets {held} of {type(module).__name__}"
        for reset in resets:
            reset()


def _match(model: nn.Module, plan: Plan) -> dict[str, Parameter]:
    """The model's parameters by logical name; the plan and the model must hold the same ones."""
    stored = dict(model.named_parameters(remove_duplicate=False))
    found: dict[str, Parameter] = {}
    for assignment in plan.assignments:
        planned = assignment.parameter
        name = plain_name(planned.stored[0])
        assert name in stored, f"the model has no {name}, planned as {planned.name}"
        shape = tuple(stored[name].shape)
        assert shape == planned.shape, f"{name} has shape {shape}, planned {planned.shape}"
        found[planned.name] = stored[name]
    claimed = [id(parameter) for parameter in found.values()]
    assert len(set(claimed)) == len(plan.assignments), "two assignments share a parameter"
    unplanned = [name for name, parameter in stored.items() if id(parameter) not in set(claimed)]
    assert not unplanned, f"the plan does not know {unplanned}"
    return found


def _keep_defaults(model: nn.Module, plan: Plan, found: dict[str, Parameter]) -> None:
    """Let layers set the parameters that keep their default, from a seed of each layer's own.

    A layer resets all its parameters at once; those that were not asked for are put back, for they
    may be shared with a layer that was reset before.
    """
    kept: dict[str, list[Assignment]] = {}
    for assignment in plan.assignments:
        if isinstance(assignment.distribution, Keep):
            owner = assignment.parameter.name.rpartition(".")[0]
            kept.setdefault(owner, []).append(assignment)
    for owner, assignments in kept.items():
        wanted = {id(found[a.parameter.name]) for a in assignments}
        module, _ = locate(model, plain_name(assignments[0].parameter.stored[0]))
        others = [p for p in module.parameters(recurse=False) if id(p) not in wanted]
        saved = [p.detach().clone() for p in others]
        reset: Callable[[], Any] | None = getattr(module, "reset_parameters", None)
        assert reset is not None, f"{type(module).__name__} has no default to keep"
        with torch.random.fork_rng(devices=[]), torch.no_grad(), one_thread():
            torch.default_generator.manual_seed(Stream(plan.seed, owner, "keep").torch_seed)
            reset()
            for parameter, before in zip(others, saved, strict=True):
                parameter.copy_(before)


def _reparametrize(
    model: nn.Module, assignment: Assignment, chosen: Reparametrization, seed: int
) -> None:
    parameter = assignment.parameter
    module, tensor_name = locate(model, plain_name(parameter.stored[0]))
    weight = module.get_parameter(tensor_name)
    unusable = unusable_norm(weight.detach(), chosen.method, parameter.padding_row)
    if unusable is not None:
        raise RecipeError([_unusable(assignment, chosen, unusable)])
    attach(module, tensor_name, chosen.method, chosen.settings)
    if chosen.method == "spectral_norm":
        empty = torch.empty(start_size(module, tensor_name), dtype=torch.float64)
        stream = Stream(seed, parameter.name, "spectral_norm")
        with one_thread():
            settle(module, tensor_name, standard_normal_(empty, stream, in_turn))


def _unusable(
    assignment: Assignment, chosen: Reparametrization, norm: Literal["zero", "infinite"]
) -> Diagnostic:
    if norm == "infinite":
        what = "infinite, or so large that their norm is"
    elif chosen.method == "spectral_norm":
        what = "all zero"
    elif assignment.parameter.is_transposed:
        what = "zero for at least one input"
    else:
        what = "zero for at least one output"
    return Diagnostic(
        code="P901",
        message=(
            f"{chosen.method} divides `{assignment.parameter.name}` by its norm, but "
            f"{assignment.rule.text} draws weights that are {what}"
        ),
        mark=chosen.rule.mark,
        help=f"draw this weight by another method, or exclude it from {chosen.method}",
    )
