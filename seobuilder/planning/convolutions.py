"""Stacks of convolutions: along a sequence, or over an image."""

from __future__ import annotations

from collections.abc import Sequence as Seq

from seobuilder.planning import primitives
from seobuilder.planning.common import Context, Mismatch, Planned, block, expect
from seobuilder.planning.primitives import Scope
from seobuilder.planning.residual import check_skips, skip_path
from seobuilder.planning.signals import FeatureMap, Sequence, Signal
from seobuilder.recipe.spec import modules


def convolution(
    spec: modules.Convolution, scope: Scope, sources: Seq[Signal], context: Context
) -> Planned:
    """A sequence or an image to one of other channels."""
    signal = sources[0]
    if isinstance(signal, FeatureMap):
        return _convolution_2d(spec, scope, signal, context)
    sequence = expect(signal, Sequence, FeatureMap)
    for key, unset in (("stride", 1), ("pool", 1), ("transposed", False)):
        if getattr(spec, key) != unset:
            raise Mismatch(f"`{key}` is for images; a sequence keeps its length", key)
    if len(set(spec.kernels)) < len(spec.kernels):
        raise Mismatch("a kernel size is listed twice", "kernel")
    scope = scope.within(sequence.length, depth=len(spec.channels))
    width, blocks = sequence.width, []
    for index, channels in enumerate(spec.channels):
        _check_groups(spec, width, channels)
        place = scope.child(str(index), layer=index, width=channels)
        convs = tuple(
            primitives.convolution(
                place.child(f"kernel_{kernel}"),
                width,
                channels,
                (kernel,),
                groups=spec.groups,
                bias=spec.bias,
                nonlinearity=spec.activation,
            )
            for kernel in spec.kernels
        )
        before, width = width, channels * len(spec.kernels)
        joined, scale = skip_path(spec, place, width, keeps_shape=width == before)
        settings = {"activation": spec.activation, "dropout": spec.dropout, **joined}
        blocks.append(block("conv_block", place, (*scale, *convs), settings, width, context))
    check_skips(spec, blocks)
    return scope.node("stack", children=tuple(blocks)), Sequence(
        width, sequence.length, sequence.source
    )


def _convolution_2d(
    spec: modules.Convolution, scope: Scope, signal: FeatureMap, context: Context
) -> Planned:
    if isinstance(spec.kernel, tuple):
        raise Mismatch("parallel kernel sizes are for sequences; name one for an image", "kernel")
    if spec.stride == 1 and spec.kernel % 2 == 0:
        raise Mismatch("an image needs an odd kernel size, or a stride", "kernel")
    scope = scope.within(depth=len(spec.channels))
    inputs, height, width, blocks = signal.channels, signal.height, signal.width, []
    for index, channels in enumerate(spec.channels):
        _check_groups(spec, inputs, channels)
        place = scope.child(str(index), layer=index, width=channels)
        primitive = primitives.transposed_convolution if spec.transposed else primitives.convolution
        shape_before, before = (inputs, height, width), height * width
        height, width = _strided(height, spec), _strided(width, spec)
        is_vector = height * width == 1
        conv = primitive(
            # The taps run once for each output, or transposed for each input.
            place.child("conv").within(before if spec.transposed else height * width),
            inputs,
            channels,
            (spec.kernel, spec.kernel),
            groups=spec.groups,
            stride=spec.stride,
            bias=spec.bias,
            nonlinearity=spec.activation,
        )
        height, width = height // spec.pool, width // spec.pool
        if min(height, width) < 1:
            raise Mismatch(f"nothing is left of the image after layer {index}", "channels")
        inputs = channels
        keeps_shape = (inputs, height, width) == shape_before
        joined, scale = skip_path(spec, place, channels, keeps_shape=keeps_shape)
        settings = {"activation": spec.activation, "dropout": spec.dropout, "pool": spec.pool}
        settings, children = {**settings, **joined}, (*scale, conv)
        blocks.append(
            block("conv2d_block", place, children, settings, channels, context, vector=is_vector)
        )
    check_skips(spec, blocks)
    return scope.node("stack", children=tuple(blocks)), FeatureMap(inputs, height, width)


def _strided(size: int, spec: modules.Convolution) -> int:
    """Height or width after one convolution; without a stride it stays."""
    if spec.transposed:
        return size * spec.stride
    if spec.stride == 1:
        return size
    assert isinstance(spec.kernel, int)
    padding = 2 * ((spec.kernel - 1) // 2)
    return (size + padding - spec.kernel) // spec.stride + 1


def _check_groups(spec: modules.Convolution, inputs: int, outputs: int) -> None:
    if inputs % spec.groups or outputs % spec.groups:
        message = f"{spec.groups} groups do not divide {inputs} input and {outputs} output channels"
        raise Mismatch(message, "groups")
