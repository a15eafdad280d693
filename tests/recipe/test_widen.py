"""The same recipe, wider or narrower."""

from __future__ import annotations

import pytest

from seobuilder.planning.planner import make_plan
from seobuilder.recipe.dump import dump
from seobuilder.recipe.load import load_recipe, parse_recipe
from seobuilder.recipe.shipped import recipe_names
from seobuilder.recipe.widen import widened


def test_widths_are_multiplied_and_heads_and_ends_stay() -> None:
    recipe = load_recipe("search_intent").resolved
    wide = widened(recipe, 2)
    assert wide["modules"]["words"]["width"] == 2 * recipe["modules"]["words"]["width"]
    assert wide["modules"]["encoder"]["ffn"]["width"] == 1536
    assert wide["modules"]["encoder"]["heads"] == recipe["modules"]["encoder"]["heads"]
    assert (wide["inputs"], wide["outputs"]) == (recipe["inputs"], recipe["outputs"])
    assert recipe == load_recipe("search_intent").resolved
    assert widened(recipe, 1) == recipe


def test_widths_are_rounded_to_what_heads_and_groups_divide() -> None:
    modules = {
        "encoder": {"kind": "transformer", "heads": 6, "ffn": {"kind": "mlp", "width": 100}},
        "facts": {"kind": "mlp", "widths": [10, 130]},
    }
    recipe = {"modules": modules, "normalization": [{"match": "**", "num_groups": 4}]}
    narrow = widened(recipe, 0.5)["modules"]
    assert narrow["encoder"]["ffn"]["width"] == 48 and narrow["facts"]["widths"] == [12, 60]


@pytest.mark.parametrize("factor", [0.5, 2])
@pytest.mark.parametrize("name", sorted(set(recipe_names()) - {"sentence_embedding"}))
def test_every_shipped_recipe_can_be_widened(name: str, factor: float) -> None:
    loaded = load_recipe(name)
    text = dump(widened(loaded.resolved, factor)).encode()
    plan = make_plan(parse_recipe(text, loaded.file, loaded.folder))
    before = make_plan(loaded)
    assert (plan.parameter_count > before.parameter_count) == (factor > 1)
