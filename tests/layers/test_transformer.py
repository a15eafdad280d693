from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seobuilder.layers import (
    Attention,
    FeedForward,
    ResidualScale,
    Rotary,
    Stack,
    Transformer,
    TransformerBlock,
)
from seobuilder.norm import BatchNorm, LayerNorm, RMSNorm


class Plus(nn.Module):
    """x + n: the order of operations shows in the result."""

    def __init__(self, n: float) -> None:
        super().__init__()
        self.n = n

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return x + self.n


class Times(Plus):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return x * self.n


def block(**extra: object) -> TransformerBlock:
    attention = Attention(
        *(nn.Linear(8, 8) for _ in range(4)), heads=2, kv_heads=2, positions=Rotary(4, 16)
    )
    return TransformerBlock(attention, FeedForward(nn.Linear(8, 12), nn.Linear(12, 8)), **extra)


def test_every_site_is_where_the_formula_has_it() -> None:
    layer = TransformerBlock(
        attention=Times(2),
        ffn=Times(3),
        attention_input_norm=Plus(1),
        attention_output_norm=Plus(10),
        attention_residual_norm=Plus(100),
        attention_scale=Times(5),
        ffn_input_norm=Plus(2),
        ffn_output_norm=Plus(20),
        ffn_residual_norm=Plus(200),
        ffn_scale=Times(7),
        skip_scale=0.5,
        branch_scale=4.0,
    )
    x = torch.tensor(3.0)
    middle = 0.5 * 3 + 4 * 5 * ((3 + 1) * 2 + 10) + 100
    expected = 0.5 * middle + 4 * 7 * ((middle + 2) * 3 + 20) + 200
    assert float(layer(x)) == expected


def test_skip_scale_zero_leaves_the_residual_out() -> None:
    layer = TransformerBlock(Times(2), Times(3), skip_scale=0.0)
    assert float(layer(torch.tensor(5.0))) == 30
    assert float(layer(torch.tensor(torch.inf))) == torch.inf


@pytest.mark.parametrize("norm", [LayerNorm, RMSNorm, BatchNorm])
def test_padding_changes_nothing(padding_changes_nothing, norm) -> None:
    sites = ("attention_input_norm", "attention_output_norm", "ffn_input_norm", "ffn_residual_norm")
    blocks = Stack([block(**{site: norm(8) for site in sites}) for _ in range(2)])
    padding_changes_nothing(Transformer(blocks, input_norm=norm(8), final_norm=norm(8)))


def test_checkpointing_changes_neither_output_nor_gradients() -> None:
    layer = Transformer(Stack([block(dropout=0.3), block()]), final_norm=LayerNorm(8))
    x = torch.randn(2, 5, 8)
    found = []
    for checkpointing in (False, True):
        layer.gradient_checkpointing = checkpointing
        layer.zero_grad()
        torch.manual_seed(3)
        y = layer(x)
        y.square().sum().backward()
        found.append([y, *(p.grad for p in layer.parameters())])
    for plain, checkpointed in zip(*found, strict=True):
        torch.testing.assert_close(plain, checkpointed)


@pytest.mark.parametrize("width", [1, 8])
def test_residual_scale_starts_at_one_and_multiplies(width: int) -> None:
    scale = ResidualScale(width)
    x = torch.randn(2, 3, 8)
    torch.testing.assert_close(scale(x), x)
    nn.init.constant_(scale.weight, 0.25)
    torch.testing.assert_close(scale(x), x / 4)
    scale.reset_parameters()
    assert scale.weight.tolist() == [1.0] * width
