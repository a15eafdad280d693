"""Token ids to vectors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seobuilder.layers.dtypes import as_dtype
from seobuilder.layers.masks import check_length
from seobuilder.layers.positions import PositionEmbedding, SinusoidalPositions


class TokenEmbedding(nn.Module):
    """The sum of a token's vector and its position's, and of the first segment's.

    y[b, t] = dropout(d[b, t] tokens(ids[b, t]) + positions(p[b, t]) + segments(0)), where p counts
    the real positions before t, so that padding on either side changes nothing. In training d is 0
    for a share `token_dropout` of the tokens and 1 / (1 - token_dropout) for the others, else 1.

    Shapes: ids [B, T] integer and mask [B, T] to [B, T, C].

    Raises:
        ValueError: a sequence is longer than `positions` was built for.

    Source: Attention Is All You Need (Vaswani et al. 2017, arXiv:1706.03762, sections 3.4, 3.5 and
    5.4; without the factor sqrt(C), whose place is the initialization). Segments: BERT:
    Pre-training of Deep Bidirectional Transformers (Devlin et al. 2018, arXiv:1810.04805, 3).
    Whole tokens dropped: Deep Unordered Composition Rivals Syntactic Methods for Text
    Classification (Iyyer et al. 2015, doi 10.3115/v1/P15-1162, section 3.1).
    """

    def __init__(
        self,
        tokens: nn.Module,
        positions: PositionEmbedding | SinusoidalPositions | None = None,
        dropout: float = 0.0,
        segments: nn.Embedding | None = None,
        token_dropout: float = 0.0,
    ) -> None:
        """Take the tables of tokens, positions and segments, and the probabilities of dropout."""
        super().__init__()
        self.tokens = tokens
        self.positions = positions
        self.segments = segments
        self.token_dropout = nn.Dropout1d(token_dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Look `ids` up, and add their positions and the first segment."""
        x: Tensor = self.token_dropout(self.tokens(ids))
        if self.positions is not None:
            check_length(ids.shape[1], self.positions.length)
            # A computed table is float32 also where the weights are narrower.
            x = x + as_dtype(self.positions(_positions(ids, mask)), x.dtype)
        if self.segments is not None:
            x = x + self.segments.weight[0]
        y: Tensor = self.dropout(x)
        return y


def _positions(ids: Tensor, mask: Tensor | None) -> Tensor:
    """How many real positions come before each, [B, T], or [1, T] where all are real."""
    if mask is None:
        return torch.arange(ids.shape[1], device=ids.device)[None]
    return (mask.cumsum(dim=1) - 1).clamp(min=0)
