from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seobuilder.norm import InstanceNorm


def norm(**settings: object) -> InstanceNorm:
    layer = InstanceNorm(6, **settings)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer


@pytest.mark.parametrize("shape", [(5, 4, 6), (5, 6, 2, 3)])
@pytest.mark.parametrize("track", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_without_a_mask_it_is_torchs(shape: tuple[int, ...], track: bool, affine: bool) -> None:
    settings = {"eps": 1e-3, "momentum": 0.3, "affine": affine, "track_running_stats": track}
    ours = norm(**settings)
    theirs = (nn.InstanceNorm2d if len(shape) == 4 else nn.InstanceNorm1d)(6, **settings)
    theirs.load_state_dict(ours.state_dict(), strict=False)
    for training in (True, True, False):
        x = torch.randn(shape) * 3 + 1
        ours.train(training)
        theirs.train(training)
        expected = theirs(x.transpose(1, 2)).transpose(1, 2) if x.ndim == 3 else theirs(x)
        torch.testing.assert_close(ours(x), expected, atol=1e-6, rtol=1e-6)
    for name, buffer in ours.named_buffers():
        torch.testing.assert_close(buffer, theirs.get_buffer(name), atol=1e-6, rtol=1e-6)


def test_only_real_positions_count(sequence: tuple[Tensor, Tensor]) -> None:
    x, mask = sequence
    ours = norm()
    y = ours(x, mask)
    for row in range(len(x)):
        real = x[row, mask[row]].double()
        expected = (real - real.mean(0)) / (real.var(0, correction=0) + ours.eps).sqrt()
        expected = expected * ours.weight.double() + ours.bias.double()
        torch.testing.assert_close(y[row, mask[row]].double(), expected, atol=2e-6, rtol=1e-5)
        alone = ours(x[row : row + 1, mask[row]])[0]
        torch.testing.assert_close(y[row, mask[row]], alone, atol=2e-6, rtol=1e-5)


def test_running_statistics_average_the_examples_that_have_some(
    sequence: tuple[Tensor, Tensor],
) -> None:
    x, mask = sequence
    ours = norm(track_running_stats=True)
    ours(x, mask)
    rows = [x[row, mask[row]] for row in range(len(x)) if mask[row].sum() >= 2]
    assert len(rows) == 3
    mean = torch.stack([row.mean(0) for row in rows]).mean(0)
    variance = torch.stack([row.var(0) for row in rows]).mean(0)
    torch.testing.assert_close(ours.running_mean, 0.1 * mean)
    torch.testing.assert_close(ours.running_var, 0.9 + 0.1 * variance)
    ours.eval()
    torch.testing.assert_close(ours(x, mask)[mask], ours(x[mask][None])[0])


def test_a_batch_of_padding_leaves_the_running_statistics() -> None:
    ours = norm(track_running_stats=True)
    x = torch.randn(2, 3, 6, requires_grad=True)
    y = ours(x, torch.zeros(2, 3, dtype=torch.bool))
    y.sum().backward()
    assert y.isfinite().all() and x.grad is not None and x.grad.isfinite().all()
    assert ours.running_mean.tolist() == [0] * 6 and ours.running_var.tolist() == [1] * 6


def test_a_single_position_gives_the_shift() -> None:
    ours = norm(track_running_stats=True)
    torch.testing.assert_close(ours(torch.randn(2, 1, 6)), ours.bias.expand(2, 1, 6))
    assert ours.running_var.tolist() == [1] * 6


def test_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="instance norm needs positions"):
        norm()(torch.randn(2, 6))
