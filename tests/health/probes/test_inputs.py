"""What is measured, and on which inputs, or why not."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import seobuilder
from seobuilder.errors import EnvironmentProblem, InvalidArgument

KINDS = "inspect takes a module, the path of a file, or mappings of tensors by name"
TENSOR = torch.zeros(4, 2)


def refusal(model: Any, inputs: Any = None) -> str:
    with pytest.raises(InvalidArgument) as caught:
        seobuilder.inspect(model, inputs)
    return str(caught.value)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (None, f"{KINDS}; this is None"),
        (torch.nn.Linear, f"{KINDS}; this is the class Linear, not an instance of it"),
        (SimpleNamespace(model=torch.nn.Linear(2, 3)), f"{KINDS}; this is a SimpleNamespace; give "
                                                       "its `model`"),
        ({"epoch": 3}, "there is no tensor in the mapping"),
        (torch.nn.ReLU(), "there is no tensor that can be read in a ReLU"),
        (torch.nn.Linear(2, 3, device="meta"), "on the meta device there are no numbers: weight, "
                                               "bias"),
    ],
)  # fmt: skip
def test_inspect_refuses_what_has_no_weights(model: Any, message: str) -> None:
    assert refusal(model) == message


def test_inspect_names_the_weights_in_a_folder(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"is a folder; weights are in a file$"):
        seobuilder.inspect(tmp_path)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(EnvironmentProblem, match=r"in a file, such as .*/model\.safetensors$"):
        seobuilder.inspect(tmp_path)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (TENSOR, 'inputs are by name, such as {"input": tensor}; this is a Tensor'),
        ({0: TENSOR}, 'inputs are by name, such as {"input": tensor}; this is a mapping by '
                      'something else'),
        ({"x": TENSOR}, "Linear takes input, and is given x: missing a required argument: 'input'"),
        ({}, "Linear takes input, and is given nothing: missing a required argument: 'input'"),
    ],
)  # fmt: skip
def test_inspect_refuses_inputs_that_a_module_is_not_called_with(inputs: Any, message: str) -> None:
    assert refusal(torch.nn.Linear(2, 3), inputs) == message


def test_inspect_refuses_inputs_that_a_built_model_does_not_take() -> None:
    model = seobuilder.build("search_intent")
    texts = "seobuilder.encoder makes tensors of texts, numbers and images"
    for inputs, message in (
        (TENSOR, 'inputs are by name, such as {"query": tensor}; this is a Tensor'),
        ({"x": 1}, "missing query, unknown x; the inputs are query, query_mask (optional)"),
        ({"query": ["buy"]}, f"query is of type list, not a tensor; {texts}"),
    ):
        assert refusal(model, inputs) == message


def test_inspect_refuses_inputs_of_what_takes_no_gradients() -> None:
    inputs, cant = {"input": TENSOR}, "signals and gradients can't be measured"
    with torch.inference_mode():
        frozen = torch.nn.Linear(2, 3)
    message = f"{cant}: made in torch.inference_mode are weight, bias"
    assert refusal(frozen, inputs) == message
    assert seobuilder.inspect(frozen).summary.parameters == 9
    with warnings.catch_warnings(action="ignore"):
        scripted = torch.jit.script(torch.nn.Linear(2, 3))
    message = f"{cant} in TorchScript; inspect the module that it was made from"
    assert refusal(scripted, inputs) == message
    assert seobuilder.inspect(scripted).summary.parameters == 9


def test_inputs_are_for_a_module() -> None:
    state = {"weight": TENSOR}
    assert refusal(state, {"x": TENSOR}) == "inputs are for a module; this is a dict"


def test_what_fails_within_a_module_is_raised_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        seobuilder.inspect(torch.nn.Linear(2, 3), {"input": torch.zeros(4, 5)})
    with pytest.raises(TypeError, match="must be Tensor"):
        seobuilder.inspect(torch.nn.Linear(2, 3), {"input": [1.0, 2.0]})
