"""What every sequence layer is held to: padding changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

LENGTHS = (5, 2, 1, 4)
WIDTH = 8

PaddingCheck = Callable[..., None]


def padded(rows: list[Tensor], side: str, garbage: float = 3.0) -> tuple[Tensor, Tensor]:
    """Rows of unequal length in one tensor two longer than the longest, and their mask."""
    longest = max(len(row) for row in rows) + 2
    x = torch.full((len(rows), longest, *rows[0].shape[1:]), garbage).to(rows[0].dtype)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for index, row in enumerate(rows):
        at = slice(len(row)) if side == "trailing" else slice(longest - len(row), longest)
        x[index, at] = row
        mask[index, at] = True
    return x, mask


def check_padding(layer: nn.Module, tokens: int | None = None) -> None:
    """Hold `layer` against each row alone, and check that a row of padding is harmless."""
    torch.manual_seed(0)
    layer.eval()
    if tokens is None:
        rows = [torch.randn(length, WIDTH) for length in LENGTHS]
    else:
        rows = [torch.randint(1, tokens, (length,)) for length in LENGTHS]
    for side in ("trailing", "leading"):
        x, mask = padded(rows, side, garbage=0 if tokens else 3.0)
        together = layer(x, mask)
        for index, row in enumerate(rows):
            alone = layer(row[None], None)[0]
            found = together[index]
            if found.shape != alone.shape:
                found = found[mask[index]]
            torch.testing.assert_close(found, alone, atol=2e-6, rtol=1e-5)
    _check_row_of_padding(layer, x, mask)


def _check_row_of_padding(layer: nn.Module, x: Tensor, mask: Tensor) -> None:
    mask = mask.clone()
    mask[1] = False
    if x.is_floating_point():
        x = x.clone().requires_grad_()
    for training in (False, True):
        layer.train(training).zero_grad()
        y = layer(x, mask)
        assert y.isfinite().all()
        if y.requires_grad:
            y.square().sum().backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in layer.parameters())
        assert x.grad is None or x.grad.isfinite().all()


@pytest.fixture
def padding_changes_nothing() -> PaddingCheck:
    """The check, as `padding_changes_nothing(layer)` for a layer over 8 channels."""
    return check_padding
