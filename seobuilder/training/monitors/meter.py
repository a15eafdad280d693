"""Measuring a model in training: gradients, updates, weights, signals and attention.

What is measured stays on the device until the step is done, and comes to the host as one tensor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import hypot, isfinite

import torch
from torch import Tensor, nn

from seobuilder.health.norms import norms
from seobuilder.health.probes.places import Place, places
from seobuilder.health.probes.probe import RELU, relus_of
from seobuilder.health.probes.tap import Heard, listen
from seobuilder.layers import Attention
from seobuilder.planning.model import Node, Plan
from seobuilder.report.training import Reading
from seobuilder.training.monitors.signals import attention, dead_share, variance
from seobuilder.training.monitors.watched import watched

Key = tuple[str, str]
"""What is measured, and the name of what it is measured of."""

SCORES = ("logit_std", "logit_max", "entropy", "uniform")


@dataclass
class _Measured:
    """Numbers on the device, each with its key, and the weights before the step."""

    keys: list[Key] = field(default_factory=list)
    numbers: list[Tensor] = field(default_factory=list)
    before: list[Tensor] = field(default_factory=list)

    def add(self, kind: str, names: list[str], found: Tensor) -> None:
        self.keys += [(kind, name) for name in names]
        self.numbers.append(found.reshape(-1))


class Meter:
    """Measures one step: `listen` before its forward pass, `before_step`, then `after_step`."""

    def __init__(self, model: nn.Module, plan: Plan | None = None) -> None:
        """Keep a copy of the weights as they are now, which changes are measured against.

        Args:
            model: any module.
            plan: what it was compiled from, for logical names and rules. Of any other module the
                signals are those behind its numbered modules, or else behind its children.
        """
        self.parameters = watched(model, plan)
        self.initial = [each.read().detach().clone() for each in self.parameters]
        self._started: Tensor | None = None
        self._places = _places(model) if plan is None else places(plan)
        modules = {place.name: model.get_submodule(place.path) for place in self._places}
        blocks = [place.name for place in self._places if plan is None or place.is_block]
        self._relus = relus_of(modules, blocks)
        self._modules = {**modules, **self._relus}
        self._attentions = {n: m for n, m in model.named_modules() if isinstance(m, Attention)}
        self._listening = ExitStack()
        self._heard: Heard | None = None
        self._masks: Mapping[str, Tensor] = {}
        self._measured: _Measured | None = None

    @property
    def is_listening(self) -> bool:
        """Whether a forward pass is listened to, and a measurement is under way."""
        return self._heard is not None

    @property
    def has_measured(self) -> bool:
        """Whether `before_step` was called, and `after_step` is to come."""
        return self._measured is not None

    def listen(self, masks: Mapping[str, Tensor] | None = None) -> None:
        """Hear the next forward pass, the first one where several come; weights stay as they are.

        `masks` [B, T] tell the real positions of each tokens input.
        """
        self._masks = masks or {}
        modules = {**self._modules, **self._attentions}
        self._heard = self._listening.enter_context(listen(modules))

    def close(self) -> None:
        """Stop listening."""
        self._listening.close()
        self._heard = None

    @torch.no_grad()
    def before_step(self) -> None:
        """Measure signals and gradients, and keep the weights until the step is done."""
        found = self._measured = _Measured()
        if self._heard is not None:
            self._signals(found, self._heard)
            self._attention(found, self._heard)
        self.close()
        stored = [(str(i), p.grad) for i, e in enumerate(self.parameters) for p in e.stored]
        known = [(index, gradient) for index, gradient in stored if gradient is not None]
        found.add("gradient", [index for index, _ in known], norms([g for _, g in known]))
        found.before = [each.read().detach().clone() for each in self.parameters]

    @torch.no_grad()
    def after_step(self) -> Reading:
        """Measure what the step did; gives all numbers of the step."""
        found = self._measured
        assert found is not None, "`before_step` comes first"
        self._measured = None
        names = [str(index) for index in range(len(self.parameters))]
        now = [each.read().detach() for each in self.parameters]
        if self._started is None:
            self.initial = [
                each.to(like.device) for each, like in zip(self.initial, now, strict=True)
            ]
            self._started = norms(self.initial)
        found.add("before", names, norms(found.before))
        difference = found.before  # in its place: new memory costs more than the subtraction
        torch._foreach_sub_(difference, now)
        found.add("moved", names, norms(difference))
        torch._foreach_copy_(difference, now)
        torch._foreach_sub_(difference, self.initial)
        found.add("started", names, self._started)
        found.add("changed", names, norms(difference))
        device = now[0].device if now else None
        values = torch.cat([each.to(device, torch.float64) for each in found.numbers]).tolist()
        return self._reading(dict(_collected(found.keys, values)))

    def _signals(self, found: _Measured, heard: Heard) -> None:
        for place in self._places:
            mask = self._masks.get(place.mask or "")
            output = heard.outputs.get(place.name)
            if output is not None and output.is_floating_point() and output.numel():
                found.add("variance", [place.name], variance(output, mask))
            active = heard.outputs.get(place.name + RELU)
            if active is not None and active.ndim > 1 and active.numel():
                found.add("dead", [place.name], dead_share(active, mask))

    def _attention(self, found: _Measured, heard: Heard) -> None:
        for name, module in self._attentions.items():
            if name in heard.inputs:
                numbers = attention(module, *heard.inputs[name])
                for kind, number in zip(SCORES, numbers, strict=True):
                    found.add(kind, [name], number)

    def _reading(self, by_kind: Mapping[str, Mapping[str, list[float]]]) -> Reading:
        def ratio(over: str, under: str) -> dict[str, float | None]:
            pairs = zip(by_kind.get(over, {}).items(), by_kind.get(under, {}).values(), strict=True)
            return {
                self.parameters[int(i)].name: _short(a[0] / b[0] if b[0] else None)
                for (i, a), b in pairs
            }

        def plain(kind: str) -> dict[str, float | None]:
            return {name: _short(values[0]) for name, values in by_kind.get(kind, {}).items()}

        gradients = by_kind.get("gradient", {})
        return Reading(
            gradients={
                self.parameters[int(index)].name: _short(hypot(*values))
                for index, values in gradients.items()
            },
            updates=ratio("moved", "before"),
            changes=ratio("changed", "started"),
            variance=plain("variance"),
            dead=plain("dead"),
            **{kind: plain(kind) for kind in SCORES},
        )


def _collected(
    keys: list[Key], values: list[float]
) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """Values by kind and name; a parameter that is stored in parts has several gradients."""
    found: dict[str, dict[str, list[float]]] = {}
    for (kind, name), value in zip(keys, values, strict=True):
        found.setdefault(kind, {}).setdefault(name, []).append(value)
    yield from found.items()


def _short(value: float | None) -> float | None:
    """Six digits, for a run has many lines; None for what JSON does not have."""
    return float(f"{value:.6g}") if value is not None and isfinite(value) else None


def _places(model: nn.Module) -> tuple[Place, ...]:
    """Numbered modules, which stand in a list or a sequence, or else the children."""
    named = dict(model.named_modules())
    numbered = [name for name in named if name.rpartition(".")[2].isdecimal()]
    names = numbered or [name for name, _ in model.named_children()]
    return tuple(Place(n, n, "", Node(n, type(named[n]).__name__), None) for n in names)
