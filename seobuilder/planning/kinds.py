"""Each kind of input, module and output: the value that comes out of it, and its tree of nodes.

One function a kind, and one table of them at the end. A function raises `Mismatch` when what flows
in does not suit the kind.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Seq
from dataclasses import replace
from typing import Any

from seobuilder.planning import primitives
from seobuilder.planning.common import Context, Mismatch, Planned, block, expect, way_out
from seobuilder.planning.convolutions import convolution
from seobuilder.planning.model import Node
from seobuilder.planning.placement import norm_node
from seobuilder.planning.primitives import Scope
from seobuilder.planning.residual import check_skips, skip_path
from seobuilder.planning.signals import Category, FeatureMap, Sequence, Signal, Tokens, Vector
from seobuilder.planning.transformers import transformer
from seobuilder.recipe.spec import inputs, modules, outputs


def input_signal(name: str, spec: inputs.InputSpec) -> Signal:
    """What an input gives."""
    if isinstance(spec, inputs.TokensInput):
        return Tokens(spec.max_length, spec.vocab_size, spec.padding_id, name)
    if isinstance(spec, inputs.CategoryInput):
        return Category(len(spec.values))
    if isinstance(spec, inputs.ImageInput):
        return FeatureMap(spec.channels, spec.height, spec.width)
    return Vector(spec.size)


def token_embedding(
    spec: modules.TokenEmbedding, scope: Scope, sources: Seq[Signal], context: Context
) -> Planned:
    """Tokens to a sequence."""
    tokens = expect(sources[0], Tokens)
    inner = scope.child("tokens", width=spec.width)
    children = [
        primitives.embedding(inner, tokens.vocab_size, spec.width, padding_row=tokens.padding_id)
    ]
    place = scope.child("positions", width=spec.width)
    if spec.positions == "learned":
        children.append(primitives.position_embedding(place, context.length, spec.width))
    elif spec.positions == "sinusoidal":
        settings = {"length": context.length, "width": spec.width}
        children.append(place.node("sinusoidal_positions", settings))
    if spec.segments:
        place = scope.child("segments", width=spec.width)
        children.append(primitives.embedding(place, spec.segments, spec.width))
    dropped = {"dropout": spec.dropout, "token_dropout": spec.token_dropout}
    node = scope.node("token_embedding", dropped, tuple(children))
    return node, Sequence(spec.width, tokens.length, tokens.source)


def category_embedding(
    spec: modules.CategoryEmbedding, scope: Scope, sources: Seq[Signal], context: Context
) -> Planned:
    """A category to a vector; row 0 stands for any other value."""
    category = expect(sources[0], Category)
    node = primitives.embedding(scope, category.values + 1, spec.width)
    return node, Vector(spec.width)


def recurrent(
    spec: modules.Recurrent, scope: Scope, sources: Seq[Signal], context: Context
) -> Planned:
    """A sequence to a sequence, layer by layer."""
    signal = expect(sources[0], Sequence)
    directions = 2 if spec.bidirectional else 1
    scope = scope.within(signal.length, depth=spec.depth, width=spec.width)
    stack = scope.child("layers")
    width, layers = signal.width, []
    for index in range(spec.depth):
        place = stack.child(str(index), layer=index)
        # `forward` and `backward` name methods of modules, so torch stores the cells elsewhere.
        names = ("forward", "backward")[:directions]
        cells = tuple(
            primitives.recurrent_cell(
                place.child(name, f"{name}_cell"), spec.cell, width, spec.width, bias=spec.bias
            )
            for name in names
        )
        before, width = width, spec.width * directions
        rule = context.normalizer.decide(place.logical, "recurrent_layer", width)
        if rule is not None:
            cells = (*cells, norm_node(place.child("norm"), rule, width))
        joined, scale = skip_path(spec, place, width, keeps_shape=width == before)
        settings = {"dropout": spec.dropout, **joined}
        layers.append(place.node("recurrent_layer", settings, (*cells, *scale)))
    check_skips(spec, layers)
    node = scope.node("recurrent", children=(stack.node("stack", children=tuple(layers)),))
    return node, Sequence(width, signal.length, signal.source)


def mlp(spec: modules.MLP, scope: Scope, sources: Seq[Signal], context: Context) -> Planned:
    """A vector or a sequence to one of another width."""
    signal = expect(sources[0], Vector, Sequence)
    positions = signal.length if isinstance(signal, Sequence) else 1
    scope = scope.within(positions, depth=len(spec.widths))
    width, blocks = signal.width, []
    for index, outputs_ in enumerate(spec.widths):
        place = scope.child(str(index), layer=index, width=outputs_)
        layer = primitives.linear(
            place.child("linear"), width, outputs_, bias=spec.bias, nonlinearity=spec.activation
        )
        joined, scale = skip_path(spec, place, outputs_, keeps_shape=outputs_ == width)
        settings = {"activation": spec.activation, "dropout": spec.dropout, **joined}
        children, vector = (*scale, layer), isinstance(signal, Vector)
        blocks.append(
            block("mlp_block", place, children, settings, outputs_, context, vector=vector)
        )
        width = outputs_
    check_skips(spec, blocks)
    return scope.node("stack", children=tuple(blocks)), replace(signal, width=width)


def pool(spec: modules.Pool, scope: Scope, sources: Seq[Signal], context: Context) -> Planned:
    """A sequence or an image to a vector."""
    signal = expect(sources[0], Sequence, FeatureMap)
    if isinstance(signal, FeatureMap):
        if spec.method not in ("mean", "max"):
            raise Mismatch(f"`{spec.method}` needs a sequence; an image has mean and max", "method")
        return scope.node("pool", {"method": spec.method}), Vector(signal.channels)
    if spec.method != "attention":
        return scope.node("pool", {"method": spec.method}), Vector(signal.width)
    # A bias would move every score alike, and softmax does not see that.
    score = primitives.linear(
        scope.within(signal.length, width=signal.width).child("score"), signal.width, 1, bias=False
    )
    return scope.node("attention_pool", children=(score,)), Vector(signal.width)


def concat(spec: modules.Concat, scope: Scope, sources: Seq[Signal], context: Context) -> Planned:
    """Values side by side."""
    first, *others = _alike(sources)
    width = first.width + sum(signal.width for signal in others)
    return scope.node("concat"), replace(first, width=width)


def add(spec: modules.Add, scope: Scope, sources: Seq[Signal], context: Context) -> Planned:
    """Values of equal width, summed."""
    widths = {signal.width for signal in _alike(sources)}
    if len(widths) > 1:
        raise Mismatch(f"widths differ: {', '.join(map(str, sorted(widths)))}")
    return scope.node("add"), sources[0]


def interaction(
    spec: modules.Interaction, scope: Scope, sources: Seq[Signal], context: Context
) -> Planned:
    """Two vectors to their comparison."""
    left, right = (expect(signal, Vector) for signal in sources)
    if left.width != right.width:
        raise Mismatch(f"widths differ: {left.width} and {right.width}")
    width = 4 * left.width if spec.method == "matching" else 1
    return scope.node("interaction", {"method": spec.method}), Vector(width)


def output(spec: outputs.OutputSpec, scope: Scope, source: Signal) -> tuple[Node, Vector]:
    """A vector to what an output gives."""
    signal = expect(source, Vector)
    width = _output_width(spec, signal)
    children: tuple[Node, ...] = ()
    if width is not None:
        place = scope.child("linear", width=signal.width)
        children = (primitives.linear(place, signal.width, width, bias=spec.bias, role="head"),)
    given = Vector(signal.width if width is None else width)
    if isinstance(spec, outputs.EmbeddingOutput):
        return scope.node("embedding_head", {"normalize": spec.normalize}, children), given
    squeeze = isinstance(spec, outputs.Ranking) or (
        isinstance(spec, outputs.Regression) and spec.size == 1
    )
    dropout = 0.0 if isinstance(spec, outputs.Ranking) else spec.dropout
    return scope.node("head", {"squeeze": squeeze, "dropout": dropout}, children), given


def _output_width(spec: outputs.OutputSpec, signal: Vector) -> int | None:
    """Numbers that an output's layer gives for each example, None where it has no layer."""
    if isinstance(spec, outputs.EmbeddingOutput):
        return spec.width
    if isinstance(spec, outputs.Regression):
        return spec.size
    if isinstance(spec, outputs.Ranking):
        if spec.score == "linear":
            return 1
        if signal.width != 1:
            raise Mismatch(
                f"`score: identity` needs a source one wide, not {signal.width}", "score"
            )
        return None
    assert not isinstance(spec.labels, str)
    return spec.labels if isinstance(spec.labels, int) else len(spec.labels)


def _alike(sources: Seq[Any]) -> list[Any]:
    """Vectors, or sequences of one input: what can be put side by side."""
    first = expect(sources[0], Vector, Sequence)
    for signal in sources[1:]:
        if type(signal) is not type(first):
            hint = way_out(signal, type(first)) or way_out(first, type(signal))
            raise Mismatch(f"can't join {first} and {signal}{hint}")
        if isinstance(first, Sequence) and signal.source != first.source:
            names = f"{first.source} and {signal.source}"
            raise Mismatch(f"can't join sequences of two inputs, {names}; put a pool before")
    return list(sources)


def mask_of(spec: object, signal: Signal) -> str | None:
    """The input whose padding mask a module must be given."""
    if isinstance(spec, modules.Concat | modules.Add | modules.Interaction):
        return None
    return signal.source if isinstance(signal, Tokens | Sequence) else None


def block_count(spec: modules.ModuleSpec) -> int:
    """Blocks of a module; parallel convolutions count one by one."""
    if isinstance(spec, modules.Transformer | modules.Recurrent):
        return spec.depth
    if isinstance(spec, modules.Convolution):
        return len(spec.channels) * len(spec.kernels)
    return len(spec.widths) if isinstance(spec, modules.MLP) else 1


PLANNERS: dict[type[Any], Callable[[Any, Scope, Seq[Signal], Context], Planned]] = {
    modules.TokenEmbedding: token_embedding,
    modules.CategoryEmbedding: category_embedding,
    modules.Transformer: transformer,
    modules.Convolution: convolution,
    modules.Recurrent: recurrent,
    modules.MLP: mlp,
    modules.Pool: pool,
    modules.Concat: concat,
    modules.Add: add,
    modules.Interaction: interaction,
}
