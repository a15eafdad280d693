"""Every norm against its formula in float64, with and without masks, in training and evaluation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from seobuilder.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm

WIDTH, EPS = 6, 1e-3


def centred(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    return (x - mean) / (variance + EPS).sqrt()


def over(x: Tensor, values: Tensor, axis: int) -> Tensor:
    return centred(
        x,
        values.mean(axis, keepdim=True),
        (values - values.mean(axis, keepdim=True)).square().mean(axis, keepdim=True),
    )


def grouped(x: Tensor) -> Tensor:
    parts = []
    for part in x.split(2, dim=-1):
        mean = part.mean()
        parts.append(centred(part, mean, (part - mean).square().mean()))
    return torch.cat(parts, dim=-1)


# What one example's real positions [T, C] become, given all real positions of the batch [N, C].
FORMULAS: dict[str, tuple[Callable[[], nn.Module], Callable[[Tensor, Tensor], Tensor]]] = {
    "layer": (lambda: LayerNorm(WIDTH, EPS), lambda x, _: over(x, x, -1)),
    "rms": (
        lambda: RMSNorm(WIDTH, EPS),
        lambda x, _: x / (x.square().mean(-1, keepdim=True) + EPS).sqrt(),
    ),
    "batch": (
        lambda: BatchNorm(WIDTH, EPS, track_running_stats=False),
        lambda x, batch: over(x, batch, 0),
    ),
    "instance": (lambda: InstanceNorm(WIDTH, EPS), lambda x, _: over(x, x, 0)),
    "group": (lambda: GroupNorm(3, WIDTH, EPS), lambda x, _: grouped(x)),
}


def randomized(layer: nn.Module) -> nn.Module:
    for parameter in layer.parameters():
        nn.init.normal_(parameter, generator=torch.Generator().manual_seed(5))
    return layer


def affine(layer: nn.Module, y: Tensor) -> Tensor:
    """Scale and shift, in float64."""
    scaled = y * layer.get_parameter("weight").detach().double()
    return scaled if layer.bias is None else scaled + layer.get_parameter("bias").detach().double()


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("name", FORMULAS)
def test_statistics_of_real_positions(
    name: str, masked: bool, training: bool, sequence: tuple[Tensor, Tensor]
) -> None:
    make, formula = FORMULAS[name]
    layer = randomized(make()).train(training)
    x, mask = sequence
    if not masked:
        x = torch.randn(x.shape, generator=torch.Generator().manual_seed(2)) * 2 + 3
    real = mask if masked else torch.ones_like(mask)
    wide = x.double()
    for gradients in (True, False):
        with torch.set_grad_enabled(gradients):
            y = layer(x, mask if masked else None)
        for row in range(len(x)):
            expected = affine(layer, formula(wide[row][real[row]], wide[real]))
            torch.testing.assert_close(y[row][real[row]].double(), expected, atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("name", ["batch", "instance"])
def test_evaluation_by_running_statistics(
    name: str, masked: bool, sequence: tuple[Tensor, Tensor]
) -> None:
    kinds = {"batch": BatchNorm, "instance": InstanceNorm}
    layer = randomized(kinds[name](WIDTH, EPS, track_running_stats=True))
    mean, variance = layer.get_buffer("running_mean"), layer.get_buffer("running_var")
    mean.copy_(torch.linspace(-2, 3, WIDTH))
    variance.copy_(torch.linspace(0.5, 4, WIDTH))
    x, mask = sequence
    y = layer.eval()(x, mask if masked else None)
    expected = affine(layer, centred(x.double(), mean.double(), variance.double()))
    torch.testing.assert_close(y[mask].double(), expected[mask], atol=2e-6, rtol=1e-5)
