"""A plan's tree to modules: one table from a node's kind to what builds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from seobuilder import layers, norm
from seobuilder.planning.model import Node, Plan


class _Undrawn(TorchFunctionMode):
    """Leaves normals undrawn, of which nothing would stay on the meta device.

    For one there torch loads its compiler, which takes longer than loading all the rest.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is nn.init.normal_:
            return kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def compile_plan(plan: Plan) -> layers.SearchModel:
    """The model of a plan on the meta device: structure and shapes, no memory, no weights."""
    with torch.device("meta"), _Undrawn():
        model = _build(plan.root)
    assert isinstance(model, layers.SearchModel)
    for alias, owner in plan.ties.items():
        module, _, tensor = alias.rpartition(".")
        setattr(model.get_submodule(module), tensor, model.get_parameter(owner))
    # Buffers stay float32 where the weights are narrower: statistics need the digits.
    return model.double() if plan.dtype == "float64" else model


def _build(node: Node) -> nn.Module:
    """Children first; numbered ones go in as a list, others under their attribute's name."""
    builder = LAYERS[node.kind]
    children = {child.attribute: _build(child) for child in node.children}
    if children and all(name.isdecimal() for name in children):
        return builder(list(children.values()), **node.settings)
    return builder(**node.settings, **children)


def _model(
    *, inputs: Any, steps: Any, outputs: tuple[str, ...], **children: nn.Module
) -> layers.SearchModel:
    return layers.SearchModel(
        tuple(layers.Input(*each) for each in inputs),
        tuple(layers.Step(*each) for each in steps),
        outputs,
        **children,
    )


LAYERS: dict[str, Callable[..., nn.Module]] = {
    "linear": nn.Linear,
    "embedding": nn.Embedding,
    "conv1d": layers.SequenceConv1d,
    "conv2d": nn.Conv2d,
    "conv_transpose2d": nn.ConvTranspose2d,
    "rnn": nn.RNN,
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "layer_norm": norm.LayerNorm,
    "rms_norm": norm.RMSNorm,
    "batch_norm": norm.BatchNorm,
    "instance_norm": norm.InstanceNorm,
    "group_norm": norm.GroupNorm,
    "stack": layers.Stack,
    "position_embedding": layers.PositionEmbedding,
    "sinusoidal_positions": layers.SinusoidalPositions,
    "token_embedding": layers.TokenEmbedding,
    "transformer": layers.Transformer,
    "transformer_block": layers.TransformerBlock,
    "attention": layers.Attention,
    "rotary": layers.Rotary,
    "alibi": layers.Alibi,
    "ffn": layers.FeedForward,
    "residual_scale": layers.ResidualScale,
    "mlp_block": layers.MLPBlock,
    "conv_block": layers.ConvBlock,
    "conv2d_block": layers.Conv2dBlock,
    "recurrent": layers.Recurrent,
    "recurrent_layer": layers.RecurrentLayer,
    "pool": layers.Pool,
    "attention_pool": layers.AttentionPool,
    "concat": layers.Concat,
    "add": layers.Add,
    "interaction": layers.Interaction,
    "head": layers.Head,
    "embedding_head": layers.EmbeddingHead,
    "feature_scaler": layers.FeatureScaler,
    "model": _model,
}
