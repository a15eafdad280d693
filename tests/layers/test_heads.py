from __future__ import annotations

import torch
from torch import nn

from seobuilder.layers import EmbeddingHead, Head


def test_head() -> None:
    x, linear = torch.randn(4, 3), nn.Linear(3, 1)
    torch.testing.assert_close(Head(linear)(x), linear(x))
    torch.testing.assert_close(Head(linear, squeeze=True)(x), linear(x)[:, 0])
    assert Head(squeeze=True)(torch.randn(1, 1)).shape == (1,)
    assert Head()(x) is x


def test_a_head_drops_values_in_training_only() -> None:
    x, linear = torch.ones(1000, 4), nn.Linear(4, 1, bias=False)
    nn.init.ones_(linear.weight)
    head = Head(linear, squeeze=True, dropout=0.5)
    assert set(head(x).tolist()) <= {0.0, 2.0, 4.0, 6.0, 8.0}
    assert abs(head(x).mean() - 4) < 0.5
    assert head.eval()(x).tolist() == [4.0] * 1000


def test_embedding_head_gives_length_one() -> None:
    x, linear = torch.randn(4, 3), nn.Linear(3, 5)
    y = EmbeddingHead(linear)(x)
    torch.testing.assert_close(y.norm(dim=1), torch.ones(4))
    torch.testing.assert_close(y * linear(x).norm(dim=1, keepdim=True), linear(x))
    torch.testing.assert_close(EmbeddingHead(linear, normalize=False)(x), linear(x))


def test_embedding_head_of_zero_is_zero_with_a_tame_gradient() -> None:
    x = torch.zeros(1, 3, requires_grad=True)
    y = EmbeddingHead()(x)
    y.sum().backward()
    assert y.tolist() == [[0, 0, 0]]
    assert x.grad is not None and x.grad.abs().max() <= 1
