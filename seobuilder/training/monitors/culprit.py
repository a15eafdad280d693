"""Where a number that is not finite came from: the first module or parameter that has one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from seobuilder.health.norms import norms
from seobuilder.health.probes.tap import listen
from seobuilder.planning.model import Node, Plan
from seobuilder.training.monitors.watched import Watched


class Culprit(NamedTuple):
    """A logical name, and what is wrong there."""

    name: str
    what: str


def culprit(
    model: nn.Module,
    watched: Sequence[Watched],
    plan: Plan | None = None,
    inputs: Mapping[str, Tensor] | None = None,
) -> Culprit:
    """The first of what is not finite, after a backward pass and before the step.

    In this order: a weight; an input; the output of a module, in the order of evaluation, when the
    batch runs once more in evaluation mode; the gradient of a parameter, in the order in which
    gradients come, from the outputs to the inputs. The model stays as it is.

    Args:
        model: with its gradients.
        watched: its parameters, in the order of evaluation.
        plan: of the model, for logical names; None for any other module.
        inputs: of the batch, by name; without them modules are not looked at.
    """
    for each in watched:
        if not all(bool(p.isfinite().all()) for p in each.stored):
            return Culprit(each.name, "the weight is not finite")
    for name, tensor in (inputs or {}).items():
        if tensor.is_floating_point() and (bad := int((~tensor.isfinite()).sum())):
            return Culprit(name, f"{bad:,} of the batch's numbers are not finite")
    if inputs is not None and (module := _first_module(model, plan, inputs)):
        return Culprit(module, "its output is not finite, the first in the order of evaluation")
    learned = [(e, p.grad) for e in watched for p in e.stored if p.grad is not None]
    sizes = norms([gradient for _, gradient in learned]).isfinite().tolist()
    bad_names = [e.name for (e, _), is_good in zip(learned, sizes, strict=True) if not is_good]
    if bad_names:
        return Culprit(bad_names[-1], "its gradient is not finite, the first that comes back")
    return Culprit("loss", "it is not finite, though the signal and all gradients are")


@torch.no_grad()
def _first_module(model: nn.Module, plan: Plan | None, inputs: Mapping[str, Tensor]) -> str | None:
    """The innermost module whose output is the first that is not finite."""
    modules = dict(model.named_modules())
    paths = {name: name for name in modules if name}
    if plan is not None:
        paths = {name: path for name, path in _nodes(plan.root, "", "") if path in modules}
    modes = [(module, module.training) for module in modules.values()]
    model.eval()
    try:
        with listen({name: modules[path] for name, path in paths.items()}) as heard:
            model(**inputs)
    finally:
        for module, mode in modes:
            module.training = mode
    bad = (name for name, each in heard.outputs.items() if not bool(each.isfinite().all()))
    return next(bad, None)


def _nodes(node: Node, name: str, path: str) -> Iterator[tuple[str, str]]:
    """Logical names and paths of all nodes below one."""
    for child in node.children:
        below, at = f"{name}{child.name}", f"{path}{child.attribute}"
        yield below, at
        yield from _nodes(child, f"{below}.", f"{at}.")
