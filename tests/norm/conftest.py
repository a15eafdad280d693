"""Batches with padding that must not matter."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

LENGTHS = (6, 1, 3, 4)


@pytest.fixture(params=["trailing", "leading", "scattered"])
def sequence(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    """A sequence [4, 8, 6] with wild values at padded positions, and its mask [4, 8]."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.arange(8) < torch.tensor(LENGTHS)[:, None]
    if request.param == "leading":
        mask = mask.flip(1)
    if request.param == "scattered":
        mask = mask[:, torch.randperm(8, generator=generator)]
    x = torch.randn(4, 8, 6, generator=generator) * 2 + 3
    return x.masked_fill(~mask[..., None], 1e6), mask
