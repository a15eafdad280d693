"""What the methods promise of the signal that flows through drawn weights."""

from __future__ import annotations

from itertools import pairwise
from math import sqrt
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seobuilder.builder import build
from seobuilder.init.draw import draw
from seobuilder.layers import SearchModel
from seobuilder.planning.distributions import DeltaOrthogonal, Normal, Orthogonal
from seobuilder.planning.primitives import Scope, convolution
from seobuilder.recipe.load import parse_recipe

MLP = """\
version: 1
name: deep
inputs:
  page: {{kind: features, size: {width}, scale: none}}
modules:
  facts: {{kind: mlp, from: page, widths: [{widths}], activation: {activation}, bias: false}}
outputs:
  quality: {{kind: regression, from: facts}}
initialization:
  - {{match: "**.bias", method: zeros}}
  - {rule}
"""


def deep(width: int, depth: int, activation: str, rule: str) -> SearchModel:
    """A bias-free network whose layers are all `width` wide."""
    widths = ", ".join([str(width)] * depth)
    text = MLP.format(width=width, widths=widths, activation=activation, rule=rule)
    return build(parse_recipe(text.encode(), "deep.yaml", Path())).eval()


@torch.no_grad()
def second_moments(model: SearchModel, width: int) -> list[float]:
    """E[x²] of what each layer takes, from a standard normal on, over 256 examples."""
    x = torch.randn(256, width, generator=torch.Generator().manual_seed(3))
    found = []
    for block in model.get_submodule("facts").children():
        found.append(x.square().mean().item())
        x = block(x)
    return [*found, x.square().mean().item()]


@pytest.mark.parametrize(
    ("rule", "ratio"),
    [
        ('{match: "**.weight", method: kaiming_normal}', 1.0),
        ('{match: "**.weight", method: kaiming_uniform, nonlinearity: auto}', 1.0),
        ('{match: "**.weight", method: xavier_uniform}', 1 / 2),
        ("{preset: torch_default}", 1 / 6),
    ],
)
def test_a_rectified_network_keeps_or_loses_its_signal_layer_by_layer(
    rule: str, ratio: float
) -> None:
    moments = second_moments(deep(1024, 20, "relu", rule), 1024)
    # The relative spread of a layer's ratio is about sqrt(5 / 1024) = 0.07; of the mean of twenty
    # in logarithms, a quarter of that.
    mean = (moments[-1] / moments[0]) ** (1 / 20)
    assert mean == pytest.approx(ratio, rel=0.08)
    for before, after in pairwise(moments):
        assert after / before == pytest.approx(ratio, rel=0.35)


def test_fifty_layers_of_selu_keep_their_variance() -> None:
    moments = second_moments(
        deep(512, 50, "selu", '{match: "**.weight", method: lecun_normal}'), 512
    )
    assert all(0.75 < moment < 1.3 for moment in moments)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (4, 2), (2, 3), (5, 3)])
def test_the_fan_of_a_transposed_convolution_predicts_its_output(kernel: int, stride: int) -> None:
    inputs, outputs, groups = 64, 32, 2
    padding = (kernel - 1) // 2
    conv = nn.ConvTranspose2d(
        inputs,
        outputs,
        kernel,
        stride,
        padding,
        output_padding=stride - kernel + 2 * padding,
        groups=groups,
        bias=False,
    )
    fan_in = inputs / groups * kernel**2 / stride**2
    weight = draw(Normal(0.0, 1 / sqrt(fan_in)), tuple(conv.weight.shape), name="w", seed=1)
    x = torch.randn(64, inputs, 16, 16, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        conv.weight.copy_(weight)
        y = conv(x)
    assert y.shape[-1] == 16 * stride
    # Whole periods of the stride, away from the borders.
    inner = y[..., 4 * stride : -4 * stride, 4 * stride : -4 * stride]
    # Of 32 * 32 * taps weights the sum of squares has this relative spread.
    spread = sqrt(2 / weight.numel())
    assert inner.square().mean().item() == pytest.approx(1.0, abs=5 * spread + 0.01)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (4, 2), (2, 2), (5, 3)])
def test_the_fan_out_of_a_convolution_predicts_its_gradient(kernel: int, stride: int) -> None:
    place = Scope("c", "c")
    node = convolution(place, 32, 64, (kernel, kernel), groups=2, stride=stride, bias=False)
    (parameter,) = node.parameters
    assert parameter.fans is not None
    std = 1 / sqrt(parameter.fans.fan_out)
    weight = draw(Normal(0.0, std), parameter.shape, name="w", seed=1)
    x = torch.zeros(16, 32, 16 * stride, 16 * stride, requires_grad=True)
    y = F.conv2d(x, weight, stride=stride, padding=(kernel - 1) // 2, groups=2)
    (gradient,) = torch.autograd.grad(
        y, x, torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    )
    # Whole periods of the stride, away from the borders.
    inner = gradient[..., 4 * stride : -4 * stride, 4 * stride : -4 * stride]
    spread = sqrt(2 / weight.numel())
    assert inner.square().mean().item() == pytest.approx(1.0, abs=5 * spread + 0.01)


@pytest.mark.parametrize(("groups", "kernel"), [(1, 1), (8, 1), (64, 3)])
@torch.no_grad()
def test_orthogonal_groups_keep_the_signal(groups: int, kernel: int) -> None:
    text = GROUPS.format(groups=groups, kernel=kernel)
    model = build(parse_recipe(text.encode(), "groups.yaml", Path()))
    x = torch.randn(8, 64, 12, 12, generator=torch.Generator().manual_seed(2))
    y = model.get_submodule("body.0.conv")(x)[..., 1:-1, 1:-1]
    # A map that is orthogonal as a whole would lose all but a part of a grouped signal.
    assert y.square().mean().item() == pytest.approx(1.0, abs=0.05)


GROUPS = """\
version: 1
name: groups
inputs:
  look: {{kind: image, channels: 64, height: 12, width: 12}}
modules:
  body: {{kind: conv, from: look, channels: [64], kernel: {kernel}, groups: {groups}}}
  seen: {{kind: pool, from: body, method: mean}}
outputs:
  quality: {{kind: regression, from: seen}}
initialization:
  - {{match: "**.bias", method: zeros}}
  - {{match: "**.weight", method: orthogonal}}
"""


def circular_singular_values(weight: Tensor, size: int) -> Tensor:
    """Singular values of a convolution with circular padding, over maps of that size.

    Fourier's basis turns it into one matrix for each frequency (Sedghi et al. 2019,
    arXiv:1805.10408, theorem 6).
    """
    axes = tuple(range(2, weight.dim()))
    spectrum = torch.fft.fftn(weight.double(), s=[size] * len(axes), dim=axes)
    return torch.linalg.svdvals(spectrum.flatten(2).permute(2, 0, 1))


@pytest.mark.parametrize("shape", [(12, 8, 3, 3), (8, 8, 5, 5), (12, 8, 3), (8, 8, 7)])
def test_a_delta_orthogonal_convolution_has_one_singular_value(shape: tuple[int, ...]) -> None:
    weight = draw(DeltaOrthogonal(1.5), shape, name="a.weight", seed=4)
    found = circular_singular_values(weight, 9)
    torch.testing.assert_close(found, torch.full_like(found, 1.5), rtol=1e-5, atol=0)
    # The measure can tell: a normal of the same size does not.
    other = draw(Normal(0.0, 0.1), shape, name="a.weight", seed=4)
    values = circular_singular_values(other, 9)
    assert values.max() > 1.2 * values.min()


def test_the_inputs_of_each_gate_are_orthogonal() -> None:
    weight = draw(Orthogonal(1.0, blocks=4), (4 * 12, 8), name="a.weight", seed=4)
    for gate in weight.chunk(4):
        torch.testing.assert_close(gate.T @ gate, torch.eye(8))


LSTM = """\
version: 1
name: order
inputs:
  query: {{kind: tokens, vocab_size: 10, max_length: 6}}
modules:
  words: {{kind: token_embedding, from: query, width: 4}}
  order: {{kind: recurrent, from: words, cell: lstm, width: 8, bidirectional: true}}
  meaning: {{kind: pool, from: order, method: mean}}
outputs:
  quality: {{kind: regression, from: meaning}}
initialization:
  - {{type: lstm, role: bias, method: forget_bias{value}}}
  - {{type: lstm, role: recurrent_input, method: delta_orthogonal}}
  - {{match: "**.bias", method: zeros}}
  - {{match: "**.weight", method: xavier_normal}}
"""


@pytest.mark.parametrize(("value", "expected"), [("", 1.0), (", value: 2.5", 2.5)])
def test_the_forget_gate_is_biased_once(value: str, expected: float) -> None:
    model = build(parse_recipe(LSTM.format(value=value).encode(), "order.yaml", Path()))
    for cell in (m for m in model.modules() if isinstance(m, nn.LSTM)):
        assert isinstance(cell.bias_ih_l0, Tensor) and isinstance(cell.bias_hh_l0, Tensor)
        biases = (cell.bias_ih_l0 + cell.bias_hh_l0).detach()
        assert biases.view(4, 8).tolist() == [[0.0] * 8, [expected] * 8, [0.0] * 8, [0.0] * 8]
        assert not cell.bias_hh_l0.any()
        # Without weights, an LSTM's memory decays by the forget gate alone.
        with torch.no_grad():
            for weight in (cell.weight_ih_l0, cell.weight_hh_l0):
                assert isinstance(weight, Tensor)
                weight.zero_()
            memory = torch.ones(1, 1, 8)
            _, (_, kept) = cell(torch.zeros(1, 1, 4), (torch.zeros(1, 1, 8), memory))
        decay = torch.sigmoid(torch.tensor(expected))
        torch.testing.assert_close(kept, decay.expand_as(kept))
