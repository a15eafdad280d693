"""Every shipped recipe, from its text to a model that trains, exports and compiles."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seobuilder import load, train
from seobuilder.data.batches import Batch
from seobuilder.layers import SearchModel, objectives
from seobuilder.recipe.load import load_recipe
from seobuilder.recipe.shipped import recipe_names
from seobuilder.recipe.spec import Recipe
from seobuilder.stages import Building

ROWS = 8
RECURRENT = {"query_language"}
"""Recipes with a torch.nn.RNN, LSTM or GRU, which the compiler leaves to itself."""


BUILDABLE = [
    name
    for name in recipe_names()
    if all(rule.method != "pretrained" for rule in load_recipe(name).recipe.initialization)
]
"""Recipes that need no file from elsewhere."""

TINY = """\
version: 1
name: tiny
inputs:
  page: {kind: features, size: 4}
modules:
  facts: {kind: mlp, from: page, widths: [8], activation: gelu}
outputs:
  quality: {kind: regression, from: facts}
initialization:
  - {match: "**.bias", method: zeros}
  - {match: "**.weight", method: xavier_uniform}
"""


@dataclass(frozen=True)
class Shipped:
    """A shipped recipe, its build, and a few rows of its data."""

    name: str
    building: Building
    batch: Batch

    @property
    def recipe(self) -> Recipe:
        return self.building.loaded.recipe

    @property
    def model(self) -> SearchModel:
        return self.building.model.eval()


@pytest.fixture(scope="module", params=BUILDABLE)
def shipped(request: pytest.FixtureRequest) -> Iterator[Shipped]:
    building = Building(load_recipe(request.param))
    whole, _ = building.batch
    batch = Batch(
        {name: value[:ROWS] for name, value in whole.inputs.items()},
        {name: value[:ROWS] for name, value in whole.targets.items()},
        None if whole.group is None else whole.group[:ROWS],
    )
    yield Shipped(request.param, building, batch)
    torch.compiler.reset()


def test_it_is_healthy_without_warnings(shipped: Shipped) -> None:
    report = shipped.building.report
    assert report.findings == () and report.is_healthy
    assert {output.name for output in report.outputs} == set(shipped.recipe.outputs)


def test_the_models_parameters_are_those_of_the_plan(shipped: Shipped) -> None:
    planned = [name for a in shipped.building.plan.assignments for name in a.parameter.stored]
    actual = [name for name, _ in shipped.model.named_parameters()]
    assert sorted(actual) == sorted(planned)
    count = sum(parameter.numel() for parameter in shipped.model.parameters())
    gains = sum(
        parameter.numel()
        for name, parameter in shipped.model.named_parameters()
        if name.endswith("original0")
    )
    assert count - gains == shipped.building.plan.parameter_count


def test_it_is_written_and_loaded(shipped: Shipped, tmp_path: Path) -> None:
    shipped.building.write(tmp_path / "build")
    loaded = load(tmp_path / "build").eval()
    state, expected = loaded.state_dict(), shipped.model.state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[name], tensor) for name, tensor in expected.items())
    assert_same(loaded(**shipped.batch.inputs), shipped.model(**shipped.batch.inputs), exact=True)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_loss_and_gradients_are_finite(shipped: Shipped, training: bool) -> None:
    model = copy.deepcopy(shipped.model).train(training)
    losses(shipped, model(**shipped.batch.inputs)).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert [name for name, gradient in gradients.items() if gradient is None] == []
    assert all(
        gradient is not None and gradient.isfinite().all() for gradient in gradients.values()
    )
    assert any(gradient is not None and gradient.any() for gradient in gradients.values())


def test_a_state_dict_carries_everything(shipped: Shipped) -> None:
    other = copy.deepcopy(shipped.model)
    for tensor in other.state_dict().values():
        tensor.fill_(torch.nan)
    other.load_state_dict(shipped.model.state_dict())
    assert_same(other(**shipped.batch.inputs), shipped.model(**shipped.batch.inputs), exact=True)


@pytest.mark.filterwarnings("ignore:The tensor attributes .*_flat_weights:UserWarning")
def test_it_exports(shipped: Shipped) -> None:
    exported = torch.export.export(shipped.model, (), shipped.batch.inputs)
    assert_same(exported.module()(**shipped.batch.inputs), shipped.model(**shipped.batch.inputs))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_it_compiles(shipped: Shipped) -> None:
    fullgraph = shipped.name not in RECURRENT
    compiled = torch.compile(shipped.model, backend="aot_eager", fullgraph=fullgraph)
    assert_same(compiled(**shipped.batch.inputs), shipped.model(**shipped.batch.inputs))


def test_wider_padding_changes_no_row(shipped: Shipped) -> None:
    narrow, wide = dict(shipped.batch.inputs), dict(shipped.batch.inputs)
    for name, spec in shipped.recipe.token_inputs.items():
        ids = narrow[name]
        narrow[name] = ids[:, : max(1, ids.shape[1] // 2)]
        wide[name] = torch.full((len(ids), spec.max_length), spec.padding_id)
        wide[name][:, : narrow[name].shape[1]] = narrow[name]
    assert_same(shipped.model(**wide), shipped.model(**narrow))


TRAINABLE = [name for name in recipe_names() if load_recipe(name).recipe.data is not None]


@pytest.mark.parametrize("name", TRAINABLE)
def test_it_trains_as_its_section_says(name: str) -> None:
    assert "training" in load_recipe(name).recipe.model_fields_set
    short = ("training.steps=2", "training.monitors.measure=false")
    record = train(name, overrides=short).record
    assert record.steps == 2 and record.findings == ()
    figures = record.figures["test"]
    assert {each.partition(".")[0] for each in figures} == {
        "loss",
        *load_recipe(name).recipe.outputs,
    }
    assert all(value is not None and isfinite(value) for value in figures.values())


def test_clicks_are_counted_by_impressions() -> None:
    rate = load_recipe("click_through").recipe.outputs["rate"]
    assert rate.kind == "regression" and rate.is_rate
    examples = Building(load_recipe("click_through")).examples
    assert examples is not None and examples.weights["rate"][0] == 28650


COMPILE = """\
import torch
from seobuilder.stages import Building
from seobuilder.recipe.load import load_recipe
building = Building(load_recipe("tiny.yaml"))
inputs = building.batch[0].inputs
model = building.model.eval()
compiled = torch.compile(model, fullgraph=True)(**inputs)
torch.testing.assert_close(compiled, model(**inputs))
"""


@pytest.mark.skipif(not shutil.which("g++"), reason="the compiler needs a C++ compiler")
def test_the_real_compiler(tmp_path: Path) -> None:
    """In a process of its own: setuptools, which it uses, minds who imported distutils before."""
    (tmp_path / "tiny.yaml").write_text(TINY)
    subprocess.run([sys.executable, "-c", COMPILE], cwd=tmp_path, check=True)


def losses(shipped: Shipped, answers: dict[str, Tensor]) -> Tensor:
    """The sum of what each output is trained on."""
    total = torch.zeros(())
    targets, group = shipped.batch.targets, shipped.batch.group
    for name, spec in shipped.recipe.outputs.items():
        if spec.kind == "classification":
            loss = objectives.classification_loss(answers[name], targets[name])
        elif spec.kind == "multilabel":
            loss = objectives.multilabel_loss(answers[name], targets[name])
        elif spec.kind == "regression":
            loss = objectives.regression_loss(answers[name], targets[name])
        elif spec.kind == "ranking":
            assert group is not None
            loss = objectives.ranking_loss(answers[name], targets[name], group)
        else:
            assert spec.contrast is not None
            other = answers[spec.contrast]
            loss = objectives.contrastive_loss(answers[name], other, spec.temperature)
        assert loss.isfinite(), name
        total = total + loss
    return total


def assert_same(
    found: dict[str, Tensor], expected: dict[str, Tensor], *, exact: bool = False
) -> None:
    assert list(found) == list(expected)
    tolerance = {"rtol": 0.0, "atol": 0.0} if exact else {"rtol": 1e-4, "atol": 1e-5}
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, **tolerance)
