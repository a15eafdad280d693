"""Norms by configuration: what they compute, and where they go in any module."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seobuilder import InvalidArgument, build
from seobuilder.norm.reparametrization import effective
from seobuilder.service.weight_initialization import (
    AdvancedNormalization,
    AdvancedWeightInitializer,
    InitializationConfig,
    NormalizationConfig,
    SpectralNorm,
    WeightInitializationManager,
    WeightNormLinear,
    apply_spectral_norm,
)

NORMS = ("layer_norm", "rms_norm", "batch_norm", "instance_norm", "group_norm")


def make(method: str, width: int = 8, layout: Any = None, **arguments: Any) -> nn.Module:
    config = NormalizationConfig(method=method, **arguments)
    return AdvancedNormalization.create_normalization_layer(config, width, layout=layout)


def apply(model: nn.Module, method: str, **arguments: Any) -> nn.Module:
    config = NormalizationConfig(method=method, **arguments)
    return WeightInitializationManager().apply_normalization(model, config)


def kinds(model: nn.Module) -> list[str]:
    return [type(child).__name__ for child in model]  # type: ignore[attr-defined]


def mlp() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(10, 24), nn.ReLU(), nn.Dropout(0.1), nn.Linear(24, 6), nn.ReLU(), nn.Linear(6, 3)
    )


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("layer_norm", nn.LayerNorm),
        ("rms_norm", nn.RMSNorm),
        ("batch_norm", nn.BatchNorm1d),
        ("instance_norm", nn.InstanceNorm1d),
        ("group_norm", nn.GroupNorm),
    ],
)
def test_the_kind_and_its_settings(method: str, kind: type[nn.Module]) -> None:
    layer: Any = make(method, eps=1e-3)
    assert isinstance(layer, kind) and layer.eps == 1e-3


def test_layers_equal_pytorchs_in_every_layout() -> None:
    x = torch.randn(3, 8, 5, 4)
    last = x.movedim(1, -1)
    expected = {
        "layer_norm": F.layer_norm(last, (8,)).movedim(-1, 1),
        "rms_norm": F.rms_norm(last, (8,)).movedim(-1, 1),
        "batch_norm": F.batch_norm(x, None, None, training=True),
        "instance_norm": F.instance_norm(x),
        "group_norm": F.group_norm(x, 8),
    }
    for method, y in expected.items():
        for layout in ("first", 2):
            torch.testing.assert_close(make(method, layout=layout)(x), y)
        torch.testing.assert_close(make(method, layout="last")(last).movedim(-1, 1), y)
    vectors = torch.randn(6, 8)
    torch.testing.assert_close(make("instance_norm")(vectors), F.layer_norm(vectors, (8,)))
    batch = F.batch_norm(vectors, None, None, training=True)
    torch.testing.assert_close(make("batch_norm")(vectors), batch)


def test_groups_divide_the_channels() -> None:
    layer: Any = make("group_norm", 200)
    assert layer.num_groups == 8  # the most that divide 32 and 200
    assert make("group_norm", 200, num_groups=10).num_groups == 10
    with pytest.raises(InvalidArgument, match="32 groups do not divide the 200 channels; 25 do"):
        make("group_norm", 200, num_groups=32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"method": "layernorm"}, "unknown method `layernorm`; did you mean `layer_norm`?"),
        ({"method": "layer_norm", "momentum": 0.1}, "layer_norm takes no `momentum`"),
        ({"method": "batch_norm", "eps": -1.0}, "`eps` of batch_norm is -1.0"),
        ({"epsilon": 1e-5}, "NormalizationConfig has no argument `epsilon`; did you mean `eps`?"),
    ],
)
def test_mistakes(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        NormalizationConfig(**arguments)
    assert message in str(caught.value)


def test_what_is_attached_to_a_weight_is_no_layer() -> None:
    with pytest.raises(InvalidArgument, match="weight_norm is attached to a weight"):
        make("weight_norm")


@pytest.mark.parametrize("method", NORMS)
def test_norms_go_between_layers_before_the_activation(method: str) -> None:
    model = mlp()
    assert apply(model, method) is model
    name = type(make(method, layout="last")).__name__
    assert kinds(model) == [
        *("Linear", name, "ReLU", "Dropout", "Linear", name, "ReLU", "Linear"),
    ]
    assert [key for key, _ in model.named_children()] == list("01234567")
    y = model(torch.randn(4, 10))
    assert y.shape == (4, 3) and bool(y.isfinite().all())
    seen: list[Tensor] = []
    model[1].register_forward_hook(lambda module, x, y: seen.append(y.detach()))
    model(torch.randn(64, 10) * 50)
    assert float(seen[0].square().mean()) == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("method", NORMS)
def test_norms_behind_convolutions_and_in_parts_of_a_model(method: str) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            block = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
            self.body = nn.Sequential(block, nn.Sequential(nn.Conv2d(8, 12, 3), nn.ReLU()))
            self.line = nn.Sequential(nn.Conv1d(12, 6, 2), nn.GELU())
            self.head = nn.Sequential(nn.Linear(6, 3), nn.Softmax(dim=-1))

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.head(self.line(self.body(x).flatten(2)).mean(dim=2))
            return y

    model = apply(Net(), method)
    norms = [name for name, module in model.named_modules() if "Norm" in type(module).__name__]
    assert norms == ["body.0.1", "body.1.1", "line.1"]
    assert model(torch.randn(2, 3, 9, 9)).shape == (2, 3)


@pytest.mark.parametrize("method", NORMS)
def test_norms_that_are_there_are_replaced(method: str) -> None:
    shared = nn.ReLU()
    model = nn.Sequential(
        *(nn.Conv1d(4, 8, 3), nn.BatchNorm1d(8), shared, nn.Conv1d(8, 8, 3), shared),
        *(nn.GroupNorm(2, 8), nn.Flatten(), nn.Linear(40, 6), nn.LayerNorm(6), nn.Linear(6, 2)),
    ).double()
    model.eval()
    apply(model, method)
    layer = model[8]
    assert len(model) == 10 and sum("Norm" in kind for kind in kinds(model)) == 3
    assert model[2] is model[4] is shared
    assert not layer.training and next(layer.parameters()).dtype == torch.float64
    assert model(torch.randn(3, 4, 9, dtype=torch.double)).shape == (3, 2)


def test_an_encoder_of_pytorch_computes_the_new_norm_in_evaluation_too() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    apply(model, "rms_norm")
    x = torch.randn(3, 5, 8)
    model.eval()
    with torch.no_grad():
        fused = model(x)
    torch.testing.assert_close(fused, model(x).detach())
    assert {type(m).__name__ for m in model.modules() if "Norm" in type(m).__name__} == {"RMSNorm"}


def test_our_own_models_keep_their_masks() -> None:
    model = build("search_intent")
    apply(model, "layer_norm")
    tokens = torch.randint(1, 1000, (3, 9))
    padded = torch.cat([tokens, torch.zeros(3, 4, dtype=torch.long)], dim=1)
    model.eval()
    torch.testing.assert_close(model(query=tokens)["intent"], model(query=padded)["intent"])


def test_where_nothing_can_be_normalized() -> None:
    with pytest.raises(InvalidArgument, match="layer_norm found no place in Linear: norms go"):
        apply(nn.Linear(3, 3), "layer_norm")
    with pytest.raises(InvalidArgument, match="weight_norm found no weight in ReLU"):
        apply(nn.ReLU(), "weight_norm")
    model = mlp()
    with pytest.raises(InvalidArgument, match="5 groups do not divide the 24 channels of `0`"):
        apply(model, "group_norm", num_groups=5)
    assert len(model) == 6


def test_one_channel_gets_no_norm_that_would_make_it_zero() -> None:
    model = nn.Sequential(nn.Linear(4, 1), nn.ReLU(), nn.Linear(1, 3))
    with pytest.raises(InvalidArgument, match="found no place"):
        apply(model, "layer_norm")


def weights() -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "words": nn.Embedding(20, 6),
            "cell": nn.LSTM(6, 5, num_layers=2, batch_first=True),
            "head": nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Linear(4, 2)),
        }
    )


def test_weight_norm_on_every_weight_that_multiplies() -> None:
    model = weights()
    AdvancedWeightInitializer.init_weights(model, InitializationConfig(method="normal", std=0.3))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    manager = WeightInitializationManager()
    manager.apply_normalization(model, NormalizationConfig(method="weight_norm"))
    reached = manager.get_initialization_summary()["normalizations_applied"]["weight_norm"]
    assert reached == [
        *(f"cell.weight_{part}_l{layer}" for layer in range(2) for part in ("ih", "hh")),
        *("head.0.weight", "head.2.weight"),
    ]
    for name in reached:
        owner, _, tensor = name.rpartition(".")
        torch.testing.assert_close(effective(model.get_submodule(owner), tensor), before[name])
    y = model["head"](model["cell"](torch.randn(2, 3, 6))[0])
    y.sum().backward()
    assert y.shape == (2, 3, 2)


def test_spectral_norm_divides_by_the_largest_singular_value_at_once() -> None:
    model = weights()
    assert apply_spectral_norm(model, power_iterations=2) is model
    model.eval()
    for owner, tensor in (("cell", "weight_hh_l1"), ("head.0", "weight")):
        weight = effective(model.get_submodule(owner), tensor)
        largest = float(torch.linalg.matrix_norm(weight, 2))
        assert largest == pytest.approx(1.0, abs=0.011)
    again = apply_spectral_norm(model)
    assert float(torch.linalg.matrix_norm(again["head"][0].weight.detach(), 2)) == pytest.approx(
        1, abs=0.02
    )
    apply(model, "weight_norm")
    assert "parametrizations.weight.original0" in dict(model["head"][0].named_parameters())


def test_zeros_have_no_norm_to_divide_by() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    nn.init.zeros_(model[1].weight)
    with pytest.raises(
        InvalidArgument, match=r"spectral_norm divides by a norm, and that of `1.weight"
    ):
        apply_spectral_norm(model)
    assert isinstance(model[0].weight, nn.Parameter)


def test_shared_weights_stay_as_they_are() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    apply_spectral_norm(model)
    assert model[1].weight is model[0].weight and not isinstance(model[2].weight, nn.Parameter)


def test_layers_that_have_them() -> None:
    layer = WeightNormLinear(10, 20)
    assert isinstance(layer, nn.Linear) and layer(torch.randn(2, 10)).shape == (2, 20)
    with torch.no_grad():
        layer.get_parameter("parametrizations.weight.original1").mul_(3)
        before = layer.weight.clone()
        layer.get_parameter("parametrizations.weight.original0").mul_(2)
    torch.testing.assert_close(layer.weight.detach(), 2 * before)
    wrapped = SpectralNorm(nn.Conv1d(3, 4, 2))
    assert wrapped(torch.randn(2, 3, 5)).shape == (2, 4, 4)
    weight = effective(wrapped.module, "weight")
    assert float(torch.linalg.matrix_norm(weight.flatten(1), 2)) == pytest.approx(1, abs=0.011)
    with pytest.raises(InvalidArgument, match="Linear has no matrix `bias`"):
        SpectralNorm(nn.Linear(2, 2), name="bias")
