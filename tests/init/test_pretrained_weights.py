"""Loading parameters from safetensors files into a model."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import seobuilder
from seobuilder.errors import EnvironmentProblem, RecipeError
from seobuilder.init.initialize import initialize
from seobuilder.layers import SearchModel
from seobuilder.recipe.load import load_recipe
from seobuilder.stages import Building

RECIPE = """\
version: 1
name: tower
seed: 3
inputs:
  query: {kind: tokens, vocab_size: 10, max_length: 5}
  page: {kind: tokens, vocab_size: 10, max_length: 5}
modules:
  words: {kind: token_embedding, from: query, width: 4}
  others: {kind: token_embedding, from: page, width: 4}
  deep: {kind: mlp, from: words, widths: [6]}
  meaning: {kind: pool, from: deep, method: mean}
  other: {kind: pool, from: others, method: mean}
outputs:
  a: {kind: embedding, from: meaning}
  b: {kind: embedding, from: other}
initialization:
  - match: "{words,others}.**"
    method: pretrained
    file: w.safetensors
    map: {"{words,others}.tokens.weight": "embed.{table,table}"}
  - {match: "deep.**.weight", method: pretrained, file: w.safetensors}
  - {match: "**", method: zeros}
"""


def content() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "embed.table": torch.randn(10, 4, generator=generator),
        "deep.0.linear.weight": torch.randn(6, 4, generator=generator, dtype=torch.float64),
    }


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "tower.yaml").write_text(RECIPE)
    save_file(content(), tmp_path / "w.safetensors")
    return tmp_path / "tower.yaml"


def parameter(model: SearchModel, name: str) -> Tensor:
    return model.get_parameter(name).detach()


def test_parameters_are_what_the_file_holds(recipe: Path) -> None:
    model, expected = seobuilder.build(recipe), content()
    # Also the row of padding: the model was trained with it.
    assert torch.equal(parameter(model, "words.tokens.weight"), expected["embed.table"])
    assert torch.equal(parameter(model, "others.tokens.weight"), expected["embed.table"])
    weight = expected["deep.0.linear.weight"].float()
    assert torch.equal(parameter(model, "deep.0.linear.weight"), weight)
    assert not parameter(model, "deep.0.linear.bias").any()
    assert (
        parameter(model, "words.tokens.weight").data_ptr()
        != parameter(model, "others.tokens.weight").data_ptr()
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_they_are_cast_once(recipe: Path, dtype: str) -> None:
    model = seobuilder.build(recipe, [f"dtype={dtype}"])
    wide = content()["deep.0.linear.weight"]
    assert torch.equal(parameter(model, "deep.0.linear.weight"), wide.to(getattr(torch, dtype)))


def test_the_report_marks_them_and_finds_nothing(recipe: Path) -> None:
    report = Building(load_recipe(recipe)).report
    assert report.findings == ()
    first = report.parameters[0]
    assert (first.method, first.declared_mean, first.declared_std) == ("pretrained", None, None)
    assert first.declared == "loaded from w.safetensors: embed.table"
    assert first.measured.std == pytest.approx(content()["embed.table"].std(correction=0).item())


def test_what_is_not_finite_is_found(recipe: Path) -> None:
    broken = content()
    broken["embed.table"][2, 1] = torch.nan
    save_file(broken, recipe.parent / "w.safetensors")
    findings = Building(load_recipe(recipe)).report.findings
    assert {(f.code, f.place) for f in findings if f.code == "H001"} == {
        ("H001", "words.tokens.weight"),
        ("H001", "others.tokens.weight"),
    }


def test_leftovers_are_warnings_of_the_report(recipe: Path) -> None:
    save_file(content() | {"pooler": torch.ones(1)}, recipe.parent / "w.safetensors")
    (finding,) = Building(load_recipe(recipe)).report.findings
    assert (finding.code, finding.severity) == ("P607", "warning")
    assert finding.message == "nothing takes `pooler` from `w.safetensors`"


def test_a_build_is_known_by_its_file_and_loads_without_it(recipe: Path, tmp_path: Path) -> None:
    building = Building(load_recipe(recipe))
    building.write(tmp_path / "build")
    (recipe.parent / "w.safetensors").rename(tmp_path / "moved.safetensors")
    loaded = seobuilder.load(tmp_path / "build")
    state = building.model.state_dict()
    assert all(torch.equal(loaded.state_dict()[name], state[name]) for name in state)
    assert seobuilder.inspect(loaded).is_healthy

    files = {"w.safetensors": tmp_path / "moved.safetensors"}
    again = Building(load_recipe(recipe, files=files))
    assert again.status(tmp_path / "build") == "same"
    save_file({**content(), "embed.table": torch.ones(10, 4)}, tmp_path / "moved.safetensors")
    other = Building(load_recipe(recipe, files=files))
    assert other.status(tmp_path / "build") == "different"
    assert other.differences(tmp_path / "build") == ["w.safetensors: changed"]


def test_a_build_without_its_file_is_refused(recipe: Path) -> None:
    (recipe.parent / "w.safetensors").unlink()
    assert seobuilder.plan(recipe).parameter_count == 2 * 40 + 24 + 6
    with pytest.raises(RecipeError, match=r"P601 initialization.*can't read `w.safetensors`"):
        seobuilder.build(recipe)


def test_a_file_that_changes_after_it_was_checked(recipe: Path) -> None:
    building = Building(load_recipe(recipe))
    model = building.model
    path = recipe.parent / "w.safetensors"
    for changed, reason in (
        ({"embed.table": torch.ones(1, 4)}, r"embed.table has the shape \[1, 4\] now"),
        ({"other": torch.ones(1)}, "embed.table"),
        (None, "[Nn]o such file"),
    ):
        if changed is None:
            path.unlink()
        else:
            save_file(changed, path)
        with pytest.raises(EnvironmentProblem, match=f"can't load w.safetensors: .*{reason}"):
            initialize(model, building.plan, files={"w.safetensors": path})


def test_weight_norm_keeps_what_was_loaded(recipe: Path) -> None:
    rule = "normalization:\n  - {match: deep.0.linear.weight, method: weight_norm}\ninitialization:"
    recipe.write_text(RECIPE.replace("initialization:", rule))
    model = seobuilder.build(recipe)
    expected = content()["deep.0.linear.weight"].float()
    linear = model.get_submodule("deep.0.linear")
    torch.testing.assert_close(linear.weight, expected)  # type: ignore[arg-type]
