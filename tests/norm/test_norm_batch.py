from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seobuilder.norm import BatchNorm

SHAPES = [(5, 6), (5, 3, 6), (5, 6, 2, 3)]


def norm(**settings: object) -> BatchNorm:
    layer = BatchNorm(6, **settings)
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    return layer


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("track", [True, False])
@pytest.mark.parametrize("affine", [True, False])
def test_without_a_mask_it_is_torchs(shape: tuple[int, ...], track: bool, affine: bool) -> None:
    settings = {"eps": 1e-3, "momentum": 0.3, "affine": affine, "track_running_stats": track}
    ours = norm(**settings)
    theirs = (nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d)(6, **settings)
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
    ours, plain = norm(), norm()
    plain.load_state_dict(ours.state_dict())
    real = x[mask]
    torch.testing.assert_close(ours(x, mask)[mask], plain(real), atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(ours.running_mean, plain.running_mean)
    torch.testing.assert_close(ours.running_var, plain.running_var)

    wide = real.double()
    y = (wide - wide.mean(0)) / (wide.var(0, correction=0) + ours.eps).sqrt()
    expected = y * ours.weight.double() + ours.bias.double()
    torch.testing.assert_close(ours(x, mask)[mask].double(), expected, atol=2e-6, rtol=1e-5)


def test_gradients_are_those_of_the_real_positions(sequence: tuple[Tensor, Tensor]) -> None:
    x, mask = sequence
    ours = norm()
    padded, real = x.clone().requires_grad_(), x[mask].requires_grad_()
    (ours(padded, mask)[mask] ** 3).sum().backward()
    (ours(real) ** 3).sum().backward()
    assert padded.grad is not None and real.grad is not None
    assert (padded.grad[~mask] == 0).all()
    torch.testing.assert_close(padded.grad[mask], real.grad, atol=1e-4, rtol=1e-4)


def test_evaluation_takes_the_running_statistics(sequence: tuple[Tensor, Tensor]) -> None:
    x, mask = sequence
    ours = norm()
    ours(x, mask)
    ours.eval()
    torch.testing.assert_close(ours(x, mask)[mask], ours(x[mask]))


@pytest.mark.parametrize("real", [0, 1])
def test_a_batch_that_has_no_variance_leaves_the_running_statistics(real: int) -> None:
    ours = norm()
    ours(torch.randn(3, 4, 6))
    before = {name: value.clone() for name, value in ours.named_buffers()}
    mask = torch.zeros(2, 5, dtype=torch.bool)
    mask[0, :real] = True
    x = torch.randn(2, 5, 6, requires_grad=True)
    y = ours(x, mask)
    y.sum().backward()
    assert y.isfinite().all() and x.grad is not None and x.grad.isfinite().all()
    for name, value in ours.named_buffers():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("shape", [(1, 6), (1, 1, 6), (1, 6, 1, 1)])
def test_a_batch_of_one_can_not_be_trained_on(shape: tuple[int, ...]) -> None:
    ours = norm()
    with pytest.raises(ValueError, match=r"more than 1 value .*: leave out a last batch of one"):
        ours(torch.randn(shape))
    assert ours.running_mean.tolist() == [0] * 6 and ours.running_var.tolist() == [1] * 6
    assert ours.eval()(torch.randn(shape)).isfinite().all()


def test_infinite_padding_stays_out(sequence: tuple[Tensor, Tensor]) -> None:
    x, mask = sequence
    ours = norm()
    expected = ours(x, mask)[mask]
    wild = x.masked_fill(~mask[..., None], torch.nan)
    assert torch.equal(ours(wild, mask)[mask], expected)


def test_half_precision_sums_in_float32() -> None:
    x = torch.full((4, 100, 6), 300.0, dtype=torch.float16)
    x[:, ::2] = -300
    mask = torch.ones(4, 100, dtype=torch.bool)
    y = BatchNorm(6).half()(x, mask)
    assert y.dtype == torch.float16
    torch.testing.assert_close(y.abs(), torch.ones_like(y))


def test_reset_buffers_forgets() -> None:
    ours = norm()
    ours(torch.randn(3, 6))
    ours.reset_buffers()
    assert ours.running_mean.tolist() == [0] * 6 and ours.running_var.tolist() == [1] * 6


def test_masked_training_compiles_for_any_shape(sequence: tuple[Tensor, Tensor]) -> None:
    x, mask = sequence
    ours, plain = norm(), norm()
    plain.load_state_dict(ours.state_dict())
    compiled = torch.compile(ours, backend="aot_eager", fullgraph=True, dynamic=True)
    torch.testing.assert_close(compiled(x, mask)[mask], plain(x, mask)[mask])
    torch.testing.assert_close(ours.running_var, plain.running_var)
