"""What each method draws for a parameter, by hand; what it can't draw; formulas."""

from __future__ import annotations

from dataclasses import asdict
from math import sqrt
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from seobuilder.planning.distributions import (
    Constant,
    DeltaOrthogonal,
    Dirac,
    Distribution,
    ForgetGate,
    Identity,
    Keep,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)
from seobuilder.planning.methods import LARGEST, METHODS, Decision, NotApplicable, decide
from seobuilder.planning.model import Fans, Parameter
from seobuilder.recipe.spec.initialization import InitializationRule

VARIABLES = {"depth": 8, "layer": 0, "fan_in": 12, "fan_out": 4}
MATRIX = Parameter(
    "a.weight", ("a.weight",), (4, 12), "weight", "linear", Fans(12, 4), variables=VARIABLES
)
BIAS = Parameter("a.bias", ("a.bias",), (4,), "bias", "linear", Fans(12, 4), variables=VARIABLES)
SCALE = Parameter("n.weight", ("n.weight",), (4,), "norm_scale", "layer_norm")
GATES = Parameter(
    "r.hidden.weight", ("r.w",), (20, 5), "recurrent_hidden", "lstm", Fans(5, 5), blocks=4
)
QUERY = Parameter("q.weight", ("q.weight",), (8, 8), "weight", "linear", Fans(8, 8), heads=4)
ONE_HEAD = Parameter("k.weight", ("k.weight",), (2, 8), "weight", "linear", Fans(8, 2), heads=1)
CONV = Parameter(
    "c.weight", ("c.weight",), (8, 4, 3), "weight", "conv1d", Fans(12, 24), nonlinearity="silu"
)
INPUTS = Parameter(
    "r.input.weight", ("r.w",), (20, 5), "recurrent_input", "lstm", Fans(5, 5), blocks=4
)
WIDE_INPUTS = Parameter(
    "r.input.weight", ("r.w",), (15, 6), "recurrent_input", "gru", Fans(6, 5), blocks=3
)
UPWARDS = Parameter(
    "u.weight", ("u.weight",), (4, 6, 2, 2), "weight", "conv_transpose2d", Fans(4, 24)
)
DOWNWARDS = Parameter(
    "d.weight", ("d.weight",), (6, 4, 2, 2), "weight", "conv_transpose2d", Fans(6, 16)
)
INPUT_BIAS = Parameter(
    "r.input.bias", ("r.b",), (20,), "bias", "lstm", Fans(5, 5), blocks=4, variables=VARIABLES
)
HIDDEN_BIAS = Parameter("r.hidden.bias", ("r.b",), (20,), "bias", "lstm", Fans(5, 5), blocks=4)
GRU_BIAS = Parameter("g.input.bias", ("g.b",), (15,), "bias", "gru", Fans(5, 5), blocks=3)
NARROW = Parameter("c.weight", ("c.weight",), (2, 4, 3), "weight", "conv1d", Fans(12, 6))
GROUPED = Parameter("g.weight", ("g.weight",), (8, 2, 3), "weight", "conv1d", Fans(6, 12), groups=2)


def decision(method: str, parameter: Parameter, **arguments: Any) -> Decision:
    rule = TypeAdapter(InitializationRule).validate_python(
        {"match": "**", "method": method, **arguments}
    )
    return decide(rule, parameter)


def refusal(method: str, parameter: Parameter, **arguments: Any) -> tuple[str, str, str]:
    with pytest.raises(NotApplicable) as caught:
        decision(method, parameter, **arguments)
    return caught.value.code, caught.value.key, str(caught.value)


@pytest.mark.parametrize(
    ("method", "arguments", "parameter", "drawn"),
    [
        ("zeros", {}, BIAS, Constant(0.0)),
        ("ones", {}, SCALE, Constant(1.0)),
        ("constant", {"value": -2}, BIAS, Constant(-2.0)),
        ("constant", {"value": "layer - depth"}, BIAS, Constant(-8.0)),
        ("identity", {}, MATRIX, Identity(1.0)),
        ("identity", {"gain": 0.5}, MATRIX, Identity(0.5)),
        ("dirac", {}, CONV, Dirac(1)),
        ("dirac", {"groups": 2}, GROUPED, Dirac(2)),
        ("uniform", {"bound": 0.1}, MATRIX, Uniform(-0.1, 0.1)),
        ("uniform", {"bound": "1 / sqrt(fan_out)"}, BIAS, Uniform(-0.5, 0.5)),
        ("uniform", {"low": -1, "high": "depth"}, BIAS, Uniform(-1.0, 8.0)),
        ("normal", {"std": 0.02}, MATRIX, Normal(0.0, 0.02)),
        ("normal", {"mean": 1, "std": "layer"}, MATRIX, Normal(1.0, 0.0)),
        ("normal", {"std": "0.02 / sqrt(2 * depth)"}, MATRIX, Normal(0.0, 0.005)),
        ("truncated_normal", {"std": 0.5}, MATRIX, TruncatedNormal(0.0, 0.5, -2.0, 2.0)),
        ("truncated_normal", {"mean": 1, "std": 0.5, "cut": [-1.0, 3.0]}, BIAS,
         TruncatedNormal(1.0, 0.5, -1.0, 3.0)),
        ("variance_scaling", {"scale": 3}, MATRIX, TruncatedNormal(0.0, 0.5)),
        ("variance_scaling", {"scale": 4, "fan_mode": "fan_out", "distribution": "normal"}, MATRIX,
         Normal(0.0, 1.0)),
        ("variance_scaling", {"scale": 2, "fan_mode": "fan_avg", "distribution": "uniform"}, MATRIX,
         Uniform(-sqrt(0.75), sqrt(0.75))),
        ("lecun_uniform", {}, MATRIX, Uniform(-0.5, 0.5)),
        ("lecun_normal", {}, MATRIX, Normal(0.0, sqrt(1 / 12))),
        ("xavier_uniform", {}, MATRIX, Uniform(-sqrt(3 / 8), sqrt(3 / 8))),
        ("xavier_normal", {"gain": 2}, MATRIX, Normal(0.0, sqrt(4 / 8))),
        ("xavier_normal", {"gain": "sqrt(fan_out)", "fan_mode": "fan_out"}, MATRIX,
         Normal(0.0, 1.0)),
        ("kaiming_normal", {}, MATRIX, Normal(0.0, sqrt(2 / 12))),
        ("kaiming_uniform", {"fan_mode": "fan_out"}, MATRIX, Uniform(-sqrt(1.5), sqrt(1.5))),
        ("kaiming_normal", {"nonlinearity": "leaky_relu", "slope": 1.0}, MATRIX,
         Normal(0.0, sqrt(1 / 12))),
        ("kaiming_normal", {"nonlinearity": "auto"}, CONV, Normal(0.0, 1.6765324703 / sqrt(12))),
        ("kaiming_normal", {"nonlinearity": "tanh"}, MATRIX, Normal(0.0, 5 / 3 / sqrt(12))),
        ("kaiming_normal", {"nonlinearity": "tanh", "convention": "second_moment"}, MATRIX,
         Normal(0.0, 1.5925374197 / sqrt(12))),
        ("kaiming_normal", {"nonlinearity": "gelu", "fan_mode": "fan_avg"}, MATRIX,
         Normal(0.0, 1.5335304412 / sqrt(8))),
        ("kaiming_normal", {"nonlinearity": "auto"}, MATRIX, Normal(0.0, sqrt(1 / 12))),
        ("orthogonal", {}, MATRIX, Orthogonal(1.0, 1)),
        ("orthogonal", {}, GATES, Orthogonal(1.0, 4)),
        ("orthogonal", {}, GROUPED, Orthogonal(1.0, 2)),
        ("orthogonal", {"per": "matrix"}, GROUPED, Orthogonal(1.0, 1)),
        ("identity", {}, GATES, Identity(1.0, 4)),
        ("orthogonal", {"per": "matrix"}, GATES, Orthogonal(1.0, 1)),
        ("orthogonal", {"per": "head", "gain": 2}, QUERY, Orthogonal(2.0, 4)),
        ("orthogonal", {"per": "head"}, ONE_HEAD, Orthogonal(1.0, 1)),
        ("delta_orthogonal", {"gain": "sqrt(2)"}, CONV, DeltaOrthogonal(sqrt(2))),
        ("sparse", {"density": 0.25, "std": 2}, MATRIX, Sparse(0.25, 2.0)),
        ("sparse", {"density": 0.1, "dead_rows": "allow"}, GATES, Sparse(0.1, 0.01, True)),
        ("delta_orthogonal", {}, INPUTS, Orthogonal(1.0, 4)),
        ("delta_orthogonal", {}, UPWARDS, DeltaOrthogonal(1.0)),
        ("delta_orthogonal", {"fewer_outputs": "allow"}, NARROW, DeltaOrthogonal(1.0)),
        ("delta_orthogonal", {"fewer_outputs": "allow"}, WIDE_INPUTS, Orthogonal(1.0, 3)),
        ("orthogonal", {}, UPWARDS, Orthogonal(1.0, 1)),
        ("dirac", {}, UPWARDS, Dirac(1)),
        ("forget_bias", {}, INPUT_BIAS, ForgetGate(1.0)),
        ("forget_bias", {"value": "depth / 4"}, INPUT_BIAS, ForgetGate(2.0)),
        ("forget_bias", {}, HIDDEN_BIAS, Constant(0.0)),
        ("keep", {}, BIAS, Keep()),
    ],
)  # fmt: skip
def test_what_is_drawn(
    method: str, arguments: dict[str, Any], parameter: Parameter, drawn: Distribution
) -> None:
    found = decision(method, parameter, **arguments).distribution
    assert type(found) is type(drawn)
    assert asdict(found) == pytest.approx(asdict(drawn), rel=1e-12)


@pytest.mark.parametrize(
    ("method", "arguments", "value"),
    [
        ("xavier_normal", {"gain": 2}, 2.0),
        ("kaiming_normal", {"nonlinearity": "relu"}, sqrt(2)),
        ("lecun_normal", {}, 1.0),
        ("variance_scaling", {"scale": 4}, 2.0),
        ("orthogonal", {"gain": 3}, 3.0),
        ("identity", {"gain": 0.5}, 0.5),
        ("normal", {"std": 1}, None),
    ],
)
def test_the_gain_is_told(method: str, arguments: dict[str, Any], value: float | None) -> None:
    found = decision(method, MATRIX, **arguments).gain
    assert found == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    ("arguments", "convention"),
    [
        ({"nonlinearity": "relu"}, "torch"),
        ({"nonlinearity": "relu", "convention": "second_moment"}, "second_moment"),
        ({"nonlinearity": "gelu"}, "second_moment"),
        ({"nonlinearity": "auto"}, "torch"),
    ],
)
def test_the_convention_of_a_gain_is_told(arguments: dict[str, Any], convention: str) -> None:
    assert decision("kaiming_normal", MATRIX, **arguments).convention == convention
    assert decision("xavier_normal", MATRIX).convention is None


@pytest.mark.parametrize(
    ("method", "arguments", "parameter", "key", "message"),
    [
        ("orthogonal", {}, BIAS, "method", "orthogonal needs a matrix; `a.bias` has shape [4]"),
        ("xavier_uniform", {}, BIAS, "method",
         "xavier_uniform needs a matrix; `a.bias` has shape [4]"),
        ("lecun_normal", {}, SCALE, "method",
         "lecun_normal needs a matrix; `n.weight` has shape [4]"),
        ("sparse", {"density": 0.5}, BIAS, "method",
         "sparse needs a matrix; `a.bias` has shape [4]"),
        ("identity", {}, CONV, "method",
         "identity needs a matrix; `c.weight` has shape [8, 4, 3]"),
        ("dirac", {}, MATRIX, "method",
         "dirac needs a convolution; `a.weight` has shape [4, 12]"),
        ("dirac", {}, GROUPED, "groups", "`g.weight` has 2 groups, not 1"),
        ("delta_orthogonal", {}, MATRIX, "method",
         "delta_orthogonal needs a convolution; `a.weight` has shape [4, 12]"),
        ("delta_orthogonal", {}, NARROW, "method",
         "delta_orthogonal needs at least as many outputs as inputs; `c.weight` has 2 and 4"),
        ("delta_orthogonal", {}, GROUPED, "method",
         "delta_orthogonal can't draw the grouped `g.weight`"),
        ("delta_orthogonal", {}, GATES, "method",
         "delta_orthogonal needs a convolution; `r.hidden.weight` has shape [20, 5]"),
        ("delta_orthogonal", {}, WIDE_INPUTS, "method",
         "delta_orthogonal needs at least as many outputs as inputs; `r.input.weight` has 5 and 6 "
         "for each gate"),
        ("delta_orthogonal", {}, DOWNWARDS, "method",
         "delta_orthogonal needs at least as many outputs as inputs; `d.weight` has 4 and 6"),
        ("sparse", {"density": 0.5}, UPWARDS, "method",
         "sparse counts the weights of each input, and `u.weight`, of a transposed convolution, "
         "has its inputs on axis 0"),
        ("forget_bias", {}, GRU_BIAS, "method",
         "forget_bias needs a bias of an lstm, which `g.input.bias` is not"),
        ("forget_bias", {}, GATES, "method",
         "forget_bias needs a bias of an lstm, which `r.hidden.weight` is not"),
        ("orthogonal", {"per": "head"}, MATRIX, "per",
         "`a.weight` has no heads along its outputs"),
        ("sparse", {"density": 0.05}, GATES, "density",
         "a density of 0.05 leaves outputs of `r.hidden.weight` [20, 5] without any weight; "
         "raise it, or say dead_rows: allow"),
        ("uniform", {"low": "depth", "high": 1}, MATRIX, "low",
         "low 8 is above high 1 for `a.weight`"),
    ],
)  # fmt: skip
def test_what_can_not_be_drawn(
    method: str, arguments: dict[str, Any], parameter: Parameter, key: str, message: str
) -> None:
    assert refusal(method, parameter, **arguments) == ("P207", key, message)


@pytest.mark.parametrize(
    ("method", "arguments", "key", "code", "message"),
    [
        ("normal", {"std": "heads"}, "std", "R041",
         "`a.weight`: unknown variable `heads`; there are depth, fan_in, fan_out, layer"),
        ("normal", {"std": "1 / layer"}, "std", "R042", "`a.weight`: division by zero"),
        ("normal", {"std": "1 - depth"}, "std", "P208",
         "`1 - depth` is -7 for `a.weight`, and must not be negative"),
        ("truncated_normal", {"std": "layer"}, "std", "P208",
         "`layer` is 0 for `a.weight`, and must be greater than 0"),
        ("uniform", {"bound": "-depth"}, "bound", "P208",
         "`-depth` is -8 for `a.weight`, and must be greater than 0"),
        ("xavier_normal", {"gain": "layer"}, "gain", "P208",
         "`layer` is 0 for `a.weight`, and must be greater than 0"),
        ("variance_scaling", {"scale": "layer"}, "scale", "P208",
         "`layer` is 0 for `a.weight`, and must be greater than 0"),
        ("xavier_normal", {"gain": 1e200}, "method", "P208",
         "the numbers of xavier_normal are too large for `a.weight` in float32"),
        ("uniform", {"low": -1.7e308, "high": 1.7e308}, "method", "P208",
         "the numbers of uniform are too large for `a.weight` in float32"),
    ],
)  # fmt: skip
def test_formulas_and_numbers_without_a_use(
    method: str, arguments: dict[str, Any], key: str, code: str, message: str
) -> None:
    assert refusal(method, MATRIX, **arguments) == (code, key, message)


@pytest.mark.parametrize(
    ("method", "arguments", "parameter"),
    [
        ("constant", {"value": -70000}, MATRIX),
        ("forget_bias", {"value": 70000}, INPUT_BIAS),
        ("uniform", {"low": -70000, "high": 0}, MATRIX),
        ("normal", {"mean": 60000, "std": 2000}, MATRIX),
        ("truncated_normal", {"std": 30000}, MATRIX),
        ("sparse", {"density": 0.5, "std": 20000}, MATRIX),
        ("orthogonal", {"gain": 70000}, MATRIX),
        ("identity", {"gain": 70000}, MATRIX),
        ("delta_orthogonal", {"gain": 70000}, CONV),
    ],
)
def test_what_a_dtype_does_not_hold(
    method: str, arguments: dict[str, Any], parameter: Parameter
) -> None:
    rule = TypeAdapter(InitializationRule).validate_python(
        {"match": "**", "method": method, **arguments}
    )
    assert decide(rule, parameter, "bfloat16") == decide(rule, parameter)
    with pytest.raises(NotApplicable, match=r"`[\w.]+` in float16") as caught:
        decide(rule, parameter, "float16")
    assert caught.value.code == "P208"


@pytest.mark.parametrize("method", ["dirac", "keep"])
def test_what_any_dtype_holds(method: str) -> None:
    rule = TypeAdapter(InitializationRule).validate_python({"match": "**", "method": method})
    assert decide(rule, CONV, "float16") == decide(rule, CONV)


def test_the_largest_numbers_are_torch_s() -> None:
    assert {name: torch.finfo(getattr(torch, name)).max for name in LARGEST} == LARGEST


def test_every_method_of_the_language_has_a_decision() -> None:
    schema = TypeAdapter(InitializationRule).json_schema()
    assert set(schema["discriminator"]["mapping"]) == set(METHODS)
