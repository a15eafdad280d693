from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seobuilder.recipe.spec import Recipe

SHARED = Path(__file__).parents[3] / "shared" / "data"

MakeRecipe = Callable[..., Recipe]


@pytest.fixture
def make_recipe() -> MakeRecipe:
    """A recipe of these sections; the text and the label of a query where they don't matter."""

    def make(**sections: Any) -> Recipe:
        document = {
            "version": 1,
            "name": "example",
            "inputs": {"query": {"kind": "tokens", "vocab_size": 300, "max_length": 8}},
            "outputs": {
                "intent": {"kind": "classification", "from": "query", "labels": ["a", "b"]}
            },
            "initialization": [{"match": "**", "method": "zeros"}],
        }
        return Recipe.model_validate(document | sections)

    return make


@pytest.fixture
def shared_file() -> Callable[[str], Path]:
    """A file of the real data, which isn't part of this repository."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.is_file():
            pytest.skip(f"the real data file {name} is not on this machine")
        return path

    return find
