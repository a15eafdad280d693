"""Modules that take built children and keyword arguments, and know nothing of recipes.

Sequences are [B, T, C] (batch, time, channels) with masks [B, T], true at real positions; vectors
are [B, C] and maps [B, C, H, W]. Padding changes nothing: each row of a padded batch gets what it
gets alone, and a row of padding alone gives finite output.
"""

from __future__ import annotations

from seobuilder.layers.attention import Attention
from seobuilder.layers.combine import Add, Concat, Interaction
from seobuilder.layers.convolution import Conv2dBlock, ConvBlock, SequenceConv1d
from seobuilder.layers.embedding import TokenEmbedding
from seobuilder.layers.features import FeatureScaler
from seobuilder.layers.feedforward import FeedForward, MLPBlock
from seobuilder.layers.heads import EmbeddingHead, Head
from seobuilder.layers.model import Input, SearchModel, Step
from seobuilder.layers.pooling import AttentionPool, Pool
from seobuilder.layers.positions import Alibi, PositionEmbedding, Rotary, SinusoidalPositions
from seobuilder.layers.recurrent import Recurrent, RecurrentLayer
from seobuilder.layers.residual import ResidualScale
from seobuilder.layers.stack import Stack
from seobuilder.layers.transformer import Transformer, TransformerBlock

__all__ = [
    "Add",
    "Alibi",
    "Attention",
    "AttentionPool",
    "Concat",
    "Conv2dBlock",
    "ConvBlock",
    "EmbeddingHead",
    "FeatureScaler",
    "FeedForward",
    "Head",
    "Input",
    "Interaction",
    "MLPBlock",
    "Pool",
    "PositionEmbedding",
    "Recurrent",
    "RecurrentLayer",
    "ResidualScale",
    "Rotary",
    "SearchModel",
    "SequenceConv1d",
    "SinusoidalPositions",
    "Stack",
    "Step",
    "TokenEmbedding",
    "Transformer",
    "TransformerBlock",
]
