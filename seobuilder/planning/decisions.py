"""What every parameter draws, those last that depend on what the others draw.

Most methods decide a parameter from its rule and its shape. `autoinit` also asks how large the
signal is that arrives at the layer; its parameters are decided when a walk through the model, in
the order of its steps, reaches them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import isnan, nan, sqrt
from typing import Any

from seobuilder.planning import distributions as draws
from seobuilder.planning.methods import Decision, NotApplicable, decide
from seobuilder.planning.model import Node, Parameter
from seobuilder.planning.propagation import Propagation
from seobuilder.planning.signal_moments import Drawn, SignalMoments
from seobuilder.planning.signals import Signal

UNKNOWN = Drawn(nan, nan)


@dataclass(frozen=True, slots=True)
class Graph:
    """A model's tree, what its inputs give, and the weights under spectral norm."""

    root: Node
    inputs: Mapping[str, Signal]
    spectral: Collection[str] = ()


Decided = tuple[Parameter, Decision]
"""A parameter with all facts that its decision took in, and the decision."""


def decide_all(
    chosen: Iterable[tuple[Any, Parameter]], graph: Graph | None, dtype: str = "float32"
) -> dict[str, Decided | NotApplicable]:
    """Each parameter's decision, or why its rule can't draw it, by name.

    A parameter that waits for another's decision is left out where that one has none.

    Args:
        chosen: rule and parameter.
        graph: the model; None where no rule asks for the signal.
        dtype: of the parameters; it holds whatever is drawn.
    """
    decisions = _Decisions(dtype, frozenset(graph.spectral) if graph else frozenset())
    for rule, parameter in chosen:
        for name in (parameter.name, *parameter.aliases):
            decisions.owners[name] = parameter.name
        if rule.method == "autoinit":
            decisions.waiting[parameter.name] = rule, parameter
        else:
            decisions.settle(rule, parameter)
    if decisions.waiting:
        assert graph is not None, "autoinit needs the graph"
        decisions.follow(graph)
    return decisions.decided


@dataclass
class _Decisions:
    dtype: str
    spectral: frozenset[str]
    owners: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, tuple[Any, Parameter]] = field(default_factory=dict)
    decided: dict[str, Decided | NotApplicable] = field(default_factory=dict)
    is_complete: bool = True

    def follow(self, graph: Graph) -> None:
        """Walk through the model, and decide what waits on the way."""
        try:
            Propagation(self.moments).run(graph.root, graph.inputs)
        except OverflowError:
            for name in [name for name in self.waiting if name not in self.decided]:
                message = f"the signal that `{name}` gets is too large"
                self.decided[name] = NotApplicable(message, code="P212")

    def settle(self, rule: Any, parameter: Parameter) -> None:
        """Decide one parameter."""
        try:
            self.decided[parameter.name] = parameter, decide(rule, parameter, self.dtype)
        except NotApplicable as error:
            self.decided[parameter.name] = error
            self.is_complete = False

    def moments(self, parameter: Parameter, arriving: SignalMoments | None) -> Drawn:
        """Moments of a parameter's elements; the first use of one that waits decides it."""
        name = self.owners.get(parameter.name, "")
        if name in self.waiting and name not in self.decided:
            rule, owner = self.waiting[name]
            if arriving is not None:
                owner = replace(owner, arriving=(arriving.mean, arriving.variance))
                if isnan(arriving.square) and not self.is_complete:
                    return UNKNOWN  # for want of a decision that is a problem already
            self.settle(rule, owner)
        found = self.decided.get(name)
        if found is None or isinstance(found, NotApplicable):
            self.is_complete = False
            return UNKNOWN
        owner, decision = found
        return drawn_moments(owner, decision.distribution, spectral=name in self.spectral)


def drawn_moments(
    parameter: Parameter, distribution: draws.Distribution, *, spectral: bool = False
) -> Drawn:
    """Mean and variance of what was decided, as the layer will use it."""
    if isinstance(distribution, draws.ForgetGate):
        return Drawn(0.0, 0.0, distribution.value)
    if isinstance(distribution, draws.Pretrained):
        return UNKNOWN
    mean, std = distribution.moments(parameter.shape) or _default(parameter)
    if spectral:
        largest = _largest_singular_value(parameter, distribution, mean, std)
        mean, std = (mean / largest, std / largest) if largest else (nan, nan)
    return Drawn(mean, std * std)


def _default(parameter: Parameter) -> draws.Moments:
    """What torch's layers set themselves; the preset torch_default says the same in rules."""
    if parameter.role in ("norm_scale", "residual_scale"):
        return 1.0, 0.0
    if parameter.role == "norm_shift":
        return 0.0, 0.0
    if parameter.role in ("embedding", "position"):
        return 0.0, 1.0
    assert parameter.fans is not None
    by_outputs = parameter.layer.startswith(("rnn", "lstm", "gru", "conv_transpose"))
    fan = parameter.fans.fan_out if by_outputs else parameter.fans.fan_in
    return 0.0, 1 / sqrt(3 * fan)


def _largest_singular_value(
    parameter: Parameter, distribution: draws.Distribution, mean: float, std: float
) -> float:
    """Of a random matrix std (sqrt(rows) + sqrt(columns)), of blocks of fixed ones at most theirs.

    Geman 1980, A limit theorem for the norm of random matrices. A mean has a singular value of its
    own, mean * sqrt(rows * columns). n orthogonal matrices on top of each other have
    gain * sqrt(n), unless they have fewer rows than columns.
    """
    if isinstance(distribution, draws.DeltaOrthogonal):
        return distribution.gain
    shape = parameter.shape
    if parameter.is_transposed:  # torch's spectral norm puts its outputs first
        shape = (shape[1], shape[0], *shape[2:])
    rows, columns = map(sqrt, draws.matrix_shape(shape))
    largest = max(std * (rows + columns), abs(mean) * rows * columns)
    if isinstance(distribution, draws.Orthogonal | draws.Identity):
        return min(largest, distribution.gain * sqrt(distribution.blocks))
    return largest
