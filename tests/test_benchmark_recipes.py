"""The recipes that benchmarks/training.py trains are sound, and read what it converts."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from seobuilder.comparison import variant
from seobuilder.recipe.load import load_recipe
from seobuilder.stages import Building

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"

SIZES = {
    "banking77": (10_003, 3_080),
    "banking77_minilm": (10_003, 3_080),
    "clinc150": (15_000, 4_500),
    "lambdarank": (3_005, 768),
    "onestop": (453, 114),
}


@pytest.fixture(scope="module")
def training() -> Iterator[Any]:
    """The benchmark, which is a script."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield import_module("training")
        for name in ("training", "training_data", "measure", "initializations"):
            sys.modules.pop(name, None)


def test_there_is_a_recipe_for_every_row(training: Any) -> None:
    assert {row.name for row in training.ROWS} == SIZES.keys()
    assert {path.stem for path in training.RECIPES.glob("*.yaml")} == SIZES.keys()


@pytest.mark.parametrize("name", SIZES)
def test_its_data_and_plan(
    training: Any, name: str, tmp_path: Path, minilm_files: dict[str, Path]
) -> None:
    if not DATA.is_dir():
        pytest.skip(f"the real data are not here: no {DATA}")
    (row,) = (row for row in training.ROWS if row.name == name)
    loaded = load_recipe(training.prepare(row, DATA, tmp_path), files=row.files())
    building = Building(loaded)
    assert building.plan.warnings == ()
    examples = building.examples
    assert examples is not None
    assert (len(examples.train), len(examples.test)) == SIZES[name]


def test_facts_of_a_page(training: Any) -> None:
    facts = import_module("training_data").page_facts
    words, sentences, mean, _, longest, *_ = facts("The cat sat. It was a remarkably lazy cat!\n")
    assert (words, sentences, mean, longest) == (9, 2, 4.5, 6)
    assert len(facts("")) == len(facts("One.")) == 20


def test_compared_initializations_suit_the_recipe(training: Any, tmp_path: Path) -> None:
    compared = import_module("initializations")
    (tmp_path / "labels.txt").write_text("one\ntwo\n", encoding="utf-8")
    path = shutil.copy(training.RECIPES / "banking77.yaml", tmp_path)
    loaded = load_recipe(path)
    drawn = {
        name: {
            each.method
            for each in Building(variant(loaded, text)).plan.assignments
            if each.parameter.role == "weight"
        }
        for name, text in compared.INITIALIZATIONS.items()
    }
    assert drawn == {
        "kaiming": {"kaiming_normal"},
        "xavier": {"xavier_uniform"},
        "orthogonal": {"orthogonal"},
        "torch's default": {"uniform"},
        "std 1": {"normal"},
    }


def test_rows_that_did_not_run_keep_their_line(training: Any) -> None:
    new = ["machine", "", *training.HEAD, "| clinc150 | new |"]
    old = ["elsewhere", "", *training.HEAD, "| banking77 | old |", "| clinc150 | old |"]
    assert training.merged(old, new) == [*new[:4], "| banking77 | old |", "| clinc150 | new |"]
    assert training.merged([], new) == new
