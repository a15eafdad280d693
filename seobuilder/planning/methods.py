"""From a rule and a parameter to what is drawn: fans, gains and formulas worked in.

One function a method, and one table of them at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, isnan, sqrt
from typing import Any, Literal

from seobuilder.planning import distributions as draws
from seobuilder.planning.gains import Convention, gain
from seobuilder.planning.model import Parameter
from seobuilder.recipe.formulas import Formula, FormulaError
from seobuilder.recipe.spec import initialization as rules


class NotApplicable(Exception):
    """The rule can't draw this parameter; `key` is the key of the rule to point at."""

    def __init__(self, message: str, key: str = "method", code: str = "P207") -> None:
        super().__init__(message)
        self.key = key
        self.code = code


@dataclass(frozen=True, slots=True)
class Decision:
    """What is drawn, and the gain that went into it, for methods that have one.

    `convention` is the one that the gain of a nonlinearity follows; a gain that the rule states
    has none.
    """

    distribution: draws.Distribution
    gain: float | None = None
    convention: Convention | None = None


LARGEST = {
    "float16": 65504.0,
    "bfloat16": 3.3895313892515355e38,
    "float32": 3.4028234663852886e38,
    "float64": 1.7976931348623157e308,
}
"""The largest number of each dtype."""

_NORMAL_REACH = 5.42
"""Standard deviations beyond which no normal lies in float32."""


def decide(rule: Any, parameter: Parameter, dtype: str = "float32") -> Decision:
    """The distribution that a rule declares for a parameter.

    Raises:
        NotApplicable: the method can't draw this shape, a formula can't be evaluated for it, or
            the dtype does not hold what would be drawn.
    """
    decision = METHODS[rule.method](rule, parameter)
    moments = decision.distribution.moments(parameter.shape)
    finite = moments is None or all(map(isfinite, moments))
    if not finite or _reach(decision.distribution) > LARGEST[dtype]:
        message = f"the numbers of {rule.method} are too large for `{parameter.name}` in {dtype}"
        raise NotApplicable(message, code="P208")
    return decision


def _reach(distribution: draws.Distribution) -> float:
    """How large an element may be."""
    match distribution:
        case draws.Constant(value) | draws.ForgetGate(value):
            return abs(value)
        case draws.Uniform() | draws.TruncatedNormal():
            return max(abs(distribution.low), abs(distribution.high))
        case draws.Normal(mean, std):
            return abs(mean) + _NORMAL_REACH * std
        case draws.Sparse():
            return _NORMAL_REACH * distribution.std
        case draws.Identity() | draws.Orthogonal() | draws.DeltaOrthogonal():
            return abs(distribution.gain)
        case draws.Dirac():
            return 1.0
        case draws.Pretrained() | draws.Keep():
            return 0.0


def _number(rule: Any, key: str, parameter: Parameter) -> float:
    """A number of the rule; a formula is worked out for the parameter."""
    value: float | Formula = getattr(rule, key)
    if not isinstance(value, Formula):
        return value
    try:
        return value.evaluate(parameter.variables)
    except FormulaError as error:
        raise NotApplicable(f"`{parameter.name}`: {error}", key, error.code) from None


def _positive(rule: Any, key: str, parameter: Parameter, *, or_zero: bool = False) -> float:
    number = _number(rule, key, parameter)
    if number < 0 or (number == 0 and not or_zero):
        demand = "must not be negative" if or_zero else "must be greater than 0"
        text = getattr(rule, key).text
        message = f"`{text}` is {number:g} for `{parameter.name}`, and {demand}"
        raise NotApplicable(message, key, "P208")
    return number


def _matrix(rule: Any, parameter: Parameter) -> None:
    if len(parameter.shape) < 2:
        raise NotApplicable(
            f"{rule.method} needs a matrix; `{parameter.name}` has shape {_shape(parameter)}"
        )


def _fan(rule: Any, parameter: Parameter, mode: Literal["fan_in", "fan_out", "fan_avg"]) -> float:
    _matrix(rule, parameter)
    assert parameter.fans is not None, f"{parameter.name} is a matrix without fans"
    return parameter.fans.pick(mode)


def _shape(parameter: Parameter) -> str:
    return "[" + ", ".join(map(str, parameter.shape)) + "]"


def _scaled(kind: str, variance: float) -> draws.Distribution:
    if kind == "uniform":
        bound = sqrt(3.0 * variance)
        return draws.Uniform(-bound, bound)
    if kind == "normal":
        return draws.Normal(0.0, sqrt(variance))
    return draws.TruncatedNormal(0.0, sqrt(variance))


def _zeros(rule: rules.Zeros, parameter: Parameter) -> Decision:
    return Decision(draws.Constant(0.0))


def _ones(rule: rules.Ones, parameter: Parameter) -> Decision:
    return Decision(draws.Constant(1.0))


def _constant(rule: rules.Constant, parameter: Parameter) -> Decision:
    return Decision(draws.Constant(_number(rule, "value", parameter)))


def _identity(rule: rules.Identity, parameter: Parameter) -> Decision:
    if len(parameter.shape) != 2:
        raise NotApplicable(
            f"identity needs a matrix; `{parameter.name}` has shape {_shape(parameter)}"
        )
    factor = _positive(rule, "gain", parameter)
    return Decision(draws.Identity(factor, parameter.blocks), factor)


def _dirac(rule: rules.Dirac, parameter: Parameter) -> Decision:
    _convolution(rule, parameter)
    if parameter.groups != rule.groups:
        raise NotApplicable(
            f"`{parameter.name}` has {parameter.groups} groups, not {rule.groups}", "groups"
        )
    return Decision(draws.Dirac(rule.groups))


def _convolution(rule: Any, parameter: Parameter) -> None:
    if len(parameter.shape) < 3:
        raise NotApplicable(
            f"{rule.method} needs a convolution; `{parameter.name}` has shape {_shape(parameter)}"
        )


def _uniform(rule: rules.Uniform, parameter: Parameter) -> Decision:
    if rule.bound is not None:
        bound = _positive(rule, "bound", parameter)
        return Decision(draws.Uniform(-bound, bound))
    low, high = _number(rule, "low", parameter), _number(rule, "high", parameter)
    if low > high:
        raise NotApplicable(f"low {low:g} is above high {high:g} for `{parameter.name}`", "low")
    return Decision(draws.Uniform(low, high))


def _normal(rule: rules.Normal, parameter: Parameter) -> Decision:
    mean, std = _number(rule, "mean", parameter), _positive(rule, "std", parameter, or_zero=True)
    return Decision(draws.Normal(mean, std))


def _truncated_normal(rule: rules.TruncatedNormal, parameter: Parameter) -> Decision:
    mean, std = _number(rule, "mean", parameter), _positive(rule, "std", parameter)
    return Decision(draws.TruncatedNormal(mean, std, *rule.cuts))


def _variance_scaling(rule: rules.VarianceScaling, parameter: Parameter) -> Decision:
    fan = _fan(rule, parameter, rule.fan_mode)
    scale = _positive(rule, "scale", parameter)
    return Decision(_scaled(rule.distribution, scale / fan), sqrt(scale))


def _lecun(rule: rules.Lecun, parameter: Parameter) -> Decision:
    variance = 1.0 / _fan(rule, parameter, "fan_in")
    return Decision(_scaled(rule.method.removeprefix("lecun_"), variance), 1.0)


def _xavier(rule: rules.Xavier, parameter: Parameter) -> Decision:
    fan = _fan(rule, parameter, rule.fan_mode)
    factor = _positive(rule, "gain", parameter)
    kind = rule.method.removeprefix("xavier_")
    return Decision(_scaled(kind, factor * factor / fan), factor)


def _kaiming(rule: rules.Kaiming, parameter: Parameter) -> Decision:
    fan = _fan(rule, parameter, rule.fan_mode)
    followed = parameter.nonlinearity if rule.nonlinearity == "auto" else rule.nonlinearity
    factor = gain(followed, rule.slope, rule.convention)
    kind = rule.method.removeprefix("kaiming_")
    variance = factor.value * factor.value / fan
    return Decision(_scaled(kind, variance), factor.value, factor.convention)


def _orthogonal(rule: rules.Orthogonal, parameter: Parameter) -> Decision:
    _matrix(rule, parameter)
    # Gates and groups are maps that have nothing to do with each other; no weight has both.
    stacked = parameter.blocks * parameter.groups
    blocks = {"matrix": 1, "gate": stacked, "head": parameter.heads}[rule.per]
    if blocks == 0:
        raise NotApplicable(f"`{parameter.name}` has no heads along its outputs", "per")
    factor = _positive(rule, "gain", parameter)
    return Decision(draws.Orthogonal(factor, blocks), factor)


def _delta_orthogonal(rule: rules.DeltaOrthogonal, parameter: Parameter) -> Decision:
    recurrent = parameter.role == "recurrent_input"
    if not recurrent:
        _convolution(rule, parameter)
    outputs, inputs = parameter.shape[0] // parameter.blocks, parameter.shape[1]
    if parameter.is_transposed:
        outputs, inputs = inputs, outputs
    if parameter.groups > 1:
        raise NotApplicable(f"delta_orthogonal can't draw the grouped `{parameter.name}`")
    if outputs < inputs and rule.fewer_outputs == "refuse":
        raise NotApplicable(
            f"delta_orthogonal needs at least as many outputs as inputs; `{parameter.name}` "
            f"has {outputs} and {inputs}" + (" for each gate" if parameter.blocks > 1 else "")
        )
    factor = _positive(rule, "gain", parameter)
    if recurrent:
        return Decision(draws.Orthogonal(factor, parameter.blocks), factor)
    return Decision(draws.DeltaOrthogonal(factor), factor)


def _sparse(rule: rules.Sparse, parameter: Parameter) -> Decision:
    _matrix(rule, parameter)
    if parameter.is_transposed:
        raise NotApplicable(
            f"sparse counts the weights of each input, and `{parameter.name}`, of a transposed "
            "convolution, has its inputs on axis 0"
        )
    std = _positive(rule, "std", parameter)
    distribution = draws.Sparse(rule.density, std, rule.dead_rows == "allow")
    if not distribution.fits(parameter.shape):
        raise NotApplicable(
            f"a density of {rule.density:g} leaves outputs of `{parameter.name}` "
            f"{_shape(parameter)} without any weight; raise it, or say dead_rows: allow",
            "density",
        )
    return Decision(distribution)


def _autoinit(rule: rules.AutoInit, parameter: Parameter) -> Decision:
    if parameter.fans is None or len(parameter.shape) < 2:
        what = parameter.role.replace("_", " ")
        raise NotApplicable(f"autoinit draws matrices and tables; `{parameter.name}` is a {what}")
    target = _positive(rule, "variance", parameter)
    if parameter.role in ("embedding", "position"):
        return Decision(_scaled(rule.distribution, target))
    if parameter.role in ("recurrent_input", "recurrent_hidden"):
        target /= 2  # a gate adds up both
    assert parameter.arriving is not None, f"{parameter.name} is decided without its signal"
    mean, variance = parameter.arriving
    square = variance + mean * mean
    if not square > 0:
        what = "unknown, for weights before it come from a file" if isnan(square) else "zero"
        raise NotApplicable(f"the signal that `{parameter.name}` gets is {what}", code="P212")
    scale = target / square
    return Decision(_scaled(rule.distribution, scale / parameter.fans.fan_in), sqrt(scale))


def _forget_bias(rule: rules.ForgetBias, parameter: Parameter) -> Decision:
    if parameter.role != "bias" or parameter.layer != "lstm":
        raise NotApplicable(f"forget_bias needs a bias of an lstm, which `{parameter.name}` is not")
    # torch adds both biases of a cell; the value stands in one, so that it counts once.
    value = _number(rule, "value", parameter)
    is_input = parameter.name.endswith(".input.bias")
    return Decision(draws.ForgetGate(value) if is_input else draws.Constant(0.0))


def _pretrained(rule: rules.Pretrained, parameter: Parameter) -> Decision:
    found = rule.tensor_of(parameter.name)
    if found is None:
        raise NotApplicable(f"the map does not cover `{parameter.name}`", "map", "P605")
    return Decision(draws.Pretrained(rule.file, found[1]))


def _keep(rule: rules.Keep, parameter: Parameter) -> Decision:
    return Decision(draws.Keep())


METHODS: dict[str, Callable[[Any, Parameter], Decision]] = {
    "zeros": _zeros,
    "ones": _ones,
    "constant": _constant,
    "identity": _identity,
    "dirac": _dirac,
    "uniform": _uniform,
    "normal": _normal,
    "truncated_normal": _truncated_normal,
    "variance_scaling": _variance_scaling,
    "lecun_uniform": _lecun,
    "lecun_normal": _lecun,
    "xavier_uniform": _xavier,
    "xavier_normal": _xavier,
    "kaiming_uniform": _kaiming,
    "kaiming_normal": _kaiming,
    "orthogonal": _orthogonal,
    "delta_orthogonal": _delta_orthogonal,
    "sparse": _sparse,
    "autoinit": _autoinit,
    "forget_bias": _forget_bias,
    "pretrained": _pretrained,
    "keep": _keep,
}
