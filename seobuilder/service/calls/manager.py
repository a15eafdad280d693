"""Initializing and normalizing modules, with a record of what was done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from seobuilder.health.assess import assess
from seobuilder.init.redraw import redraw
from seobuilder.planning.model import Assignment, Node, Plan
from seobuilder.report.model import Report
from seobuilder.service.calls.initialization import InitializationConfig
from seobuilder.service.calls.normalization import NormalizationConfig
from seobuilder.service.calls.placing import place_norms
from seobuilder.service.calls.reparametrized import attach_to_weights


@dataclass(frozen=True, slots=True)
class Initialization:
    """One call of `initialize_model`: what was drawn, and what stayed as it was."""

    model: str
    config: InitializationConfig
    assignments: tuple[Assignment, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Normalization:
    """One call of `apply_normalization`: the norms, or the weights, that it reached."""

    model: str
    config: NormalizationConfig
    places: tuple[str, ...]


@dataclass
class WeightInitializationManager:
    """Initializes and normalizes modules, and keeps a record of it."""

    initializations: list[Initialization] = field(default_factory=list)
    normalizations: list[Normalization] = field(default_factory=list)

    def initialize_model(self, model: nn.Module, config: InitializationConfig) -> nn.Module:
        """Draw the weights of `model` in place, as `AdvancedWeightInitializer` does; return it.

        Raises:
            InvalidArgument: the method can't draw one of the weights; nothing has changed then.
        """
        assignments, kept = redraw(model, config.rule_for, config.seed)
        name = type(model).__name__
        self.initializations.append(Initialization(name, config, assignments, tuple(kept)))
        return model

    def apply_normalization(self, model: nn.Module, config: NormalizationConfig) -> nn.Module:
        """Normalize `model` in place, and return it.

        Weight and spectral norm are attached to every weight that multiplies. Any other method
        takes the place of the norms that are there, and goes into every `nn.Sequential`: behind
        each linear layer and convolution that has no norm yet, before the activation, but not
        behind the last layer. A Sequential that gains a norm numbers its children anew.

        Raises:
            InvalidArgument: nothing can be normalized, or not with these arguments; nothing has
                changed then.
        """
        if config.is_reparametrization:
            places = attach_to_weights(model, config)
        else:
            places = place_norms(model, config)
        self.normalizations.append(Normalization(type(model).__name__, config, places))
        return model

    def verify(self, model: nn.Module) -> Report:
        """Hold the weights against what the last `initialize_model` declared for them.

        Call it before training, which changes weights on purpose.

        Raises:
            ValueError: nothing was initialized yet, or the model's layers have changed since.
        """
        if not self.initializations:
            raise ValueError("nothing was initialized yet")
        done = self.initializations[-1]
        held = dict(model.named_parameters(remove_duplicate=False))
        for assignment in done.assignments:
            if missing := [name for name in assignment.parameter.stored if name not in held]:
                raise ValueError(f"the model has no {missing[0]}, which was initialized")
        return assess(model, _plan(done))

    def get_initialization_summary(self) -> dict[str, Any]:
        """What was done so far.

        Keys: `methods_used` counts parameters by method, and `normalizations_applied` lists norms
        (or weights) by method, both over all calls; `parameters` says of each parameter of the last
        initialized model what it was drawn from, `kept` lists its parameters that stayed as they
        were; `initializations` and `normalizations` are the calls' arguments in order.
        """
        applied: dict[str, list[str]] = {}
        for normalization in self.normalizations:
            applied.setdefault(normalization.config.method, []).extend(normalization.places)
        last = self.initializations[-1] if self.initializations else None
        drawn = () if last is None else last.assignments
        every = (a for done in self.initializations for a in done.assignments)
        return {
            "methods_used": dict(sorted(Counter(a.method for a in every).items())),
            "normalizations_applied": applied,
            "parameters": {a.parameter.name: _told(a) for a in drawn},
            "kept": [] if last is None else list(last.kept),
            "initializations": [_call(done.model, done.config) for done in self.initializations],
            "normalizations": [_call(done.model, done.config) for done in self.normalizations],
        }


def _told(assignment: Assignment) -> dict[str, Any]:
    parameter, distribution = assignment.parameter, assignment.distribution
    moments = distribution.moments(parameter.shape)
    return {
        "method": assignment.method,
        "distribution": distribution.describe(),
        "std": None if moments is None else moments[1],
        "role": parameter.role,
        "shape": parameter.shape,
        "fan_in": None if parameter.fans is None else parameter.fans.fan_in,
        "fan_out": None if parameter.fans is None else parameter.fans.fan_out,
    }


def _call(model: str, config: InitializationConfig | NormalizationConfig) -> dict[str, Any]:
    return {"model": model, **config.model_dump(exclude_none=True)}


def _plan(done: Initialization) -> Plan:
    """What was declared, without a graph."""
    graph: dict[str, Any] = {"inputs": (), "steps": (), "outputs": ()}
    root = Node("", "model", graph)
    return Plan(done.model, done.config.seed, "float32", root, done.assignments, {}, ())
