"""Recipes from a few lines of text, single modules from a mapping, and problems as text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
from pydantic import TypeAdapter

from seobuilder.errors import RecipeError
from seobuilder.planning.common import Context
from seobuilder.planning.kinds import PLANNERS
from seobuilder.planning.model import Node, Plan
from seobuilder.planning.placement import Normalizer
from seobuilder.planning.planner import make_plan
from seobuilder.planning.primitives import Scope
from seobuilder.planning.signals import Signal
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.recipe.spec.modules import OwningModule

Load = Callable[..., LoadedRecipe]
Planned = Callable[..., Plan]
Problems = Callable[..., list[str]]
Build = Callable[..., tuple[Node, Signal]]

SECTIONS = {
    "inputs": (
        "query: {kind: tokens, vocab_size: 10, max_length: 5}\npage: {kind: features, size: 6}"
    ),
    "modules": (
        "words: {kind: token_embedding, from: query, width: 4}\n"
        "meaning: {kind: pool, from: words, method: mean}\n"
        "facts: {kind: mlp, from: page, widths: [8, 4]}\n"
        "joined: {kind: concat, from: [meaning, facts]}"
    ),
    "outputs": "answer: {kind: classification, from: joined, labels: [yes, no]}",
    "normalization": "",
    "initialization": '- {match: "**", method: keep}',
    "ties": "",
}


def recipe_text(**sections: str) -> str:
    """A recipe; a section that isn't given is that of a small model of two inputs."""
    chosen = {**SECTIONS, **sections}
    written = [f"{name}:\n{indent(text, '  ')}" for name, text in chosen.items() if text]
    return "\n".join(["version: 1", "name: test", *written, ""])


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """`load(modules=..., ...)`: the sections as text, to a checked recipe."""
    return lambda **sections: parse_recipe(
        recipe_text(**sections).encode(), "recipe.yaml", tmp_path
    )


@pytest.fixture
def planned(load: Load) -> Planned:
    """`planned(modules=..., ...)`: the plan."""
    return lambda **sections: make_plan(load(**sections))


@pytest.fixture
def problems(load: Load) -> Problems:
    """`problems(modules=..., ...)`: what is wrong, by place.

    Each problem reads `CODE path <text that is marked>: message [help]`.
    """

    def find(**sections: str) -> list[str]:
        with pytest.raises(RecipeError) as caught:
            make_plan(load(**sections))
        lines = []
        for found in sorted(caught.value.diagnostics, key=lambda d: (d.mark, d.code)):
            mark = found.mark
            assert mark is not None
            line = caught.value.sources[mark.file][mark.line - 1]
            marked = line[mark.column - 1 : mark.column - 1 + mark.length]
            help = f" [{found.help}]" if found.help else ""
            lines.append(f"{found.code} {found.path} <{marked}>: {found.message}{help}")
        return lines

    return find


@pytest.fixture
def build(load: Load) -> Build:
    """`build({"kind": ..., ...}, signal, ...)`: the tree of a module `m`, and what it gives."""

    def plan(
        spec: dict[str, Any], *signals: Signal, normalization: str = "", length: int = 5
    ) -> tuple[Node, Signal]:
        source = ["x"] * len(signals) if len(signals) > 1 else "x"
        checked: Any = TypeAdapter(OwningModule).validate_python({"from": source, **spec})
        context = Context(Normalizer(load(normalization=normalization), []), length)
        return PLANNERS[type(checked)](checked, Scope().child("m"), signals, context)

    return plan


def table(node: Node) -> dict[str, str]:
    """Each parameter as `shape role fan_in/fan_out`, fans only where it has them."""
    return {
        p.name: f"{'x'.join(map(str, p.shape))} {p.role}"
        + (f" {p.fans.fan_in}/{p.fans.fan_out}" if p.fans else "")
        for part in node.walk()
        for p in part.parameters
    }


@pytest.fixture
def parameters() -> Callable[[Node], dict[str, str]]:
    """`parameters(node)`: each parameter as `shape role fan_in/fan_out`."""
    return table
