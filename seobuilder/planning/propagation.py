"""The signal's moments on their way through a model, before a tensor exists.

They go through the plan's tree in the order of its steps; one function a kind of node, and one
table of them at the end. The moments are those of training: with dropout, and with the statistics
of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import cos, isinf, isnan, sin, sqrt

from seobuilder.planning.attention_moments import squared_weights
from seobuilder.planning.model import Node, Parameter
from seobuilder.planning.recurrent_moments import HIDDEN_STATES, Drive
from seobuilder.planning.signal_moments import (
    NOTHING,
    Drawn,
    SignalMoments,
    activated,
    dropped,
    input_moments,
    largest,
    mapped,
    product,
    scaled,
    side_by_side,
    summed,
)
from seobuilder.planning.signals import Signal

WeightMoments = Callable[[Parameter, SignalMoments | None], Drawn]
"""What a parameter holds; given the signal that it is applied to, where it is a matrix."""


@dataclass
class Propagation:
    """The way of the moments through a tree; `trace` keeps what comes out of every module."""

    weights: WeightMoments
    trace: dict[str, SignalMoments] = field(default_factory=dict)
    _path: list[str] = field(default_factory=list)

    def run(self, root: Node, inputs: Mapping[str, Signal]) -> dict[str, SignalMoments]:
        """Follow all steps of a model from its inputs; the moments of every value, by name.

        Raises:
            OverflowError: the signal grows beyond what a float holds.
        """
        values = {name: input_moments(signal) for name, signal in inputs.items()}
        children = _children(root)
        for name, owner, sources, _ in root.settings["steps"]:
            values[name] = self.through(children[owner], *(values[source] for source in sources))
        return values

    def through(self, node: Node, *signals: SignalMoments) -> SignalMoments:
        """The moments of what a node gives for these."""
        self._path.append(node.attribute)
        result = FLOWS[node.kind](self, node, *signals)
        if isinf(result.square):
            raise OverflowError(f"the signal after {'.'.join(self._path)} is too large")
        self.trace.setdefault(".".join(self._path), result)
        self._path.pop()
        return result

    def maybe(self, node: Node | None, signal: SignalMoments) -> SignalMoments:
        """`through` the node, where there is one."""
        return signal if node is None else self.through(node, signal)


def _children(node: Node) -> dict[str, Node]:
    return {child.name: child for child in node.children}


def _matrix(walk: Propagation, node: Node, x: SignalMoments, width: int) -> SignalMoments:
    weight, *bias = node.parameters
    assert weight.fans is not None
    drawn = walk.weights(weight, x)
    shift = walk.weights(bias[0], None) if bias else NOTHING
    return replace(mapped(x, weight.fans.fan_in, drawn, shift), width=width)


def _linear(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    return _matrix(walk, node, x, node.settings["out_features"])


def _convolution(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    """Zeros around the border are not counted: they make the signal there smaller."""
    y = _matrix(walk, node, x, node.settings["out_channels"])
    stride = node.settings.get("stride", 1)
    if stride == 1:
        return y
    if node.kind == "conv_transpose2d":
        return replace(y, sizes=tuple(size * stride for size in x.sizes))
    axes = zip(x.sizes, node.settings["kernel_size"], node.settings["padding"], strict=True)
    return replace(y, sizes=tuple((s + 2 * pad - k) // stride + 1 for s, k, pad in axes))


def _lookup(walk: Propagation, node: Node, ids: SignalMoments) -> SignalMoments:
    """Rows of a table."""
    mean, variance, _ = walk.weights(node.parameters[0], None)
    return replace(ids.turned(mean, variance), width=node.parameters[0].shape[1])


def _sinusoidal_positions(walk: Propagation, node: Node, ids: SignalMoments) -> SignalMoments:
    """Sines and cosines of falling frequency: of square 1/2, slow ones nearly constant."""
    width, length = node.settings["width"], ids.positions
    means: list[float] = []
    for pair in range((width + 1) // 2):
        half = 10000.0 ** (-2 * pair / width) / 2
        angle = (length - 1) * half
        size = sin(length * half) / (length * sin(half))
        means += (size * sin(angle), size * cos(angle))
    means = means[:width]
    mean = sum(means) / width
    between = sum(value * value for value in means) / width - mean * mean
    return replace(ids.turned(mean, 0.5 - mean * mean, between), width=width)


def _token_embedding(walk: Propagation, node: Node, ids: SignalMoments) -> SignalMoments:
    vectors = {child.name: walk.through(child, ids) for child in node.children}
    if "segments" in vectors:  # one row for every token
        segment = vectors["segments"]
        vectors["segments"] = replace(segment, shared=segment.variance)
    vectors["tokens"] = dropped(vectors["tokens"], node.settings["token_dropout"])
    return dropped(summed(*vectors.values()), node.settings["dropout"])


def _normalized(
    walk: Propagation, node: Node, x: SignalMoments, taken: float, taken_shared: float
) -> SignalMoments:
    """Shifted to mean 0 and scaled to variance 1; the shift is a mean of variance `taken`."""
    eps = node.settings.get("eps", 1e-5)
    left = x.variance - taken
    if isnan(left):  # whatever came, it has variance 1 now
        return _affine(walk, node, x.turned(0.0, 1.0))
    shared = max(x.shared - taken_shared, 0.0)
    return _affine(walk, node, x.turned(0.0, left / (left + eps), shared / (left + eps)))


def _affine(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    """Scale and shift of a norm, as far as it has them."""
    drawn = [walk.weights(parameter, None) for parameter in node.parameters]
    scale = drawn[0] if drawn else Drawn(1.0, 0.0)
    shift = drawn[1] if len(drawn) > 1 else NOTHING
    return mapped(x, 1, scale, shift)


def _layer_norm(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    units = node.settings["width"]
    return _normalized(walk, node, x, x.variance / units, x.shared / units)


def _rms_norm(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    if isnan(x.square):
        return _affine(walk, node, x.turned(0.0, 1.0))
    square = x.square + node.settings.get("eps", 1e-6)
    return _affine(
        walk, node, x.turned(x.mean / sqrt(square), x.variance / square, x.shared / square)
    )


def _group_norm(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    units = node.settings["width"] // node.settings["num_groups"]
    return _normalized(walk, node, x, _common(x, units), x.shared / units)


def _channel_norm(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    """Batch and instance norm, channel by channel: what positions share goes with the mean."""
    return _normalized(walk, node, x, x.shared, x.shared)


def _common(x: SignalMoments, units: int) -> float:
    """Variance of the mean over some units and all positions."""
    return (x.shared + (x.variance - x.shared) / x.positions) / units


def _residual_scale(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    return _affine(walk, node, x)


def _stack(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    for child in node.children:
        x = walk.through(child, x)
    return x


def _transformer(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    parts = _children(node)
    x = walk.through(parts["blocks"], walk.maybe(parts.get("input_norm"), x))
    return walk.maybe(parts.get("final_norm"), x)


def _transformer_block(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    parts, settings = _children(node), node.settings
    for name in ("attention", "ffn"):
        branch = walk.through(parts[name], walk.maybe(parts.get(f"{name}_input_norm"), x))
        branch = walk.maybe(parts.get(f"{name}_output_norm"), branch)
        branch = dropped(branch, settings["dropout"])
        joined = _joined(walk, node, x, branch, parts.get(f"{name}_scale"))
        x = walk.maybe(parts.get(f"{name}_residual_norm"), joined)
    return x


def _attention(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    """A mean over positions, weighted by the softmax of normal scores.

    Scores have the variance that queries and keys give them; two queries have scores as alike as
    the queries are.
    """
    parts, settings = _children(node), node.settings
    query = walk.maybe(parts.get("query_norm"), walk.through(parts["query"], x))
    key = walk.maybe(parts.get("key_norm"), walk.through(parts["key"], x))
    value = walk.through(parts["value"], x)
    # A product over one head's channels has their number as its factor, and 1 / sqrt of it.
    factor = (
        query.width / settings["heads"] * settings["scale"] ** 2 if "scale" in settings else 1.0
    )
    spread = factor * (key.variance - key.shared)
    share, common = squared_weights(
        query.square * spread,
        query.shared_square * spread,
        x.positions,
        causal=settings["causal"],
        alibi_heads=settings["heads"] if _is_alibi(parts.get("positions")) else 0,
    )
    variance = share / (1 - settings["dropout"]) * value.variance + (1 - share) * value.shared
    shared = common * value.variance + (1 - common) * value.shared
    heads = replace(value.turned(value.mean, variance, shared), width=query.width)
    return walk.through(parts["output"], heads)


def _is_alibi(positions: Node | None) -> bool:
    return positions is not None and positions.kind == "alibi"


def _feed_forward(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    parts, settings = _children(node), node.settings
    up = walk.through(parts["up"], x)
    if "gate" in parts:
        hidden = product(activated(walk.through(parts["gate"], x), settings["activation"]), up)
    else:
        hidden = activated(up, settings["activation"])
    return walk.through(parts["down"], dropped(hidden, settings["dropout"]))


def _block(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    """Layers side by side, an activation with a norm around it, pooling, dropout, a skip path."""
    parts, settings = _children(node), node.settings
    norm, scale = parts.pop("norm", None), parts.pop("scale", None)
    y = side_by_side(*(walk.through(layer, x) for layer in parts.values()))
    if settings.get("placement") == "after_activation":
        y = walk.maybe(norm, activated(y, settings["activation"]))
    else:
        y = activated(walk.maybe(norm, y), settings["activation"])
    pool = settings.get("pool", 1)
    if pool > 1:
        y = replace(largest(y, pool * pool), sizes=tuple(size // pool for size in y.sizes))
    return _joined(walk, node, x, dropped(y, settings["dropout"]), scale)


def _joined(
    walk: Propagation, node: Node, x: SignalMoments, branch: SignalMoments, scale: Node | None
) -> SignalMoments:
    """What comes in and a branch, each with its factor; the branch alone without a skip path."""
    branch = walk.maybe(scale, branch)
    skip, factor = node.settings.get("skip_scale", 0.0), node.settings.get("branch_scale", 1.0)
    return summed(scaled(x, skip), scaled(branch, factor)) if skip else branch


def _recurrent_layer(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    parts = _children(node)
    norm, scale = parts.pop("norm", None), parts.pop("scale", None)
    states = side_by_side(*(walk.through(cell, x) for cell in parts.values()))
    branch = dropped(walk.maybe(norm, states), node.settings["dropout"])
    return _joined(walk, node, x, branch, scale)


def _cell(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    """The hidden states of a cell, averaged over the positions.

    Asked for the hidden weight, the walk shows the states that there would be if the hidden map
    gave the gates as much as the input map does.
    """
    inputs, hidden, *biases = node.parameters
    assert inputs.fans is not None and hidden.fans is not None
    shifts = [walk.weights(parameter, None) for parameter in biases]
    shift = Drawn(*map(sum, zip(*shifts, strict=True))) if shifts else NOTHING
    given = mapped(x, inputs.fans.fan_in, walk.weights(inputs, x), shift)
    states = HIDDEN_STATES[node.kind]
    shape = replace(x.turned(0.0, 0.0), width=node.settings["hidden_size"])
    drive = Drive(given.mean, given.variance, given.shared, shift.forget, x.positions)
    mean, variance, _ = walk.weights(hidden, shape.turned(*states(drive, None)))
    back = hidden.fans.fan_in * (variance + mean**2)
    return shape.turned(*states(drive, back))


def _recurrent(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    return walk.through(_children(node)["layers"], x)


def _pool(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    method = node.settings["method"]
    if method == "mean":
        return x.averaged(1 / x.positions).vector()
    return (largest(x, x.positions) if method == "max" else x).vector()


def _attention_pool(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    score = walk.through(_children(node)["score"], x)
    share, _ = squared_weights(score.variance - score.shared, 0.0, x.positions)
    return x.averaged(share).vector()


def _concat(walk: Propagation, node: Node, *signals: SignalMoments) -> SignalMoments:
    return side_by_side(*signals)


def _add(walk: Propagation, node: Node, *signals: SignalMoments) -> SignalMoments:
    return summed(*signals)


def _interaction(
    walk: Propagation, node: Node, u: SignalMoments, v: SignalMoments
) -> SignalMoments:
    """Two vectors, taken to be independent of each other."""
    method = node.settings["method"]
    products = product(u, v)
    if method == "matching":
        apart = u.turned(u.mean - v.mean, u.variance + v.variance)
        return side_by_side(u, v, activated(apart, "abs"), products)
    dot = products.turned(u.width * products.mean, u.width * products.variance)
    if method == "cosine":
        lengths = u.width * sqrt(u.square * v.square)
        dot = scaled(dot, 1 / lengths if lengths else 0.0)
    return replace(dot, width=1)


def _head(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    return walk.maybe(_children(node).get("linear"), dropped(x, node.settings["dropout"]))


def _embedding_head(walk: Propagation, node: Node, x: SignalMoments) -> SignalMoments:
    """Length 1: the squares of all units sum to 1."""
    x = walk.maybe(_children(node).get("linear"), x)
    if not node.settings["normalize"]:
        return x
    return scaled(x, 1 / sqrt(x.width * x.square) if x.square else 0.0)


Flow = Callable[..., SignalMoments]


FLOWS: dict[str, Flow] = {
    "linear": _linear,
    "embedding": _lookup,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv_transpose2d": _convolution,
    "rnn": _cell,
    "lstm": _cell,
    "gru": _cell,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "batch_norm": _channel_norm,
    "instance_norm": _channel_norm,
    "group_norm": _group_norm,
    "stack": _stack,
    "position_embedding": _lookup,
    "sinusoidal_positions": _sinusoidal_positions,
    "token_embedding": _token_embedding,
    "transformer": _transformer,
    "transformer_block": _transformer_block,
    "attention": _attention,
    "ffn": _feed_forward,
    "residual_scale": _residual_scale,
    "mlp_block": _block,
    "conv_block": _block,
    "conv2d_block": _block,
    "recurrent": _recurrent,
    "recurrent_layer": _recurrent_layer,
    "pool": _pool,
    "attention_pool": _attention_pool,
    "concat": _concat,
    "add": _add,
    "interaction": _interaction,
    "head": _head,
    "embedding_head": _embedding_head,
}
"""By kind of node: `flow(walk, node, *signals)`. `rotary` and `alibi` live inside attention."""
