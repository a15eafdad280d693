from __future__ import annotations

import pytest
import torch
from torch import nn

from seobuilder.layers import PositionEmbedding, SinusoidalPositions, TokenEmbedding


@pytest.mark.parametrize(
    "positions", [None, PositionEmbedding(7, 8), SinusoidalPositions(7, 8)], ids=repr
)
def test_padding_changes_nothing(padding_changes_nothing, positions) -> None:
    padding_changes_nothing(TokenEmbedding(nn.Embedding(11, 8, padding_idx=0), positions), 11)


def test_it_adds_token_and_position() -> None:
    layer = TokenEmbedding(nn.Embedding(5, 3), PositionEmbedding(4, 3))
    y = layer(torch.tensor([[2, 4], [4, 4]]))
    assert layer.positions is not None
    torch.testing.assert_close(y[0, 1], layer.tokens.weight[4] + layer.positions.weight[1])
    torch.testing.assert_close(y[0, 1], y[1, 1])


def test_a_longer_sequence_is_refused() -> None:
    layer = TokenEmbedding(nn.Embedding(5, 3), PositionEmbedding(4, 3))
    with pytest.raises(ValueError, match="5 positions exceeds the 4"):
        layer(torch.ones(1, 5, dtype=torch.long))


def test_training_drops_whole_tokens_and_keeps_their_positions() -> None:
    tokens, positions = nn.Embedding(5, 3), PositionEmbedding(400, 3)
    layer = TokenEmbedding(tokens, positions, token_dropout=0.25)
    ids = torch.full((8, 400), 2)
    vectors = layer(ids) - positions.weight
    kept = vectors.abs().sum(dim=2) > 1e-5
    assert kept.float().mean() == pytest.approx(0.75, abs=0.05)
    torch.testing.assert_close(vectors[kept], (tokens.weight[2] / 0.75).expand(kept.sum(), 3))
    torch.testing.assert_close(layer.eval()(ids)[0, 7], tokens.weight[2] + positions.weight[7])
