from __future__ import annotations

import inspect
import re
from typing import get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError
from torch import nn

from seobuilder.layers.model import SearchModel
from seobuilder.recipe.formulas import Formula
from seobuilder.recipe.load import load_recipe
from seobuilder.recipe.shipped import recipe_names
from seobuilder.recipe.spec import (
    Recipe,
    data,
    initialization,
    inputs,
    losses,
    modules,
    normalization,
    outputs,
    training,
)
from seobuilder.recipe.spec.base import RESERVED_NAMES, Spec

ALL = sorted(
    {
        model
        for module in (
            data,
            initialization,
            inputs,
            losses,
            modules,
            normalization,
            outputs,
            training,
        )
        for model in vars(module).values()
        if inspect.isclass(model) and issubclass(model, Spec) and model is not Spec
    }
    | {Recipe},
    key=lambda model: model.__name__,
)
HOLDING_MAPPINGS = {Recipe, data.DataSpec, initialization.Pretrained, training.TrainingSpec}


def specs(value):
    """All specs within a recipe."""
    if isinstance(value, BaseModel):
        yield value
        for name in type(value).model_fields:
            yield from specs(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from specs(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from specs(item)


def rule(**keys):
    return TypeAdapter(initialization.InitializationSpec).validate_python({"match": "**", **keys})


def test_reserved_names_are_those_that_would_clash():
    """A child hides a module's attribute; an input or a child is an argument of the model."""
    arguments = [*inspect.signature(SearchModel.__init__).parameters, "self"]
    arguments = [name for name in arguments if name != "children"]  # takes any other name
    names = {*dir(nn.Module()), *dir(SearchModel), *arguments}
    assert {name for name in names if re.fullmatch("[a-z][a-z0-9_]*", name)} == RESERVED_NAMES


@pytest.mark.parametrize("model", ALL, ids=lambda model: model.__name__)
def test_specs_are_frozen_and_strict_and_explain_themselves(model):
    config = model.model_config
    assert (config["frozen"], config["strict"], config["extra"]) == (True, True, "forbid")
    assert inspect.getdoc(model) not in (None, inspect.getdoc(Spec))


@pytest.mark.parametrize("name", recipe_names())
def test_specs_hold_nothing_that_can_be_changed(name):
    for spec in specs(load_recipe(name).recipe):
        if type(spec) in HOLDING_MAPPINGS:
            continue
        assert hash(spec) == hash(spec.model_copy())
        with pytest.raises(ValidationError, match="frozen"):
            setattr(spec, next(iter(type(spec).model_fields)), None)


def test_a_required_key_has_no_default_and_an_optional_one_a_valid_one():
    minimal = rule(method="truncated_normal", std=0.5)
    assert (minimal.mean, minimal.cut, minimal.optional) == (0.0, 2.0, False)
    again = type(minimal).model_validate({k: v for k, v in minimal if v is not None})
    assert again == minimal


def test_lists_become_tuples():
    assert rule(method="zeros", role=["bias", "gate"]).role == ("bias", "gate")
    assert rule(method="truncated_normal", std=1, cut=[-1, 3]).cut == (-1.0, 3.0)


@pytest.mark.parametrize(
    ("value", "expected"), [(1, 1.0), (0.5, 0.5), ("0.02 / sqrt(2 * depth)", None), ("1e-3", None)]
)
def test_a_quantity_is_a_number_or_a_formula(value, expected):
    std = rule(method="normal", std=value).std
    if expected is None:
        assert isinstance(std, Formula) and std.text == value
    else:
        assert std == expected and type(std) is float


def test_selectors_give_their_conditions_as_tuples():
    one = rule(method="zeros", role="bias")
    many = rule(method="zeros", role=["bias", "gate"], type=["gru", "lstm"])
    assert (one.roles, one.types) == (("bias",), None)
    assert (many.roles, many.types) == (("bias", "gate"), ("gru", "lstm"))


@pytest.mark.parametrize(
    ("cut", "cuts"), [(2, (-2.0, 2.0)), (0.5, (-0.5, 0.5)), ([0, 8], (0.0, 8.0))]
)
def test_cuts(cut, cuts):
    assert rule(method="truncated_normal", std=1, cut=cut).cuts == cuts


@pytest.mark.parametrize(
    ("keys", "train", "every"),
    [
        ({"files": "a.csv"}, ("a.csv",), ("a.csv",)),
        ({"files": ["a.csv", "b.csv"]}, ("a.csv", "b.csv"), ("a.csv", "b.csv")),
        ({"files": "a.csv", "split": {"test": 0.5}}, ("a.csv",), ("a.csv",)),
        ({"split": {"train": "a.csv", "test": "b.csv"}}, ("a.csv",), ("a.csv", "b.csv")),
    ],
)
def test_data_files(keys, train, every):
    spec = data.DataSpec.model_validate({"columns": {"query": "q"}, **keys})
    assert (spec.train_files, spec.all_files) == (train, every)


def test_kernels():
    keys = {"kind": "conv", "from": "x", "channels": [4]}
    assert modules.Convolution.model_validate({**keys, "kernel": 3}).kernels == (3,)
    assert modules.Convolution.model_validate({**keys, "kernel": [3, 5]}).kernels == (3, 5)


def test_token_inputs():
    recipe = load_recipe("seo_multitask").recipe
    assert list(recipe.token_inputs) == ["query"]


def test_every_kind_and_method_is_named_once_in_its_union():
    for union in (
        inputs.InputSpec,
        modules.OwningModule,
        outputs.OutputSpec,
        normalization.NormalizationSpec,
        initialization.InitializationRule,
    ):
        members = get_args(get_args(union)[0])
        key = "kind" if "kind" in members[0].model_fields else "method"
        tags = [tag for m in members for tag in get_args(m.model_fields[key].annotation)]
        assert len(tags) == len(set(tags)) >= 5
