from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from seobuilder.errors import RecipeError
from seobuilder.recipe.load import LoadedRecipe, parse_recipe

MISTAKES = Path(__file__).parent / "mistakes"
BASE = (MISTAKES / "base.yaml").read_text(encoding="utf-8")


class Mistake(NamedTuple):
    """What is changed in the recipe `mistakes/base.yaml`, and what a terminal says about it.

    Lists of choices are left out, since they grow with the language.
    """

    title: str
    changes: tuple[tuple[str, str], ...]
    rendered: str


def cut_lists(rendered: str) -> str:
    """What is rendered, without lists of three choices or keys and more."""
    return re.sub(r"(  help: (?:one of|known keys:)) [^,\n]+, [^,\n]+, .+", r"\1 …", rendered)


def read_mistakes(name: str) -> list[Mistake]:
    """The cases of a file, one empty line between them.

    # title
    - text that is replaced
    + the new text, which may be missing
    what is rendered
    """
    mistakes = []
    for block in (MISTAKES / name).read_text(encoding="utf-8").strip("\n").split("\n\n"):
        title, *lines = block.split("\n")
        old = [line[2:] for line in lines if line.startswith("- ")]
        new = [line[2:] for line in lines if line.startswith("+ ")]
        rendered = [line for line in lines if not line.startswith(("- ", "+ "))]
        new += [""] * (len(old) - len(new))
        changes = tuple(zip(old, new, strict=True))
        mistakes.append(Mistake(title.removeprefix("# "), changes, "\n".join(rendered)))
    return mistakes


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for a `mistake` gets each of those in the file that its module names."""
    if "mistake" in metafunc.fixturenames:
        mistakes = read_mistakes(metafunc.module.MISTAKES)
        metafunc.parametrize("mistake", mistakes, ids=[m.title for m in mistakes])


@pytest.fixture
def base() -> str:
    """A valid recipe that needs no other file."""
    return BASE


@pytest.fixture
def parse(tmp_path):
    """Parses a recipe's text as the file shop.yaml of an empty folder."""

    def parse(text: str, *overrides: str) -> LoadedRecipe:
        return parse_recipe(text.encode(), "shop.yaml", tmp_path, overrides)

    return parse


@pytest.fixture
def complaint(parse):
    """What a terminal shows for a recipe's text, empty if it is valid."""

    def complaint(text: str, *overrides: str) -> str:
        try:
            parse(text, *overrides)
        except RecipeError as error:
            return str(error)
        return ""

    return complaint


@pytest.fixture
def told(complaint, change):
    """What a terminal shows for a mistake, with long lists cut."""

    def told(mistake: Mistake) -> str:
        return cut_lists(complaint(change(*mistake.changes)))

    return told


@pytest.fixture
def change(base):
    """The base with texts replaced, each of which must stand in it once."""

    def change(*changes: tuple[str, str]) -> str:
        text = base
        for old, new in changes:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
            text = text.replace(old, new.replace("\\n", "\n"))
        return text

    return change
