from __future__ import annotations

import subprocess
import sys

import pytest

from seobuilder.errors import EnvironmentProblem, RecipeError
from seobuilder.recipe.diagnostics import Diagnostic, Mark, render
from seobuilder.recipe.load import find_recipe, load_recipe, parse_recipe
from seobuilder.recipe.shipped import recipe_names, recipe_path


@pytest.fixture
def shop(tmp_path, base, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "recipes/shop.yaml"
    path.parent.mkdir()
    path.write_text(base)
    return path


def test_a_path(shop, base):
    loaded = load_recipe("recipes/shop.yaml", ["seed=4"])
    assert loaded.file == "recipes/shop.yaml"
    assert loaded.folder.resolve() == shop.parent
    assert loaded.source == base.encode()
    assert loaded.recipe.seed == loaded.resolved["seed"] == 4
    assert loaded.sources["recipes/shop.yaml"] == tuple(base.split("\n"))
    assert load_recipe(shop).file == str(shop)


def test_a_shipped_recipe_by_name(shop):
    loaded = load_recipe("search_intent")
    assert (loaded.file, loaded.recipe.name) == ("search_intent.yaml", "search_intent")
    assert loaded.folder == recipe_path("search_intent").parent


def test_a_file_hides_a_shipped_recipe_of_its_name(shop, base):
    shop.parent.parent.joinpath("search_intent").write_text(base)
    assert load_recipe("search_intent").recipe.name == "shop"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("search_intnt", "there is no recipe search_intnt; "
                         "did you mean the shipped recipe search_intent?"),
        ("recipes/relevnce.yaml", "there is no recipe recipes/relevnce.yaml; "
                                  "did you mean the shipped recipe relevance?"),
        ("zzz", "there is no recipe zzz"),
        ("", "there is no recipe "),
        ("recipes", "recipes is a folder; a recipe is a YAML file"),
        ("a\0b", "there is no recipe a\0b"),
        ("x" * 5000, "there is no recipe " + "x" * 5000),
    ],
)  # fmt: skip
def test_what_is_not_there(shop, source, message):
    with pytest.raises(EnvironmentProblem) as caught:
        find_recipe(source)
    assert str(caught.value) == message


def test_a_file_that_cannot_be_read(shop, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(
        EnvironmentProblem, match=r"^can't read recipes/shop\.yaml: Permission denied"
    ):
        load_recipe("recipes/shop.yaml")


def test_marks_lead_to_values_and_keys(parse, base):
    loaded = parse(base)
    assert loaded.mark("modules", "encoder", "depth") == Mark("shop.yaml", 9, 52, 1)
    assert loaded.mark("modules", "encoder", "depth", key=True) == Mark("shop.yaml", 9, 45, 5)
    assert loaded.mark("initialization", 1) == Mark("shop.yaml", 25, 5, 32)
    assert loaded.mark("modules", "encoder", "bias") == Mark("shop.yaml", 9, 3, 7)


def test_later_problems_are_shown_in_the_lines_of_the_recipe(parse, base):
    loaded = parse(base, "seed=3")
    problems = [
        Diagnostic("P101", "odd", loaded.mark("name")),
        Diagnostic("P102", "odd", loaded.mark("seed")),
    ]
    error = loaded.fail(iter(problems))
    assert isinstance(error, RecipeError)
    assert str(error) == render(problems, loaded.sources)
    assert "    2 | name: shop\n" in str(error)
    assert "    1 | seed=3\n      |      ^" in str(error)


def test_the_resolved_data_is_a_copy(parse, base):
    loaded = parse(base)
    loaded.resolved["modules"].clear()
    assert loaded.resolved["modules"]


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_is_its_own_resolved_form(name):
    loaded = load_recipe(name)
    assert loaded.recipe.name == name
    assert not any("preset" in rule for rule in loaded.resolved["initialization"])
    assert parse_recipe(loaded.source, loaded.file, loaded.folder) == loaded


def test_the_language_needs_no_torch():
    program = (
        "import sys; from seobuilder.recipe.load import load_recipe; "
        "from seobuilder.recipe import dump, schema; "
        "dump.dump(load_recipe('relevance').resolved); schema.recipe_schema(); "
        "print(sorted({'torch', 'numpy', 'tokenizers', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
