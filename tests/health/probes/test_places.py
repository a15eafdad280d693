"""Where the probes listen."""

from __future__ import annotations

from probed_models import mlp, transformer

import seobuilder
from seobuilder.health.probes.places import places


def test_blocks_come_before_what_they_are_part_of() -> None:
    found = places(transformer(depth=2).plan)
    assert [place.name for place in found] == [
        *("words", "encoder.blocks.0", "encoder.blocks.1", "encoder", "summary", "label")
    ]
    assert [place.name for place in found if place.is_block] == [
        *("encoder.blocks.0", "encoder.blocks.1")
    ]
    assert found[1].stack == "encoder.blocks" and found[1].path == "encoder.blocks.0"


def test_what_is_nothing_but_a_stack_is_its_blocks() -> None:
    assert [place.name for place in places(mlp(depth=2).plan)] == ["body.0", "body.1", "label"]


def test_masks_go_along_until_positions_are_pooled() -> None:
    masks = {place.name: place.mask for place in places(transformer(depth=1).plan)}
    assert masks == {
        **dict.fromkeys(("words", "encoder.blocks.0", "encoder"), "query"),
        **dict.fromkeys(("summary", "label"), None),
    }


def test_every_place_of_a_shipped_recipe_is_a_module() -> None:
    model, plan = seobuilder.build("query_language"), seobuilder.plan("query_language")
    for place in places(plan):
        assert model.get_submodule(place.path) is not None
    assert "reader.layers.1" in [place.name for place in places(plan)]
