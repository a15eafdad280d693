from __future__ import annotations

import pytest
import torch
from torch import nn

from seobuilder.layers import AttentionPool, Pool

METHODS = ["mean", "max", "first", "last"]


@pytest.mark.parametrize("method", METHODS)
def test_padding_changes_nothing(padding_changes_nothing, method) -> None:
    padding_changes_nothing(Pool(method))


def test_attention_padding_changes_nothing(padding_changes_nothing) -> None:
    padding_changes_nothing(AttentionPool(nn.Linear(8, 1)))


@pytest.mark.parametrize("pool", [*map(Pool, METHODS), AttentionPool(nn.Linear(3, 1))], ids=repr)
def test_a_row_of_padding_alone_gives_zeros(pool: nn.Module) -> None:
    x = torch.randn(2, 4, 3) - 10
    mask = torch.tensor([[False] * 4, [True] * 4])
    y = pool(x, mask)
    assert (y[0] == 0).all() and (y[1] != 0).all()


def test_methods_by_hand() -> None:
    x = torch.tensor([[[9.0], [-3.0], [-1.0], [-2.0], [9.0]]])
    mask = torch.tensor([[False, True, True, True, False]])
    found = {method: float(Pool(method)(x, mask)) for method in METHODS}
    assert found == {"mean": -2, "max": -1, "first": -3, "last": -2}


def test_attention_weighs_by_softmax() -> None:
    score = nn.Linear(3, 1)
    x = torch.randn(2, 4, 3)
    expected = (score(x).softmax(1) * x).sum(1)
    torch.testing.assert_close(AttentionPool(score)(x), expected)


def test_padding_may_hold_anything() -> None:
    x = torch.tensor([[[1.0], [torch.nan]]])
    mask = torch.tensor([[True, False]])
    for method in METHODS:
        assert float(Pool(method)(x, mask)) == 1


def test_maps() -> None:
    x = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(Pool("mean")(x), x.mean((2, 3)))
    torch.testing.assert_close(Pool("max")(x), x.amax((2, 3)))
    with pytest.raises(ValueError, match="a map has no first position"):
        Pool("first")(x)
    with pytest.raises(ValueError, match="unknown pooling 'sum'"):
        Pool("sum")
