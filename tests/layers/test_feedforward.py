from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from seobuilder.layers import FeedForward, MLPBlock
from seobuilder.layers.activation import ACTIVATIONS
from seobuilder.norm import BatchNorm, LayerNorm


def test_plain_and_gated() -> None:
    up, down, gate = nn.Linear(4, 6), nn.Linear(6, 4), nn.Linear(4, 6)
    x = torch.randn(2, 3, 4)
    torch.testing.assert_close(FeedForward(up, down)(x), down(F.gelu(up(x))))
    gated = FeedForward(up, down, gate, activation="silu")
    torch.testing.assert_close(gated(x), down(F.silu(gate(x)) * up(x)))


def test_placement_orders_norm_and_activation() -> None:
    linear, norm = nn.Linear(4, 5), LayerNorm(5)
    x = torch.randn(3, 4)
    before = MLPBlock(linear, "relu", norm, "before_activation")
    after = MLPBlock(linear, "relu", norm, "after_activation")
    torch.testing.assert_close(before(x), norm(linear(x)).relu())
    torch.testing.assert_close(after(x), norm(linear(x).relu()))
    torch.testing.assert_close(MLPBlock(linear, "identity")(x), linear(x))


@pytest.mark.parametrize("placement", ["before_activation", "after_activation"])
def test_padding_changes_nothing(padding_changes_nothing, placement) -> None:
    padding_changes_nothing(MLPBlock(nn.Linear(8, 5), "tanh", BatchNorm(5), placement))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_torchs(name: str) -> None:
    x = torch.randn(20)
    expected = x if name == "identity" else getattr(F, name)(x)
    torch.testing.assert_close(MLPBlock(nn.Identity(), name)(x), expected)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown activation 'gelo', expected one of relu"):
        MLPBlock(nn.Linear(2, 2), "gelo")
    with pytest.raises(ValueError, match="unknown placement 'pre'"):
        MLPBlock(nn.Linear(2, 2), "gelu", placement="pre")
