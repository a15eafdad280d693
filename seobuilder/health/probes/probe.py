"""One pass through a model and back, and its first steps, told as records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from seobuilder.data.batches import Batch
from seobuilder.health.first_loss import summed_loss
from seobuilder.health.probes.places import Place, places
from seobuilder.health.probes.prediction import predict
from seobuilder.health.probes.signals import attention_records, signal_records
from seobuilder.health.probes.steps import LEARNING_RATE, STEPS, first_steps
from seobuilder.health.probes.tap import Heard, listen
from seobuilder.health.probes.untouched import untouched
from seobuilder.layers import Attention
from seobuilder.planning.model import Node, Plan
from seobuilder.recipe.spec import Recipe
from seobuilder.report.probes import Probes


def probe(model: nn.Module, plan: Plan, recipe: Recipe, batch: Batch) -> Probes:
    """What a batch shows of a model that was compiled from `plan`; the model stays as it was.

    It runs in evaluation mode, but with the statistics of the batch where a norm keeps some:
    before training, those that it keeps are none of the data.
    """
    found = places(plan)
    watched = {place.name: model.get_submodule(place.path) for place in found}
    attentions = {
        name: module for name, module in model.named_modules() if isinstance(module, Attention)
    }
    relus = relus_of(watched, {place.name for place in found if place.is_block})
    everything = {**watched, **attentions, **relus}
    masks = {
        name: batch.inputs[name] != spec.padding_id for name, spec in recipe.token_inputs.items()
    }
    with untouched(model), torch.enable_grad():
        quiet(model)
        with listen(everything) as heard:
            loss = summed_loss(model, recipe, batch)
        outputs = {name: each for name, each in heard.outputs.items() if name in watched}
        gradients = _gradients(loss, outputs, retain_graph=True)
        inner = {name: each for name, each in outputs.items() if name not in recipe.outputs}
        if not any(_is_heard(gradients.get(name)) for name in inner):
            read = _projection(_read_by_outputs(plan, outputs))
            gradients |= _gradients(read, inner)
        activations = _activations(heard, relus)
        prediction = predict(plan, recipe, batch)
        signals = signal_records(found, outputs, gradients, activations, masks, prediction)
        attention = attention_records(attentions, heard.inputs)
        stored = dict(model.named_parameters(remove_duplicate=False))
        names = {
            a.parameter.name: tuple(stored[name] for name in a.parameter.stored)
            for a in plan.assignments
        }
        steps, losses = first_steps(model, names, lambda: summed_loss(model, recipe, batch))
    return Probes(
        signals=signals,
        attention=attention,
        parameters=steps,
        learning_rate=LEARNING_RATE,
        steps=STEPS,
        losses=losses,
    )


def probe_module(model: nn.Module, inputs: Mapping[str, Any]) -> Probes:
    """What inputs show of a module that no recipe made; it stays as it was.

    Its signals are those behind numbered modules, which stand in a list or a sequence, or behind
    its children where it has none. The gradient is that of a random, but fixed, sum of outputs.
    """
    named = dict(model.named_modules())
    numbered = [name for name in named if name.rpartition(".")[2].isdecimal()]
    names = numbered or [name for name, _ in model.named_children()]
    found = [Place(n, n, "", Node(n, type(named[n]).__name__), None) for n in names]
    watched = {name: named[name] for name in names}
    relus = relus_of(watched, watched)
    with untouched(model), torch.enable_grad():
        quiet(model)
        _copying(model)
        with listen({**watched, **relus}) as heard:
            answers = model(**inputs)
        outputs = {n: each for n, each in heard.outputs.items() if n in watched and each.numel()}
        gradients = _gradients(_projection(answers), outputs)
        signals = signal_records(found, outputs, gradients, _activations(heard, relus), {}, None)
    return Probes(
        signals=signals, attention=(), parameters=(), learning_rate=0.0, steps=0, losses=()
    )


def _projection(answers: Any) -> Tensor:
    """The sum of all fractions in the outputs, each with a fixed random factor."""
    generator = torch.Generator().manual_seed(0)
    leaves = [t for t in tree_leaves(answers) if isinstance(t, Tensor) and t.is_floating_point()]
    total = torch.zeros(())
    for leaf in leaves:
        factors = torch.randn(leaf.shape, generator=generator, dtype=torch.float32)
        total = total + (leaf * factors.to(leaf.dtype)).mean()
    return total


RELU = " relu"
"""Tells a block's activation from the block; no name has a space."""


def relus_of(watched: Mapping[str, nn.Module], blocks: Iterable[str]) -> dict[str, nn.Module]:
    """The ReLU of each block that has one, the only activation whose units are exactly zero."""
    return {
        name + RELU: module
        for name in blocks
        for module in watched[name].modules()
        if isinstance(module, nn.ReLU)
    }


def _activations(heard: Heard, relus: Iterable[str]) -> dict[str, tuple[Tensor, Tensor]]:
    """What went into the ReLU of each block, and what came out."""
    return {
        name.removesuffix(RELU): (heard.inputs[name][0], heard.outputs[name])
        for name in relus
        if name in heard.outputs
    }


def quiet(model: nn.Module) -> None:
    """Evaluation mode, but for norms that keep statistics, which take those of the batch."""
    model.eval()
    for module in model.modules():
        if "running_mean" in module._buffers:
            module.training = True


def _copying(model: nn.Module) -> None:
    """Activations no longer write into what comes in, which is what others gave."""
    for module in model.modules():
        if "inplace" in vars(module):
            vars(module)["inplace"] = False


def _is_heard(gradient: Tensor | None) -> bool:
    return gradient is not None and bool(gradient.any())


def _read_by_outputs(plan: Plan, signals: Mapping[str, Tensor]) -> list[Tensor]:
    """What the heads read: a signal of that name, or behind the last block of the module."""
    outputs = set(plan.root.settings["outputs"])
    steps = plan.root.settings["steps"]
    sources = [source for name, _, given, _ in steps if name in outputs for source in given]
    last = {name.partition(".")[0]: signal for name, signal in signals.items()}
    return [last[source] for source in sources if source in last]


def _gradients(
    loss: Tensor, outputs: Mapping[str, Tensor], *, retain_graph: bool = False
) -> dict[str, Tensor | None]:
    """Of the loss with respect to each output; None where it does not depend on it."""
    wanted = {name: output for name, output in outputs.items() if output.requires_grad}
    if not loss.requires_grad or not wanted:
        return {}
    found = torch.autograd.grad(
        loss, list(wanted.values()), allow_unused=True, retain_graph=retain_graph
    )
    return dict(zip(wanted, found, strict=True))
