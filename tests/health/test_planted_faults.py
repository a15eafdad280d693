"""Faults that are planted into the models of recipes: each is found, where it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seobuilder.health.assess import assess
from seobuilder.init.threads import one_thread
from seobuilder.layers import SearchModel
from seobuilder.recipe.load import LoadedRecipe, load_recipe, parse_recipe
from seobuilder.report.model import Finding
from seobuilder.stages import Building

SMALL = b"""\
version: 1
name: small
inputs:
  page: {kind: features, size: 256}
modules:
  facts: {kind: mlp, from: page, widths: [128, 128], activation: relu}
outputs:
  score: {kind: regression, from: facts}
normalization:
  - {match: "facts.1.linear.weight", method: spectral_norm}
initialization:
  - {match: "**.bias", method: zeros}
  - {match: "facts.0.*.weight", method: sparse, density: 0.1, std: 0.1}
  - {match: "**.weight", method: xavier_normal}
"""


def normal_like(weight: torch.Tensor, std: float) -> torch.Tensor:
    return torch.randn(weight.shape, generator=torch.Generator().manual_seed(5)) * std


def wrong_std(model: SearchModel) -> None:
    model.get_parameter(EMBEDDING).mul_(1.03)


def lost_truncation(model: SearchModel) -> None:
    weight = model.get_parameter(EMBEDDING)
    weight[1:] = normal_like(weight[1:], 0.02)


def another_family(model: SearchModel) -> None:
    """A uniform of the declared mean and standard deviation, within the declared ends."""
    weight = model.get_parameter(EMBEDDING)
    weight[1:].uniform_(-1, 1, generator=torch.Generator().manual_seed(5)).mul_(0.02 * 3**0.5)


def swapped_fan(model: SearchModel) -> None:
    """Of a matrix [768, 192] that is orthogonal: fan_out for fan_in halves it."""
    model.get_parameter(UP).mul_(0.5)


def copied_layer(model: SearchModel) -> None:
    query = "encoder.blocks.{}.attention.query.weight"
    model.get_parameter(query.format(2)).copy_(model.get_parameter(query.format(1)))


def copied_rows(model: SearchModel) -> None:
    weight = model.get_parameter(EMBEDDING)
    weight[513:] = weight[1:512]


def dependent_columns(model: SearchModel) -> None:
    """Half of an orthogonal matrix is drawn again, with the same length of every row."""
    weight = model.get_parameter(UP)
    fresh = normal_like(weight[:384], 1.0)
    weight[:384] = fresh * (weight[:384].norm(dim=1) / fresh.norm(dim=1)).unsqueeze(1)


def dead_unit(model: SearchModel) -> None:
    model.get_parameter("encoder.blocks.3.ffn.down.weight")[7] = 0


def infinite(model: SearchModel) -> None:
    model.get_parameter(UP)[0, 0] = torch.inf


EMBEDDING, UP = "words.tokens.weight", "encoder.blocks.0.ffn.up.weight"


@pytest.fixture(scope="module")
def search_intent() -> Building:
    return Building(load_recipe("search_intent"))


def found(building: Building) -> tuple[Finding, ...]:
    with one_thread():
        return assess(building.model, building.plan).issues


@pytest.mark.parametrize(
    ("plant", "code", "place"),
    [
        (wrong_std, "H005", EMBEDDING),
        (lost_truncation, "H007", EMBEDDING),
        (another_family, "H007", EMBEDDING),
        (swapped_fan, "H005", UP),
        (copied_layer, "H004", "encoder.blocks.2.attention.query.weight"),
        (copied_rows, "H011", EMBEDDING),
        (dependent_columns, "H008", UP),
        (dead_unit, "H009", "encoder.blocks.3.ffn.down.weight"),
        (infinite, "H002", UP),
    ],
)
def test_a_planted_fault_is_found(
    search_intent: Building, plant: Callable[[SearchModel], None], code: str, place: str
) -> None:
    sound = {name: tensor.clone() for name, tensor in search_intent.model.state_dict().items()}
    with torch.no_grad():
        plant(search_intent.model)
    issues = found(search_intent)
    search_intent.model.load_state_dict(sound)
    assert {(f.code, f.place) for f in issues} == {(code, place)}


def test_without_a_fault_nothing_is_found(search_intent: Building) -> None:
    assert found(search_intent) == ()


def small(dtype: str = "float32") -> Building:
    loaded: LoadedRecipe = parse_recipe(SMALL + f"dtype: {dtype}\n".encode(), "s.yaml", Path())
    return Building(loaded)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_a_sound_model_is_healthy_in_every_dtype(dtype: str) -> None:
    building = small(dtype)
    assert found(building) == ()


def test_a_stale_spectral_norm_is_found() -> None:
    building = small()
    parametrized = building.model.get_submodule("facts.1.linear").parametrizations.weight
    with torch.no_grad():
        u = parametrized[0]._u
        u.copy_(torch.nn.functional.normalize(u + 0.2 * u.roll(1), dim=0))
    (finding,) = found(building)
    assert (finding.code, finding.place) == ("H013", "facts.1.linear.weight")
    assert finding.measured and finding.expected and finding.measured < 0.99 * finding.expected


@pytest.mark.parametrize("column", [0, 255])
def test_a_column_of_another_density_is_found(column: int) -> None:
    building = small()
    weight = building.model.get_parameter("facts.0.linear.weight")
    with torch.no_grad():
        row = int((weight[:, column] == 0).nonzero()[0])
        weight[row, column] = 0.1
    (finding,) = found(building)
    assert (finding.code, finding.place) == ("H012", "facts.0.linear.weight")
    assert (finding.measured, finding.expected) == (14, 13)
