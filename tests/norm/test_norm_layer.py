from __future__ import annotations

import pytest
import torch
from torch import nn

from seobuilder.norm import LayerNorm, RMSNorm

PAIRS = [
    (LayerNorm(6), nn.LayerNorm(6)),
    (LayerNorm(6, eps=0.1, bias=False), nn.LayerNorm(6, eps=0.1, bias=False)),
    (LayerNorm(6, elementwise_affine=False), nn.LayerNorm(6, elementwise_affine=False)),
    (RMSNorm(6), nn.RMSNorm(6, eps=1e-6)),
    (RMSNorm(6, eps=0.1, elementwise_affine=False), nn.RMSNorm(6, 0.1, False)),
]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=repr)
@pytest.mark.parametrize("shape", [(5, 6), (5, 3, 6), (5, 6, 2, 3)])
def test_they_are_torchs(ours: nn.Module, theirs: nn.Module, shape: tuple[int, ...]) -> None:
    for parameter in ours.parameters():
        nn.init.normal_(parameter)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(shape) * 3 + 1
    expected = theirs(x.movedim(1, -1)).movedim(-1, 1) if x.ndim == 4 else theirs(x)
    torch.testing.assert_close(ours(x), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("norm", [LayerNorm(6), RMSNorm(6)])
def test_a_mask_changes_nothing(norm: nn.Module) -> None:
    x = torch.randn(2, 3, 6)
    mask = torch.tensor([[True, False, False], [False, False, False]])
    assert torch.equal(norm(x, mask), norm(x))


def test_parameters_start_as_the_identity_and_reset_to_it() -> None:
    norm = LayerNorm(3)
    with torch.no_grad():
        norm.weight.fill_(7)
        norm.bias.fill_(7)
    norm.reset_parameters()
    assert norm.weight.tolist() == [1, 1, 1] and norm.bias.tolist() == [0, 0, 0]


def test_a_mask_for_something_else_than_a_sequence_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a mask \[B, T\] goes with a sequence"):
        LayerNorm(6)(torch.ones(2, 6), torch.ones(2, 6, dtype=torch.bool))
    with pytest.raises(ValueError, match="got 1 axes"):
        LayerNorm(6)(torch.ones(6))
