"""What the plan predicts of the signal and its gradient, and how far finite width lets them stray.

The variance comes from the same walk of moments that `autoinit` takes. It is an expectation over
weights: a model of finite width draws one set of them. For a network of one activation phi and
Gaussian weights, the logarithm of the squared length gets, at each layer of n units, a variance of
(E[phi^4] / E[phi^2]^2 - 1) / n, which is 5 / n for ReLU: Hanin and Rolnick 2018, How to start
training: the effect of initialization and architecture, arXiv:1803.01719.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from math import inf, isfinite, nan, sqrt

from scipy.special import gammaincinv

from seobuilder.data.batches import Batch
from seobuilder.health.probes.places import Place, places
from seobuilder.planning.decisions import drawn_moments
from seobuilder.planning.gaussian import FUNCTIONS, expectation
from seobuilder.planning.kinds import input_signal
from seobuilder.planning.model import Node, Parameter, Plan
from seobuilder.planning.propagation import Propagation
from seobuilder.planning.residual import has_skip
from seobuilder.planning.signal_moments import Drawn, SignalMoments
from seobuilder.planning.signals import Signal, Tokens
from seobuilder.recipe.spec import Recipe

OUTSIDE = 1e-3
"""Chance that a sound signal leaves its band."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """Moments behind places by attribute path, and the relative variance of a squared length.

    `spread` is by name of a place: that of what the layers before it drew.
    """

    moments: Mapping[str, SignalMoments]
    spread: Mapping[str, float]
    weights: Mapping[str, Drawn] = field(default_factory=dict)

    def variance(self, place: Place) -> float | None:
        """The predicted variance behind a place; None where nothing is predicted."""
        found = self.moments.get(place.path)
        return found.variance if found is not None and isfinite(found.variance) else None

    def band(self, place: Place, effective: float) -> tuple[float, float] | None:
        """Where the variance lies but for one model in a thousand.

        `effective` is the number of independent numbers that it was measured on.
        """
        expected = self.variance(place)
        if expected is None:
            return None
        spread = self.spread[place.name] + 2 / max(effective, 1.0)
        # A chi-square of f degrees by f, which is a gamma of shape f / 2, has the variance 2 / f.
        shape = 1 / spread
        low, high = (
            float(gammaincinv(shape, chance)) / shape for chance in (OUTSIDE / 2, 1 - OUTSIDE / 2)
        )
        return expected * low, expected * high


def predict(plan: Plan, recipe: Recipe, batch: Batch) -> Prediction | None:
    """What is to be expected on this batch without dropout; None if the signal overflows."""
    weights: dict[str, Drawn] = {}
    for assignment in plan.assignments:
        reparametrization = assignment.reparametrization
        spectral = reparametrization is not None and reparametrization.method == "spectral_norm"
        drawn = drawn_moments(assignment.parameter, assignment.distribution, spectral=spectral)
        for name in (assignment.parameter.name, *assignment.parameter.aliases):
            weights[name] = drawn

    def drawn_of(parameter: Parameter, arriving: SignalMoments | None) -> Drawn:
        return weights.get(parameter.name, Drawn(nan, nan))

    walk = Propagation(drawn_of)
    try:
        walk.run(_without_dropout(plan.root), _inputs(recipe, batch))
    except OverflowError:
        return None
    return Prediction(walk.trace, _spreads(plan), weights)


def _inputs(recipe: Recipe, batch: Batch) -> dict[str, Signal]:
    """The inputs as they are in the batch: texts of their mean length."""
    signals: dict[str, Signal] = {}
    for name, spec in recipe.inputs.items():
        signal = input_signal(name, spec)
        if isinstance(signal, Tokens) and spec.kind == "tokens":
            lengths = (batch.inputs[name] != spec.padding_id).sum(dim=1).double()
            signal = replace(signal, length=max(1, round(float(lengths.mean()))))
        signals[name] = signal
    return signals


def _without_dropout(node: Node) -> Node:
    quiet = {key: 0.0 if "dropout" in key else value for key, value in node.settings.items()}
    return replace(node, settings=quiet, children=tuple(map(_without_dropout, node.children)))


def _spreads(plan: Plan) -> dict[str, float]:
    """Relative variance of the squared length of what comes into the last layer of each place."""
    settings = plan.root.settings
    behind: dict[str, float] = {name: 0.0 for name, _, _ in settings["inputs"]}
    children = {child.name: child for child in plan.root.children}
    found: dict[str, float] = {}
    blocks: dict[str, list[Place]] = {}
    for place in places(plan):
        blocks.setdefault(place.step, []).append(place)
    for name, owner, sources, _ in settings["steps"]:
        spread = max(behind[source] for source in sources)
        inside = [place for place in blocks[owner] if place.is_block]
        for place in inside:
            spread = 0.0 if _is_normalized(place.node) else spread
            found.setdefault(place.name, spread)
            spread += _own(place.node)
        node = children[owner]
        if any(child.name == "final_norm" for child in node.children):
            spread = 0.0
        found.setdefault(name, spread)
        behind[name] = spread + (0.0 if inside else _own(node))
    return found


def _is_normalized(block: Node) -> bool:
    names = {child.name for child in block.children}
    return "ffn_residual_norm" in names or ("norm" in names and not has_skip(block))


def _own(node: Node) -> float:
    """What one layer adds: its activation's kurtosis over its units."""
    widths = [
        parameter.shape[0]
        for part in node.walk()
        for parameter in part.parameters
        if parameter.role != "residual_scale"  # one factor may be that of all units
    ]
    if not widths or node.kind in ("embedding", "token_embedding"):
        return 0.0
    activation = str(node.settings.get("activation", "identity"))
    return kurtosis_term(activation) / max(1, min(widths))


@cache
def kurtosis_term(activation: str) -> float:
    """E[phi(x)^4] / E[phi(x)^2]^2 - 1 for standard normal x: 2 without an activation."""
    function = FUNCTIONS[activation]
    square = expectation(lambda x: function(x) ** 2)
    return expectation(lambda x: function(x) ** 4) / square**2 - 1


@cache
def slope_square(activation: str, mean: float, variance: float) -> float:
    """E[phi'(x)^2] for normal x, phi' by a central difference."""
    function, step = FUNCTIONS[activation], 1e-5 * sqrt(variance)
    return expectation(
        lambda x: ((function(x + step) - function(x - step)) / (2 * step)) ** 2, mean, variance
    )


def gradient_ratios(prediction: Prediction, stack: list[Place]) -> list[float] | None:
    """Root mean square of the gradient behind each block of a stack, by that behind the last.

    Residual blocks keep E[g^2] Var[x]: a branch that adds to the variance adds as much to the
    Jacobian's square, whichever norm stands before it. Blocks of one layer have the factor
    fan_out Var[w] E[phi'^2] (Schoenholz et al. 2017, Deep information propagation,
    arXiv:1611.01232), to which a skip path adds the square of its own. None where none of it holds.
    """
    ratios = [1.0]
    for block, before in zip(reversed(stack), list(reversed(stack))[1:], strict=False):
        factor = _factor(prediction, block, before)
        if factor is None:
            return None
        ratios.append(ratios[-1] * sqrt(factor))
    return ratios[::-1]


def _factor(prediction: Prediction, block: Place, before: Place) -> float | None:
    """E[g^2] behind `before` by that behind `block`."""
    node = block.node
    if node.kind == "transformer_block":
        after, ahead = prediction.variance(block), prediction.variance(before)
        return after / ahead if after and ahead else None
    layers = [child for child in node.children if child.name not in ("norm", "scale")]
    if node.kind not in ("mlp_block", "conv_block") or len(layers) < len(node.children):
        return None
    total = 0.0
    for layer in layers:
        weight = layer.parameters[0]
        arriving = prediction.moments.get(f"{block.path}.{layer.attribute}")
        if arriving is None or weight.fans is None or not 0 < arriving.variance < inf:
            return None
        drawn = prediction.weights[weight.name]
        slope = slope_square(str(node.settings["activation"]), arriving.mean, arriving.variance)
        total += weight.fans.fan_out * drawn.variance * slope
    if has_skip(node):
        skip, factor = (float(node.settings[f"{path}_scale"]) for path in ("skip", "branch"))
        total = skip**2 + factor**2 * total
    return total
