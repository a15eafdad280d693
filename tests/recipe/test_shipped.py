from __future__ import annotations

import yaml

from seobuilder.recipe import shipped
from seobuilder.recipe.document import plain
from seobuilder.recipe.load import load_recipe
from seobuilder.recipe.reader import read


def test_names_are_those_of_the_files():
    for names, path in (
        (shipped.recipe_names(), shipped.recipe_path),
        (shipped.preset_names(), shipped.preset_path),
    ):
        assert names
        assert list(names) == sorted(set(names))
        assert all(path(name).is_file() for name in names)


def test_a_wheel_carries_them_inside_the_package(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "seobuilder")
    assert shipped.shipped_folder("recipes") == tmp_path / "recipes"
    inside = tmp_path / "seobuilder/shipped/recipes"
    inside.mkdir(parents=True)
    assert shipped.shipped_folder("recipes") == inside
    assert shipped.recipe_path("x") == inside / "x.yaml"
    assert shipped.preset_path("x") == inside / "presets/x.yaml"


def test_every_recipe_says_what_it_is_for_and_where_its_schema_is():
    for name in shipped.recipe_names():
        lines = shipped.recipe_path(name).read_text(encoding="utf-8").splitlines()
        assert lines[0] == "# yaml-language-server: $schema=../schemas/recipe.schema.json"
        recipe = load_recipe(name).recipe
        assert recipe.description.endswith(".")
        assert recipe.data is None or all(
            (shipped.recipe_path(name).parent / file).is_file() for file in recipe.data.all_files
        )


def test_every_preset_names_its_source_and_says_what_it_does():
    for name in shipped.preset_names():
        path = shipped.preset_path(name)
        document = read(path.read_bytes(), path.name).root
        assert {"description", "rules"} <= set(document.entries)
        assert document.entries["description"].value.value.endswith(".")
        assert path.read_text(encoding="utf-8").startswith("# ")


def test_our_reader_takes_what_is_shipped_for_what_others_do():
    for name in shipped.recipe_names():
        path = shipped.recipe_path(name)
        read_here = plain(read(path.read_bytes(), path.name).root)
        assert read_here == yaml.safe_load(path.read_text(encoding="utf-8"))
