"""What a configuration draws in a module that no recipe made."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seobuilder import InvalidArgument, SeobuilderError
from seobuilder.service.weight_initialization import (
    AdvancedWeightInitializer,
    InitializationConfig,
)


def drawn(layer: nn.Module, **arguments: Any) -> Tensor:
    config = InitializationConfig(**arguments)
    assert AdvancedWeightInitializer.init_weights(layer, config) is layer
    return next(p for p in layer.parameters() if p.ndim > 1).detach().double()


def semi_orthogonal(matrix: Tensor, gain: float = 1.0) -> bool:
    values = torch.linalg.svdvals(matrix.flatten(1))
    return torch.allclose(values, torch.full_like(values, gain), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "std"),
    [
        ({"method": "xavier_uniform"}, sqrt(2 / 700)),
        ({"method": "xavier_normal", "gain": 2.0, "fan_mode": "fan_in"}, 2 / sqrt(400)),
        ({"method": "kaiming_uniform", "fan_mode": "fan_in", "nonlinearity": "relu"},
         sqrt(2 / 400)),
        ({"method": "kaiming_normal", "fan_mode": "fan_avg", "nonlinearity": "tanh"},
         5 / 3 / sqrt(350)),
        ({"method": "kaiming_normal", "nonlinearity": "leaky_relu", "slope": 0.5},
         sqrt(2 / 1.25 / 400)),
        ({"method": "kaiming_normal", "nonlinearity": "gelu", "convention": "second_moment"},
         1.5335304412 / sqrt(400)),
        ({"method": "lecun_normal"}, 1 / sqrt(400)),
        ({"method": "variance_scaling", "scale": 3.0, "fan_mode": "fan_out"}, sqrt(3 / 300)),
        ({"method": "normal"}, 0.02),
        ({"method": "normal", "std": "1 / sqrt(fan_in)"}, 1 / sqrt(400)),
        ({"method": "truncated_normal", "std": 0.5, "cut": 1.0}, 0.5),
        ({"method": "uniform", "bound": 0.3}, 0.3 / sqrt(3)),
        ({"method": "uniform", "low": -1.0, "high": 0.0}, 1 / sqrt(12)),
        ({"method": "orthogonal", "gain": 2.0}, 2 / sqrt(400)),
        ({"method": "sparse", "sparsity": 0.1, "std": 0.01}, 0.01 * sqrt(0.1)),
        ({"method": "constant", "value": 0.5}, 0.0),
        ({"method": "ones"}, 0.0),
        ({"method": "zeros"}, 0.0),
    ],
)  # fmt: skip
def test_standard_deviations(arguments: dict[str, Any], std: float) -> None:
    weight = drawn(nn.Linear(400, 300), **arguments)
    assert float(weight.std(correction=0)) == pytest.approx(std, rel=0.015)


def test_sparsity_is_the_share_that_is_not_zero() -> None:
    weight = drawn(nn.Linear(100, 200), method="sparse", sparsity=0.1, std=0.01)
    assert torch.equal(weight.count_nonzero(dim=0), torch.full((100,), 20))
    assert weight.any(dim=1).all()


def test_the_seed_decides_and_nothing_else() -> None:
    torch.manual_seed(1)
    first = drawn(nn.Linear(20, 10), method="normal", seed=5)
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    assert torch.equal(first, drawn(nn.Linear(20, 10), method="normal", seed=5))
    assert not torch.equal(first, drawn(nn.Linear(20, 10), method="normal", seed=6))
    torch.manual_seed(2)
    assert torch.equal(before, torch.random.get_rng_state())


def test_biases_norms_and_tables() -> None:
    model = nn.Sequential(nn.Embedding(500, 40, padding_idx=0), nn.Linear(40, 40), nn.LayerNorm(40))
    for parameter in model.parameters():
        nn.init.constant_(parameter, 7.0)
    AdvancedWeightInitializer.init_weights(model, InitializationConfig(method="orthogonal"))
    table = model[0].weight.detach()
    assert float(table[1:].std()) == pytest.approx(0.02, rel=0.03) and not table[0].any()
    assert not model[1].bias.any() and bool((model[2].weight == 1).all())
    AdvancedWeightInitializer.init_weights(model, InitializationConfig(method="normal", std=0.5))
    assert float(model[0].weight.detach()[1:].std()) == pytest.approx(0.5, rel=0.03)
    config = InitializationConfig(method="orthogonal", embedding_std=0.1)
    AdvancedWeightInitializer.init_weights(model, config)
    assert float(model[0].weight.detach()[1:].std()) == pytest.approx(0.1, rel=0.03)


class Mixed(nn.Module):
    """Recurrent layers, convolutions, attention, and a head of fewer outputs than inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTM(12, 8, num_layers=2, bidirectional=True)
        self.gru = nn.GRU(5, 8)
        self.wide = nn.Conv1d(4, 6, 3)
        self.narrow = nn.Conv2d(6, 4, 3)
        self.grouped = nn.Conv1d(6, 6, 3, groups=3)
        self.up = nn.ConvTranspose2d(4, 6, 3)
        self.attention = nn.MultiheadAttention(8, 2)
        self.head = nn.Linear(16, 3)


def test_delta_orthogonal_gives_every_layer_its_orthogonal_form() -> None:
    model = Mixed()
    config = InitializationConfig(method="delta_orthogonal", gain=1.5)
    AdvancedWeightInitializer.init_weights(model, config)
    for name, weight in model.named_parameters():
        weight = weight.detach().double()
        if weight.ndim != 2:
            continue
        gates = {"cell": 4, "gru": 3}.get(name.split(".")[0], 3 if "in_proj" in name else 1)
        assert all(semi_orthogonal(gate, 1.5) for gate in weight.chunk(gates)), name
    for layer in (model.wide, model.narrow, model.up):
        weight = layer.weight.detach().double().clone()
        centre = (slice(None), slice(None), *(1,) * (weight.ndim - 2))
        assert semi_orthogonal(weight[centre], 1.5)
        weight[centre] = 0
        assert not weight.any()
    groups = model.grouped.weight.detach().double().chunk(3)
    assert all(semi_orthogonal(group, 1.5) for group in groups)


@pytest.mark.parametrize("method", ["identity", "dirac"])
def test_what_passes_a_signal_on_suits_matrices_and_convolutions(method: str) -> None:
    model = nn.ModuleList([nn.Linear(5, 5), nn.Conv1d(6, 6, 3, groups=2, padding=1)])
    AdvancedWeightInitializer.init_weights(model, InitializationConfig(method=method))
    x, y = torch.randn(2, 5), torch.randn(2, 6, 7)
    torch.testing.assert_close(model[0](x), x)
    torch.testing.assert_close(model[1](y), y)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "xavier_unifrm"}, "unknown method `xavier_unifrm`; did you mean `xavier_un"),
        ({"metod": "zeros"}, "InitializationConfig has no argument `metod`; did you mean `method`"),
        ({"method": "orthogonal", "std": 1.0}, "orthogonal takes no `std`"),
        ({"method": "normal", "sparsity": 0.1}, "normal takes no `sparsity`"),
        ({"method": "sparse", "sparsity": 2}, "`sparsity` of sparse is 2.0: input should be less"),
        ({"method": "constant"}, "constant needs `value`"),
        ({"method": "uniform"}, "uniform: give either `bound`, or `low` and `high`"),
        ({"method": "kaiming_normal", "nonlinearity": "rleu"}, "did you mean `relu`?"),
        ({"method": "kaiming_normal", "nonlinearity": "auto"}, "auto only in a recipe"),
        ({"method": "autoinit"}, "autoinit is a method of recipes: it follows the signal"),
        ({"gain": "fan_in +"}, "`gain` of xavier_uniform is 'fan_in +'"),
    ],
)
def test_mistakes_are_told_when_the_configuration_is_made(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        InitializationConfig(**arguments)
    assert message in str(caught.value)
    assert isinstance(caught.value, SeobuilderError) and isinstance(caught.value, ValueError)


def test_a_configuration_can_t_be_changed_unchecked() -> None:
    config = InitializationConfig()
    with pytest.raises(ValueError, match="frozen"):
        config.method = "zeros"
