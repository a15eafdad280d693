"""Drawing modules that no recipe made, with the samplers and streams of those that one did."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from seobuilder.errors import InvalidArgument
from seobuilder.init.draw import draw
from seobuilder.init.redraw import Choose, redraw
from seobuilder.norm.reparametrization import effective
from seobuilder.planning.distributions import Normal
from seobuilder.planning.model import Parameter
from seobuilder.recipe.spec.initialization import InitializationRule

ADAPTER: TypeAdapter[InitializationRule] = TypeAdapter(InitializationRule)


def every(method: str, **arguments: Any) -> Choose:
    """The rule for matrices; vectors are zero."""

    def choose(parameter: Parameter) -> InitializationRule:
        if len(parameter.shape) < 2:
            return ADAPTER.validate_python({"match": "**", "method": "zeros"})
        return ADAPTER.validate_python({"match": "**", "method": method, **arguments})

    return choose


def gram_is_identity(block: Tensor) -> bool:
    wide = block.double()
    gram = wide @ wide.T if len(wide) <= wide.shape[1] else wide.T @ wide
    return torch.allclose(gram, torch.eye(len(gram), dtype=torch.float64), atol=1e-5)


def test_values_are_keyed_by_seed_and_name() -> None:
    model = nn.Sequential(nn.Linear(30, 20), nn.Linear(20, 10))
    assignments, unknown = redraw(model, every("normal", std=0.5), seed=3)
    expected = draw(Normal(0.0, 0.5), (10, 20), name="1.weight", seed=3)
    assert torch.equal(model[1].weight, expected) and not unknown
    assert [a.parameter.name for a in assignments] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert assignments[0].rule.text == "{method: normal, std: 0.5}"
    assert not model[0].bias.any()
    again = nn.Sequential(nn.Linear(30, 20), nn.Linear(20, 10))
    redraw(again, every("normal", std=0.5), seed=4)
    assert not torch.equal(again[1].weight, expected)


def test_layouts_and_dtypes_get_the_same_values() -> None:
    shape = (6, 5, 3, 3)
    expected = draw(Normal(0.0, 1.0), shape, name="weight", seed=0)
    for change in (
        {"memory_format": torch.channels_last},
        {"dtype": torch.bfloat16},
        {"dtype": torch.float64},
    ):
        layer = nn.Conv2d(5, 6, 3).to(**change)  # type: ignore[call-overload]
        redraw(layer, every("normal", std=1.0), seed=0)
        tolerance = 1e-2 if layer.weight.dtype == torch.bfloat16 else 1e-6
        torch.testing.assert_close(
            layer.weight.detach().float(), expected, rtol=tolerance, atol=tolerance
        )


def test_gates_and_packed_projections_are_orthogonal_by_themselves() -> None:
    model = nn.ModuleList([nn.LSTM(7, 5, 2, bidirectional=True), nn.MultiheadAttention(8, 2)])
    redraw(model, every("orthogonal"), seed=0)
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            blocks = 4 if "_l" in name else 3 if "in_proj" in name else 1
            assert all(gram_is_identity(gate) for gate in weight.detach().chunk(blocks)), name


def test_a_shared_parameter_is_drawn_once_and_padding_stays_zero() -> None:
    words, head = nn.Embedding(6, 4, padding_idx=2), nn.Linear(4, 6, bias=False)
    head.weight = words.weight
    assignments, _ = redraw(nn.ModuleList([words, head]), every("normal", std=1.0), seed=0)
    assert len(assignments) == 1 and head.weight is words.weight
    assert not words.weight[2].any() and words.weight.any(dim=1).sum() == 5


def test_values_go_through_weight_and_spectral_norm() -> None:
    plain = nn.Sequential(nn.Linear(30, 20))
    redraw(plain, every("normal", std=0.5), seed=0)
    normed = nn.Sequential(parametrizations.weight_norm(nn.Linear(30, 20)))
    assignments, _ = redraw(normed, every("normal", std=0.5), seed=0)
    torch.testing.assert_close(normed[0].weight, plain[0].weight)
    attached = assignments[-1].reparametrization
    assert attached is not None and attached.method == "weight_norm"

    spectral = nn.Sequential(parametrizations.spectral_norm(nn.Linear(30, 20)))
    redraw(spectral, every("normal", std=0.5), seed=0)
    stored = spectral.get_parameter("0.parametrizations.weight.original")
    assert torch.equal(stored, plain[0].weight)
    largest = torch.linalg.matrix_norm(effective(spectral[0], "weight"), 2)
    assert float(largest) == pytest.approx(1.0, abs=0.011)


def test_nothing_is_drawn_where_something_can_t_be() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Conv1d(3, 3, 1))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(InvalidArgument, match=r"dirac needs a convolution; `0.weight` has shape"):
        redraw(model, every("dirac"), seed=0)
    normed = nn.Sequential(nn.Linear(4, 3), parametrizations.weight_norm(nn.Linear(3, 3)))
    state = {name: value.clone() for name, value in normed.state_dict().items()}
    with pytest.raises(InvalidArgument, match=r"weight_norm divides `1.weight` by its norm, and"):
        redraw(normed, every("zeros"), seed=0)
    for kept, module in ((before, model), (state, normed)):
        assert all(torch.equal(value, kept[name]) for name, value in module.state_dict().items())


class Square(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


def test_what_can_t_be_drawn_at_all() -> None:
    squared = nn.Linear(3, 3)
    parametrize.register_parametrization(squared, "weight", Square())
    with pytest.raises(InvalidArgument, match="the parametrization of `weight` can't be inverted"):
        redraw(squared, every("normal", std=1.0), seed=0)
    with pytest.raises(InvalidArgument, match="`weight` is on the meta device"):
        redraw(nn.Linear(3, 3, device="meta"), every("normal", std=1.0), seed=0)
    with pytest.raises(InvalidArgument, match="ReLU has no parameter to draw"):
        redraw(nn.ReLU(), every("normal", std=1.0), seed=0)
