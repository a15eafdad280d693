"""The transformer: attention and feed-forward blocks, their residual paths, and their norms."""

from __future__ import annotations

from collections.abc import Sequence as Seq
from functools import partial
from typing import Any

from seobuilder.planning import primitives
from seobuilder.planning.common import Context, Mismatch, Planned, expect
from seobuilder.planning.model import Node
from seobuilder.planning.placement import TRANSFORMER_PLACEMENTS, norm_node
from seobuilder.planning.primitives import Scope
from seobuilder.planning.residual import positive, scale_node
from seobuilder.planning.signals import Sequence, Signal
from seobuilder.recipe.spec import modules
from seobuilder.recipe.spec.normalization import ActivationNorm, ActivationNormSpec


def transformer(
    spec: modules.Transformer, scope: Scope, sources: Seq[Signal], context: Context
) -> Planned:
    """A sequence to a sequence of equal width."""
    signal = expect(sources[0], Sequence)
    if signal.width % spec.heads:
        raise Mismatch(f"{spec.heads} heads do not divide the width {signal.width}", "heads")
    if spec.heads % (spec.kv_heads or spec.heads):
        raise Mismatch(f"{spec.kv_heads} key heads do not divide {spec.heads} heads", "kv_heads")
    if spec.positions == "rotary" and signal.width // spec.heads % 2:
        raise Mismatch("rotary positions need an even width of each head", "positions")
    if spec.qk_norm != "none" and signal.width == spec.heads:
        raise Mismatch(
            f"{spec.qk_norm} of a head of one channel leaves nothing of its size", "qk_norm"
        )
    scope = scope.within(
        signal.length,
        depth=spec.depth,
        width=signal.width,
        heads=spec.heads,
        kv_heads=spec.kv_heads or spec.heads,
        head_width=signal.width // spec.heads,
    )
    stack = scope.child("blocks")
    blocks, rules = [], []
    for index in range(spec.depth):
        place = stack.child(str(index), layer=index)
        rule = context.normalizer.decide(place.logical, "transformer_block", signal.width)
        rules.append(rule)
        blocks.append(_transformer_block(spec, place, signal, rule, context))
    children = [stack.node("stack", children=tuple(blocks))]
    first, last = rules[0], rules[-1]
    if first is not None and _opens(first):
        children.append(norm_node(scope.child("input_norm"), first, signal.width))
    if last is not None and _closes(last):
        children.append(norm_node(scope.child("final_norm"), last, signal.width))
    settings = {"gradient_checkpointing": spec.gradient_checkpointing}
    return scope.node("transformer", settings, tuple(children)), signal


def _opens(rule: ActivationNorm) -> bool:
    if rule.embedding == "auto":
        return TRANSFORMER_PLACEMENTS[rule.placement].embedding
    return rule.embedding


def _closes(rule: ActivationNorm) -> bool:
    if rule.final == "auto":
        return TRANSFORMER_PLACEMENTS[rule.placement].final
    return rule.final


def _transformer_block(
    spec: modules.Transformer,
    scope: Scope,
    signal: Sequence,
    rule: ActivationNormSpec | None,
    context: Context,
) -> Node:
    # In the module's own order: of names that are tied, the first is stored.
    branches = ("attention", "ffn")
    children = [
        _attention(spec, scope.child("attention"), signal, context),
        _feed_forward(spec, scope.child("ffn"), signal.width),
    ]
    skip = 1.0
    if rule is not None:
        sites = TRANSFORMER_PLACEMENTS[rule.placement]
        places = (scope.child(f"{b}_{site}_norm") for b in branches for site in sites.branch)
        children += [norm_node(place, rule, signal.width) for place in places]
        if sites.deep_skip:
            skip = (2 * spec.depth) ** 0.25
    for branch in branches:
        children += scale_node(spec, scope.child(f"{branch}_scale"), signal.width)
    settings = {
        "skip_scale": 0.0 if spec.residual == "none" else skip,
        "branch_scale": positive(spec, "residual_scale", scope) or 1.0,
        "dropout": spec.dropout,
    }
    return scope.node("transformer_block", settings, tuple(children))


def _attention(spec: modules.Transformer, scope: Scope, signal: Sequence, context: Context) -> Node:
    width, heads, kv_heads = signal.width, spec.heads, spec.kv_heads or spec.heads
    head_width = width // heads
    narrow = head_width * kv_heads
    project = partial(primitives.linear, bias=spec.bias)
    children = [
        project(scope.child("query"), width, width, heads=heads),
        project(scope.child("key"), width, narrow, heads=kv_heads),
        project(scope.child("value"), width, narrow, heads=kv_heads),
        project(scope.child("output"), width, width, role="residual_out"),
    ]
    if spec.qk_norm != "none":
        for part in ("query_norm", "key_norm"):
            place = scope.child(part)
            bias = spec.qk_norm == "layer_norm"
            children.append(
                primitives.norm(place, spec.qk_norm, {}, head_width, affine=True, bias=bias)
            )
    place = scope.child("positions")
    if spec.positions == "rotary":
        children.append(place.node("rotary", {"width": head_width, "length": context.length}))
    elif spec.positions == "alibi":
        children.append(place.node("alibi", {"heads": heads, "length": context.length}))
    settings: dict[str, Any] = {
        "heads": heads,
        "kv_heads": kv_heads,
        "causal": spec.causal,
        "dropout": spec.dropout,
    }
    if spec.attention_scale is not None:
        settings["scale"] = positive(spec, "attention_scale", scope)
    products = 2 * 2 * signal.length * signal.length * width
    return scope.node("attention", settings, tuple(children), flops=products)


def _feed_forward(spec: modules.Transformer, scope: Scope, width: int) -> Node:
    ffn = spec.ffn
    up, down, gate = scope.child("up"), scope.child("down"), scope.child("gate")
    project = partial(primitives.linear, bias=spec.bias)
    if isinstance(ffn, modules.GatedFeedForward):
        activation = "silu" if ffn.kind == "swiglu" else "gelu"
        children = [
            project(up, width, ffn.width),
            project(down, ffn.width, width, role="residual_out"),
            project(gate, width, ffn.width, role="gate", nonlinearity=activation),
        ]
    else:
        activation = ffn.activation
        children = [
            project(up, width, ffn.width, nonlinearity=activation),
            project(down, ffn.width, width, role="residual_out"),
        ]
    return scope.node("ffn", {"activation": activation, "dropout": spec.dropout}, tuple(children))
