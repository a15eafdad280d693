"""Roles, fans and gates of parameters that no recipe planned."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from seobuilder import build
from seobuilder.building.describe import describe
from seobuilder.errors import InvalidArgument
from seobuilder.planning.model import Fans, Parameter


def found(model: nn.Module) -> dict[str, Parameter]:
    return {parameter.name: parameter for parameter in describe(model).known}


@pytest.mark.parametrize(
    ("layer", "role", "fans", "blocks"),
    [
        (nn.Linear(5, 3), "weight", Fans(5, 3), 1),
        (nn.Bilinear(5, 3, 2), "weight", Fans(15, 2), 1),
        (nn.Embedding(9, 4), "embedding", Fans(1, 4), 1),
        (nn.EmbeddingBag(9, 4), "embedding", Fans(1, 4), 1),
        (nn.Conv1d(4, 6, 3), "weight", Fans(12, 18), 1),
        (nn.Conv2d(8, 8, 3, groups=8), "weight", Fans(9, 9), 1),
        (nn.Conv3d(2, 4, (1, 2, 3)), "weight", Fans(12, 24), 1),
        (nn.Conv2d(4, 6, 4, stride=(2, 1)), "weight", Fans(64, 48), 1),
        (nn.ConvTranspose1d(4, 6, 4, stride=2), "weight", Fans(8, 24), 1),
        (nn.ConvTranspose2d(4, 6, 4, stride=(2, 1)), "weight", Fans(32, 96), 1),
        (nn.ConvTranspose3d(4, 6, 2, stride=2), "weight", Fans(4, 48), 1),
        (nn.LayerNorm(4), "norm_scale", None, 1),
        (nn.LayerNorm((3, 4)), "norm_scale", None, 1),
        (nn.RMSNorm(4), "norm_scale", None, 1),
        (nn.BatchNorm2d(4), "norm_scale", None, 1),
        (nn.GroupNorm(2, 4), "norm_scale", None, 1),
        (nn.InstanceNorm1d(4, affine=True), "norm_scale", None, 1),
    ],
)
def test_a_layer_alone(layer: nn.Module, role: str, fans: Fans | None, blocks: int) -> None:
    weight = found(layer)["weight"]
    assert (weight.role, weight.fans, weight.blocks) == (role, fans, blocks)
    assert weight.shape == tuple(layer.get_parameter("weight").shape)
    assert not describe(layer).unknown


def test_every_gate_of_recurrent_layers_in_all_directions() -> None:
    cell = nn.LSTM(5, 4, num_layers=2, bidirectional=True, proj_size=3)
    names = found(cell)
    assert list(names) == [name for name, _ in cell.named_parameters()]
    assert names["weight_ih_l0"].fans == Fans(5, 4) and names["weight_ih_l0"].blocks == 4
    assert names["weight_ih_l1_reverse"].fans == Fans(6, 4)
    assert names["weight_hh_l1"].fans == Fans(3, 4)
    assert names["weight_hh_l1"].role == "recurrent_hidden"
    projection = names["weight_hr_l0_reverse"]
    assert (projection.role, projection.fans, projection.shape) == ("weight", Fans(4, 3), (3, 4))
    assert {names[name].role for name in names if name.startswith("bias")} == {"bias"}
    assert found(nn.GRUCell(5, 4))["weight_hh"].blocks == 3
    assert found(nn.RNN(5, 4, bias=False))["weight_ih_l0"].blocks == 1


def test_attention_packed_and_apart() -> None:
    packed = found(nn.MultiheadAttention(8, 2))
    assert (packed["in_proj_weight"].fans, packed["in_proj_weight"].blocks) == (Fans(8, 8), 3)
    assert packed["out_proj.weight"].fans == Fans(8, 8)
    apart = found(nn.MultiheadAttention(8, 2, kdim=5, vdim=6))
    assert [apart[f"{part}_proj_weight"].fans for part in "qkv"] == [
        *(Fans(8, 8), Fans(5, 8), Fans(6, 8))
    ]


def test_shared_parameters_count_once_under_their_first_name() -> None:
    model = nn.ModuleDict({"words": nn.Embedding(6, 4), "head": nn.Linear(4, 6, bias=False)})
    model["head"].weight = model["words"].weight  # type: ignore[assignment]
    model["twin"] = model["words"]
    (weight,) = describe(model).known
    assert (weight.name, weight.role) == ("words.weight", "embedding")
    assert weight.aliases == ("head.weight", "twin.weight")


def test_reparametrized_weights_keep_their_names() -> None:
    model = nn.Sequential(
        parametrizations.weight_norm(nn.Linear(5, 3)),
        parametrizations.spectral_norm(nn.Conv1d(3, 4, 2)),
    )
    names = found(model)
    assert list(names) == ["0.bias", "0.weight", "1.bias", "1.weight"]
    assert names["0.weight"].fans == Fans(5, 3)
    assert names["0.weight"].stored == tuple(
        f"0.parametrizations.weight.original{index}" for index in range(2)
    )
    assert not describe(model).unknown


class Custom(nn.Module):
    """Layers of its own beside parameters whose axes nobody can know."""

    def __init__(self) -> None:
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(1, 1, 4))
        self.slope = nn.PReLU()
        self.own = OwnLinear()
        self.norm = OwnNorm()


class OwnLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3, 5))
        self.bias = nn.Parameter(torch.zeros(3))


class OwnNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))


class Quantized(nn.Linear):
    """Derives from Linear, and stores its weight in another shape."""

    def __init__(self) -> None:
        super().__init__(4, 6, bias=False)
        self.weight = nn.Parameter(torch.zeros(24, 1))


def test_other_modules_by_convention_and_what_stays_unknown() -> None:
    description = describe(Custom())
    names = {parameter.name: parameter for parameter in description.known}
    assert list(names) == ["own.weight", "own.bias", "norm.weight"]
    assert names["own.weight"].fans == names["own.bias"].fans == Fans(5, 3)
    assert names["norm.weight"].role == "norm_scale"
    assert description.unknown == ("cls", "slope.weight")
    assert describe(Quantized()).unknown == ("weight",)


def test_our_own_models_are_described_as_they_were_planned() -> None:
    model = build("search_intent")
    described = {p.stored[0]: p for p in describe(model).known}
    for assignment in getattr(model.plan, "assignments"):  # noqa: B009
        planned = assignment.parameter
        same = described[planned.stored[0]]
        assert (same.shape, same.fans, same.blocks) == (planned.shape, planned.fans, planned.blocks)
        special = planned.role in ("head", "residual_out")  # places in the graph, not layers
        assert same.role == ("weight" if special else planned.role)


def test_a_lazy_layer_is_refused() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.LazyLinear(2))
    with pytest.raises(InvalidArgument, match=r"`1.weight` has no shape yet: call the model"):
        describe(model)
