from __future__ import annotations

import pytest
import torch

from seobuilder.training.monitors.signals import dead_share, variance


def test_padding_is_no_part_of_a_number() -> None:
    real = torch.tensor([[1.0, 0.0], [3.0, 0.0], [5.0, 0.0]])
    padded = torch.full((2, 3, 2), 99.0)
    padded[0, :2], padded[1, :1] = real[:2], real[2:]
    mask = torch.tensor([[True, True, False], [True, False, False]])
    assert float(variance(padded, mask)) == pytest.approx(float(real.var(correction=0)))
    assert float(dead_share(padded, mask)) == 0.5


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 5, 3), (4, 3, 5, 5)])
def test_every_shape_is_taken(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert float(variance(x, None)) == pytest.approx(float(x.var(correction=0)), rel=1e-5)
    if x.ndim > 1:
        units = x.movedim(1 if x.ndim == 4 else -1, 0)
        units[0] = 0
        assert float(dead_share(x, None)) == pytest.approx(1 / 3)
