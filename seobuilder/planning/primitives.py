"""Primitive operations: their parameters, with what each axis means, and their cost.

Here, and nowhere else, a parameter's shape, role and fans are stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from seobuilder.planning.model import Fans, Node, Parameter
from seobuilder.recipe.spec.selector import Role

GATES = {"rnn": 1, "lstm": 4, "gru": 3}


@dataclass(frozen=True, slots=True)
class Scope:
    """A place in the tree: its logical and stored name, and what formulas may say there.

    `positions` is how many times an operation here runs for one example: the length of a sequence,
    the pixels of a map, 1 for a vector.
    """

    logical: str = ""
    stored: str = ""
    positions: int = 1
    variables: Mapping[str, float] = field(default_factory=dict)

    def child(self, name: str, attribute: str = "", **variables: float) -> Scope:
        """The place below this one."""
        return replace(
            self,
            logical=f"{self.logical}.{name}".lstrip("."),
            stored=f"{self.stored}.{attribute or name}".lstrip("."),
            variables={**self.variables, **variables} if variables else self.variables,
        )

    def within(self, positions: int | None = None, **variables: float) -> Scope:
        """The same place, over other positions and with more to say in formulas."""
        return replace(
            self,
            positions=self.positions if positions is None else positions,
            variables={**self.variables, **variables},
        )

    @property
    def name(self) -> str:
        """Last segment of the logical name."""
        return self.logical.rpartition(".")[2]

    @property
    def attribute(self) -> str:
        """Last segment of the stored name."""
        return self.stored.rpartition(".")[2]

    def node(
        self,
        kind: str,
        settings: Mapping[str, Any] | None = None,
        children: tuple[Node, ...] = (),
        parameters: tuple[Parameter, ...] = (),
        flops: int = 0,
    ) -> Node:
        """A node at this place."""
        return Node(self.name, kind, settings or {}, children, parameters, self.attribute, flops)

    def parameter(
        self,
        name: str,
        shape: tuple[int, ...],
        role: Role,
        layer: str,
        *,
        stored: str = "",
        fans: Fans | None = None,
        **facts: Any,
    ) -> Parameter:
        """A parameter of the layer at this place."""
        variables = dict(self.variables)
        if fans is not None:
            variables |= {"fan_in": fans.fan_in, "fan_out": fans.fan_out}
        return Parameter(
            name=f"{self.logical}.{name}".lstrip("."),
            stored=(f"{self.stored}.{stored or name}".lstrip("."),),
            shape=shape,
            role=role,
            layer=layer,
            fans=fans,
            variables=variables,
            **facts,
        )


def linear(
    scope: Scope,
    inputs: int,
    outputs: int,
    *,
    bias: bool = True,
    role: Role = "weight",
    nonlinearity: str = "linear",
    heads: int = 0,
) -> Node:
    """x W^T + b with W [outputs, inputs]."""
    fans = Fans(inputs, outputs)
    facts: dict[str, Any] = {"fans": fans, "nonlinearity": nonlinearity}
    parameters = [
        scope.parameter("weight", (outputs, inputs), role, "linear", heads=heads, **facts)
    ]
    if bias:
        parameters.append(scope.parameter("bias", (outputs,), "bias", "linear", **facts))
    settings = {"in_features": inputs, "out_features": outputs, "bias": bias}
    flops = 2 * inputs * outputs * scope.positions
    return scope.node("linear", settings, parameters=tuple(parameters), flops=flops)


def embedding(scope: Scope, rows: int, width: int, *, padding_row: int | None = None) -> Node:
    """One row of W [rows, width] for every id."""
    inner = scope.within(vocab_size=rows, width=width)
    weight = inner.parameter(
        "weight",
        (rows, width),
        "embedding",
        "embedding",
        fans=Fans(1, width),
        padding_row=padding_row,
    )
    settings = {"num_embeddings": rows, "embedding_dim": width, "padding_idx": padding_row}
    return scope.node("embedding", settings, parameters=(weight,))


def position_embedding(scope: Scope, length: int, width: int) -> Node:
    """One row of W [length, width] for every position."""
    weight = scope.within(width=width).parameter(
        "weight", (length, width), "position", "position_embedding", fans=Fans(1, width)
    )
    settings = {"length": length, "width": width}
    return scope.node("position_embedding", settings, parameters=(weight,))


def convolution(
    scope: Scope,
    inputs: int,
    outputs: int,
    kernel: tuple[int, ...],
    *,
    groups: int = 1,
    stride: int | tuple[int, ...] = 1,
    bias: bool = True,
    nonlinearity: str = "linear",
) -> Node:
    """A convolution with W [outputs, inputs / groups, *kernel] and "same" padding.

    Fans are those of one group: a depthwise 3x3 convolution has 9 inputs and 9 outputs per unit.
    With strides an input reaches taps / product of the strides, on average over the inputs.
    """
    kind = f"conv{len(kernel)}d"
    taps = prod(kernel)
    reached = _ratio(outputs // groups * taps, prod(_each_axis(stride, kernel)))
    fans = Fans(inputs // groups * taps, reached)
    facts: dict[str, Any] = {"fans": fans, "nonlinearity": nonlinearity}
    shape = (outputs, inputs // groups, *kernel)
    parameters = [scope.parameter("weight", shape, "weight", kind, groups=groups, **facts)]
    if bias:
        parameters.append(scope.parameter("bias", (outputs,), "bias", kind, **facts))
    settings: dict[str, Any] = {
        "in_channels": inputs,
        "out_channels": outputs,
        "kernel_size": kernel if len(kernel) > 1 else kernel[0],
        "groups": groups,
        "bias": bias,
    }
    if len(kernel) == 1:
        # The block pads: torch's own "same" warns about even sizes, and copies as well.
        settings["padding"] = (kernel[0] - 1) // 2 if kernel[0] % 2 else 0
    elif stride == 1:
        settings["padding"] = "same"
    else:
        settings |= {"stride": stride, "padding": tuple((size - 1) // 2 for size in kernel)}
    flops = 2 * prod(shape) * scope.positions
    return scope.node(kind, settings, parameters=tuple(parameters), flops=flops)


def transposed_convolution(
    scope: Scope,
    inputs: int,
    outputs: int,
    kernel: tuple[int, ...],
    *,
    groups: int = 1,
    stride: int | tuple[int, ...] = 1,
    bias: bool = True,
    nonlinearity: str = "linear",
) -> Node:
    """A convolution's transpose with W [inputs, outputs / groups, *kernel].

    The map becomes `stride` times as large along each axis. An input reaches one output through
    each tap, so an output is reached by taps / product of the strides of them, on average over the
    outputs.
    """
    strides = _each_axis(stride, kernel)
    taps = prod(kernel)
    fans = Fans(_ratio(inputs // groups * taps, prod(strides)), outputs // groups * taps)
    facts: dict[str, Any] = {"fans": fans, "nonlinearity": nonlinearity}
    shape = (inputs, outputs // groups, *kernel)
    kind = f"conv_transpose{len(kernel)}d"
    parameters = [scope.parameter("weight", shape, "weight", kind, groups=groups, **facts)]
    if bias:
        parameters.append(scope.parameter("bias", (outputs,), "bias", kind, **facts))
    padding = tuple((size - 1) // 2 for size in kernel)
    settings: dict[str, Any] = {
        "in_channels": inputs,
        "out_channels": outputs,
        "kernel_size": kernel,
        "stride": stride,
        "padding": padding,
        "output_padding": tuple(
            step - size + 2 * pad for step, size, pad in zip(strides, kernel, padding, strict=True)
        ),
        "groups": groups,
        "bias": bias,
    }
    flops = 2 * prod(shape) * scope.positions
    return scope.node(kind, settings, parameters=tuple(parameters), flops=flops)


def _each_axis(size: int | tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, ...]:
    """A size that may be stated once for all axes of a kernel."""
    return size if isinstance(size, tuple) else (size,) * len(kernel)


def _ratio(count: int, parts: int) -> float:
    """A whole number where it is one."""
    whole, rest = divmod(count, parts)
    return count / parts if rest else whole


def recurrent_cell(
    scope: Scope, cell: str, inputs: int, width: int, *, bias: bool, state: int | None = None
) -> Node:
    """One direction of one layer: gates stacked along axis 0, W_input and W_hidden.

    Fans are those of one gate. torch adds both biases; both are stated here. `state` is the size
    of the state that W_hidden reads, where it is projected to another than `width`.
    """
    gates = GATES[cell]
    weights, biases = [], []
    parts: tuple[tuple[str, str, int, Role], ...] = (
        ("input", "ih", inputs, "recurrent_input"),
        ("hidden", "hh", state or width, "recurrent_hidden"),
    )
    for part, short, size, role in parts:
        facts: dict[str, Any] = {
            "fans": Fans(size, width),
            "blocks": gates,
            "nonlinearity": "tanh",
        }
        weight, vector = (gates * width, size), (gates * width,)
        stored = f"weight_{short}_l0", f"bias_{short}_l0"
        weights.append(
            scope.parameter(f"{part}.weight", weight, role, cell, stored=stored[0], **facts)
        )
        biases.append(
            scope.parameter(f"{part}.bias", vector, "bias", cell, stored=stored[1], **facts)
        )
    settings = {"input_size": inputs, "hidden_size": width, "bias": bias, "batch_first": True}
    flops = 2 * gates * width * (inputs + width) * scope.positions
    parameters = (*weights, *biases) if bias else tuple(weights)
    return scope.node(cell, settings, parameters=parameters, flops=flops)


def norm(
    scope: Scope, method: str, settings: Mapping[str, Any], width: int, *, affine: bool, bias: bool
) -> Node:
    """A normalization over `width` channels, with its scale and shift."""
    parameters = []
    if affine:
        parameters.append(scope.parameter("weight", (width,), "norm_scale", method))
    if affine and bias:
        parameters.append(scope.parameter("bias", (width,), "norm_shift", method))
    return scope.node(method, {"width": width, **settings}, parameters=tuple(parameters))


def residual_scale(scope: Scope, width: int) -> Node:
    """A learned factor of a residual branch: one number, or one for each channel."""
    weight = scope.parameter("weight", (width,), "residual_scale", "residual_scale")
    return scope.node("residual_scale", {"width": width}, parameters=(weight,))
