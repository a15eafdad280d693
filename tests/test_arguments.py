"""What the public functions say of arguments of another kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import seobuilder
from seobuilder.errors import InvalidArgument
from seobuilder.training.callbacks import Callback

NAME = "search_intent"
A_RECIPE = "a recipe is a path, or the name of a shipped one"
OVERRIDES = 'overrides are a list of texts, such as ["training.epochs=3"]'
FILES = 'files are by their names, such as {"tokenizer.json": "downloads/bert.json"}'
CALLBACKS = "callbacks are a list of instances of Callback"
CASES: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], str]] = [
    (seobuilder.build, (None,), {}, f"{A_RECIPE}; this is None"),
    (seobuilder.plan, (torch.nn.Linear(2, 2),), {}, f"{A_RECIPE}; this is a Linear"),
    (seobuilder.train, ({"version": 1},), {}, f"{A_RECIPE}; this is a dict"),
    (
        seobuilder.plan,
        (NAME, "seed=3"),
        {},
        "overrides are a list of texts, such as ['seed=3']; this is a str",
    ),
    (seobuilder.build, (NAME, {"seed": 3}), {}, f"{OVERRIDES}; this is a dict"),
    (seobuilder.build, (NAME, None), {}, f"{OVERRIDES}; this is None"),
    (seobuilder.plan, (NAME, [3]), {}, f"{OVERRIDES}; there is an int among them"),
    (seobuilder.build, (NAME,), {"files": ["a"]}, f"{FILES}; this is a list"),
    (seobuilder.encoder, (NAME, {"a": 3}), {}, "the file 'a' is given by its path; this is an int"),
    (seobuilder.load, (None,), {}, "a build folder is given by its path; this is None"),
    (
        seobuilder.encoder,
        (torch.nn.Linear,),
        {},
        "an encoder is of a build folder or a recipe, by its path; this is the class Linear",
    ),
    (seobuilder.train, (NAME, ["a"]), {}, "output is the path of a folder; this is a list"),
    (seobuilder.train, (NAME,), {"callbacks": Callback()}, f"{CALLBACKS}; this is a Callback"),
    (
        seobuilder.train,
        (NAME,),
        {"callbacks": [Callback]},
        f"{CALLBACKS}; there is the class Callback among them",
    ),
]


@pytest.mark.parametrize(("function", "given", "named", "message"), CASES)
def test_arguments_of_another_kind_are_refused(
    function: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        function(*given, **named)
    assert str(caught.value) == message
