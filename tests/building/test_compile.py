"""A plan's tree to modules on the meta device."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seobuilder import layers
from seobuilder.building.compile import compile_plan
from seobuilder.planning.model import Node, Plan
from seobuilder.planning.planner import plan
from seobuilder.recipe.shipped import recipe_names


def model_of(
    *children: Node, dtype: str = "float32", ties: dict[str, str] | None = None
) -> layers.SearchModel:
    """The model of a plan with these modules, and no steps between them."""
    settings = {"inputs": (("page", "features", None),), "steps": (), "outputs": ()}
    root = Node("", "model", settings, children)
    return compile_plan(Plan("example", 0, dtype, root, (), {}, (), ties or {}))


def linear(name: str) -> Node:
    return Node(name, "linear", {"in_features": 3, "out_features": 2})


@pytest.mark.parametrize("name", recipe_names())
def test_a_model_takes_no_memory_and_has_the_planned_shapes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # For a normal on the meta device torch would load its compiler, for seconds.
    monkeypatch.setattr(torch.Tensor, "normal_", None)
    decided = plan(name)
    model = compile_plan(decided)
    tensors = [*model.parameters(), *model.buffers()]
    assert tensors and all(tensor.is_meta for tensor in tensors)
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    # A reparametrization is attached once the weight is drawn: until then it has its plain name.
    assert sorted(shapes.values()) == sorted(a.parameter.shape for a in decided.assignments)
    for assignment in decided.assignments:
        if assignment.reparametrization is None:
            (stored,) = assignment.parameter.stored
            assert shapes[stored] == assignment.parameter.shape


def test_children_go_in_under_their_attributes_names() -> None:
    head = Node("out", "head", {"squeeze": True}, (linear("linear"),))
    model = model_of(head)
    assert isinstance(model.out, layers.Head)
    assert isinstance(model.out.linear, nn.Linear) and model.out.linear.weight.shape == (2, 3)


def test_numbered_children_are_a_list_in_order() -> None:
    blocks = tuple(
        Node(str(index), "mlp_block", {"activation": "relu"}, (linear("linear"),))
        for index in range(2)
    )
    stack = model_of(Node("facts", "stack", {}, blocks)).facts
    assert [name for name, _ in stack.named_parameters()] == [
        "0.linear.weight",
        "0.linear.bias",
        "1.linear.weight",
        "1.linear.bias",
    ]


def test_an_attribute_may_differ_from_the_name() -> None:
    cell = Node("forward", "gru", {"input_size": 2, "hidden_size": 3}, attribute="forward_cell")
    layer = Node("layer", "recurrent_layer", {}, (cell,))
    assert isinstance(model_of(layer).layer.forward_cell, nn.GRU)


def test_ties_make_one_parameter_of_two() -> None:
    model = model_of(linear("a"), linear("b"), ties={"b.weight": "a.weight"})
    assert model.b.weight is model.a.weight and model.b.bias is not model.a.bias
    assert [name for name, _ in model.named_parameters()] == ["a.weight", "a.bias", "b.bias"]


@pytest.mark.parametrize(
    ("dtype", "buffers"),
    [("float64", torch.float64), ("bfloat16", torch.float32), ("float32", torch.float32)],
)
def test_buffers_are_float32_or_as_wide_as_the_weights(dtype: str, buffers: torch.dtype) -> None:
    settings = {"size": 3, "scale": "standard", "missing": "error"}
    model = model_of(Node("page", "feature_scaler", settings), dtype=dtype)
    assert {buffer.dtype for buffer in model.buffers()} == {buffers}


def test_compiling_draws_nothing_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    compile_plan(plan("query_language"))
    assert torch.equal(torch.get_rng_state(), before)
