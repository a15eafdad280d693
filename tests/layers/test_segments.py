"""The first segment's vector, which BERT adds to every token."""

from __future__ import annotations

import torch
from torch import nn

from seobuilder.layers import PositionEmbedding, TokenEmbedding


def test_row_0_is_added_to_every_token() -> None:
    torch.manual_seed(0)
    tokens, positions, segments = nn.Embedding(9, 4), PositionEmbedding(5, 4), nn.Embedding(2, 4)
    ids = torch.tensor([[3, 8, 0], [1, 0, 0]])
    plain = TokenEmbedding(tokens, positions)(ids, ids != 0)
    layer = TokenEmbedding(tokens, positions, segments=segments)
    torch.testing.assert_close(layer(ids, ids != 0), plain + segments.weight[0])
    layer(ids, ids != 0).sum().backward()
    assert segments.weight.grad is not None
    assert segments.weight.grad.tolist() == [[6.0] * 4, [0.0] * 4]
