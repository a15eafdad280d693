"""How a parameter is drawn so that the signal keeps its size, and which ones are not drawn so."""

from __future__ import annotations

from functools import cache
from math import inf, isclose
from typing import Any

from pydantic import TypeAdapter

from seobuilder.planning.distributions import (
    DeltaOrthogonal,
    ForgetGate,
    Orthogonal,
    Pretrained,
)
from seobuilder.planning.gains import gain
from seobuilder.planning.methods import NotApplicable, decide
from seobuilder.planning.model import Assignment, Parameter
from seobuilder.recipe.reader import read_value
from seobuilder.recipe.spec.initialization import InitializationRule

_BY_ROLE = {
    "bias": "method: zeros",
    "norm_shift": "method: zeros",
    "norm_scale": "method: ones",
    "residual_scale": "method: ones",
    "embedding": "method: normal, std: 0.02",
    "position": "method: normal, std: 0.02",
    "head": "method: normal, std: 0.02",
    "residual_out": 'method: xavier_normal, gain: "1 / sqrt(2 * depth)"',
    "recurrent_hidden": "method: orthogonal",
    "recurrent_input": "method: xavier_uniform",
}
"""For each role that is drawn alike in every model; the others follow their activation."""

_XAVIER = ("method: xavier_normal", "method: xavier_uniform")
_RECTIFIERS = ("relu", "leaky_relu", "gelu", "silu", "mish")


def sound_draw(assignment: Assignment) -> str:
    """Method and arguments, as a rule has them, that let the signal keep its size.

    The gain is that of the activation that follows. A tanh of many layers takes 1 rather than 5/3,
    for then its gradient keeps its size as well (Saxe et al. 2014, arXiv:1312.6120). Matrices
    that are drawn orthogonal stay so, and uniform weights uniform.
    """
    parameter = assignment.parameter
    if parameter.role in _BY_ROLE:
        return _BY_ROLE[parameter.role]
    family = "uniform" if assignment.method.endswith("uniform") else "normal"
    if "heads" in parameter.variables:  # in a transformer a skip path carries the signal
        is_orthogonal = assignment.method == "orthogonal"
        return "method: orthogonal" if is_orthogonal else f"method: xavier_{family}"
    nonlinearity = parameter.nonlinearity
    if isinstance(assignment.distribution, Orthogonal | DeltaOrthogonal):
        is_rectifier = nonlinearity in _RECTIFIERS
        value = gain(nonlinearity, convention="second_moment").value if is_rectifier else 1.0
        factor = "" if value == 1 else f", gain: {value:.5g}"
        return f"method: {assignment.method}{factor}"
    if nonlinearity in _RECTIFIERS:
        return f"method: kaiming_{family}, nonlinearity: auto"
    return f"method: lecun_{family}" if nonlinearity == "selu" else f"method: xavier_{family}"


def excess(assignment: Assignment) -> float | None:
    """How many times as large a parameter is drawn as `sound_draw` would have it, by its std.

    1 between Xavier's and LeCun's where Xavier's is sound, 0 for zeros, infinity where something is
    drawn that should be constant, or has a mean that shifts the signal; None where nothing is
    known, as of loaded weights, or where it can't be an oversight, as in the bias of a forget gate.
    """
    parameter, draw = assignment.parameter, sound_draw(assignment)
    if isinstance(assignment.distribution, Pretrained | ForgetGate):
        return None
    moments = assignment.distribution.moments(parameter.shape)
    wanted = _moments(parameter, draw)
    if moments is None or wanted is None:
        return None
    mean, std = moments
    if wanted[1] == 0:
        return 1.0 if isclose(mean, wanted[0], abs_tol=0.05) and std < 0.5 else inf
    # Xavier's is a compromise: where a layer widens, LeCun's alone keeps the signal's own size.
    forwards = _moments(parameter, draw.replace("xavier", "lecun")) if draw in _XAVIER else None
    low, high = sorted((wanted[1], wanted[1] if forwards is None else forwards[1]))
    if abs(mean) > high:
        return inf
    return std / min(max(std, low), high)


def is_zero(assignment: Assignment) -> bool:
    """Whether all elements are declared to be 0."""
    return assignment.distribution.moments(assignment.parameter.shape) == (0.0, 0.0)


def _moments(parameter: Parameter, draw: str) -> tuple[float, float] | None:
    try:
        return decide(_rule(draw), parameter).distribution.moments(parameter.shape)
    except NotApplicable:
        return None


@cache
def _rule(draw: str) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(InitializationRule)
    return adapter.validate_python({"match": "**", **read_value(f"{{{draw}}}")})
