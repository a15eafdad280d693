from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seobuilder.norm import GroupNorm


def norm(groups: int, affine: bool = True) -> GroupNorm:
    layer = GroupNorm(groups, 6, eps=1e-3, affine=affine)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer


@pytest.mark.parametrize("shape", [(5, 6), (5, 4, 6), (5, 6, 2, 3)])
@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize("affine", [True, False])
def test_without_a_mask_it_is_torchs(shape: tuple[int, ...], groups: int, affine: bool) -> None:
    ours = norm(groups, affine)
    theirs = nn.GroupNorm(groups, 6, eps=1e-3, affine=affine)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(shape) * 3 + 1
    expected = theirs(x.transpose(1, 2)).transpose(1, 2) if x.ndim == 3 else theirs(x)
    torch.testing.assert_close(ours(x), expected, atol=1e-6, rtol=1e-6)
    if x.ndim == 3:
        whole = torch.ones(x.shape[:2], dtype=torch.bool)
        torch.testing.assert_close(ours(x, whole), expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_only_real_positions_count(sequence: tuple[Tensor, Tensor], groups: int) -> None:
    x, mask = sequence
    ours = norm(groups)
    y = ours(x, mask)
    for row in range(len(x)):
        real = x[row, mask[row]].double().view(-1, groups, 6 // groups)
        mean = real.mean((0, 2), keepdim=True)
        variance = real.var((0, 2), correction=0, keepdim=True)
        expected = ((real - mean) / (variance + ours.eps).sqrt()).view(-1, 6)
        expected = expected * ours.weight.double() + ours.bias.double()
        torch.testing.assert_close(y[row, mask[row]].double(), expected, atol=2e-6, rtol=1e-5)
        alone = ours(x[row : row + 1, mask[row]])[0]
        torch.testing.assert_close(y[row, mask[row]], alone, atol=2e-5, rtol=1e-4)


def test_a_row_of_padding_is_finite() -> None:
    ours = norm(2)
    x = torch.randn(2, 3, 6, requires_grad=True)
    y = ours(x, torch.tensor([[False] * 3, [True] * 3]))
    y.square().sum().backward()
    assert y.isfinite().all() and x.grad is not None and x.grad.isfinite().all()


def test_groups_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="4 groups do not divide 6 channels"):
        norm(4)
