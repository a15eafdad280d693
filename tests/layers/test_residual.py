from __future__ import annotations

import pytest
import torch
from torch import nn

from seobuilder.layers import (
    Conv2dBlock,
    ConvBlock,
    MLPBlock,
    RecurrentLayer,
    ResidualScale,
    Stack,
)
from seobuilder.norm import LayerNorm


def halved(width: int) -> ResidualScale:
    scale = ResidualScale(width)
    nn.init.constant_(scale.weight, 0.5)
    return scale


def test_every_block_adds_its_branch_to_what_comes_in() -> None:
    x, image = torch.randn(2, 5, 8), torch.randn(2, 4, 6, 6)
    joined = {"scale": halved(8), "skip_scale": 1.0, "branch_scale": 3.0}
    linear, conv, cell = nn.Linear(8, 8), nn.Conv1d(8, 8, 3), nn.GRU(8, 8, batch_first=True)
    plain = MLPBlock(linear, "gelu"), ConvBlock("relu", conv=conv), RecurrentLayer(cell)
    with_skip = (
        MLPBlock(linear, "gelu", **joined),
        ConvBlock("relu", conv=conv, **joined),
        RecurrentLayer(cell, **joined),
    )
    for branch, block in zip(plain, with_skip, strict=True):
        torch.testing.assert_close(block(x), x + 1.5 * branch(x))
    conv2d = nn.Conv2d(4, 4, 3, padding=1)
    block = Conv2dBlock(conv2d, "relu", skip_scale=1.0, branch_scale=2.0)
    torch.testing.assert_close(block(image), image + 2 * conv2d(image).relu())


@pytest.mark.parametrize("kind", ["conv", "recurrent"])
def test_padding_changes_nothing(padding_changes_nothing, kind: str) -> None:
    def block() -> nn.Module:
        if kind == "conv":
            return ConvBlock("gelu", LayerNorm(8), skip_scale=1.0, conv=nn.Conv1d(8, 8, 3))
        return RecurrentLayer(nn.LSTM(8, 8, batch_first=True), norm=LayerNorm(8), skip_scale=1.0)

    padding_changes_nothing(Stack([block(), block()]))


def test_padded_positions_stay_zero_behind_a_recurrent_skip_path() -> None:
    mask = torch.tensor([[True, False], [True, True]])
    layer = RecurrentLayer(nn.GRU(3, 3, batch_first=True), skip_scale=1.0)
    assert (layer(torch.randn(2, 2, 3), mask)[~mask] == 0).all()
