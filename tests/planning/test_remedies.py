"""Edits after which just the named parameters are drawn otherwise."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from seobuilder.planning.model import Plan
from seobuilder.planning.planner import make_plan
from seobuilder.planning.remedies import delete, redraw, set_value
from seobuilder.recipe.change import Change
from seobuilder.recipe.document import plain
from seobuilder.recipe.dump import dump
from seobuilder.recipe.load import LoadedRecipe, load_recipe, parse_recipe
from seobuilder.recipe.reader import read_value
from seobuilder.recipe.shipped import recipe_names

Load = Callable[..., LoadedRecipe]

DRAW = "method: normal, std: 0.125"
ENCODER = {
    "inputs": "query: {kind: tokens, vocab_size: 10, max_length: 5}",
    "modules": (
        "words: {kind: token_embedding, from: query, width: 8}\n"
        "encoder: {kind: transformer, from: words, depth: 4, heads: 2, "
        "ffn: {kind: mlp, width: 16}}\n"
        "summary: {kind: pool, from: encoder, method: mean}"
    ),
    "outputs": "answer: {kind: classification, from: summary, labels: 3}",
}
RULES = """\
- {match: "**.bias", method: zeros}
- {match: "encoder.**.weight", expect: 24, method: xavier_normal, gain: 0.5}
- {match: "**", method: keep}"""


def edited(data: dict[str, Any], changes: tuple[Change, ...]) -> dict[str, Any]:
    """The data of a recipe's one file after the changes."""
    # The last ones first, and at one place what deletes before what inserts: paths count items
    # as they were.
    order = sorted(changes, key=lambda each: each.action == "insert")
    for change in sorted(order, key=lambda each: each.path, reverse=True):
        *parents, last = change.path
        node: Any = data
        for step in parents:
            node = node[step]
        if change.action == "insert":
            node.insert(last, read_value(change.yaml))
        elif change.action == "set":
            node[last] = read_value(change.yaml)
        else:
            del node[last]
    return data


def written(changes: tuple[Change, ...]) -> list[str]:
    return [" ".join([c.action, *map(str, c.path), c.yaml]).rstrip() for c in changes]


def line(loaded: LoadedRecipe, change: Change) -> str:
    assert change.line is not None
    return loaded.source.decode().splitlines()[change.line - 1].strip()


def mended(loaded: LoadedRecipe, changes: tuple[Change, ...]) -> Plan:
    data: Any = plain(loaded.written[0].root)
    text = dump(edited(data, changes))
    return make_plan(parse_recipe(text.encode(), loaded.file, loaded.folder))


def blocks(layer: str, *indices: int) -> list[str]:
    return [f"encoder.blocks.{index}.{layer}.weight" for index in indices or range(4)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (blocks("ffn.up"), ['{match: "encoder.blocks.*.ffn.up.weight", ']),
        (blocks("ffn.up", 2), ['{match: "encoder.blocks.2.ffn.up.weight", ']),
        (blocks("ffn.up", 1, 2, 3), ['{match: "encoder.blocks.<1-3>.ffn.up.weight", ']),
        (blocks("ffn.up", 0, 2), ['{match: "encoder.blocks.{0,2}.ffn.up.weight", ']),
        (
            blocks("attention.query") + blocks("attention.key"),
            ['{match: "encoder.blocks.*.attention.{query,key}.weight", '],
        ),
        (
            [*blocks("attention.output"), *blocks("ffn.down")],
            ["{role: residual_out, "],
        ),
        (
            [*blocks("attention.output", 1), *blocks("ffn.down", 2)],
            [
                '{match: "encoder.blocks.1.attention.output.weight", ',
                '{match: "encoder.blocks.2.ffn.down.weight", ',
            ],
        ),
    ],
)
def test_a_narrow_rule_selects_just_the_names(
    load: Load, names: list[str], expected: list[str]
) -> None:
    plan = make_plan(load(**ENCODER, initialization=RULES))
    *inserted, counted = written(redraw(plan, dict.fromkeys(names, DRAW)))
    assert inserted == [f"insert initialization 1 {selector}{DRAW}}}" for selector in expected]
    assert counted == f"set initialization 1 expect {24 - len(names)}"


def test_a_rule_that_decides_nothing_else_is_given_other_arguments(load: Load) -> None:
    plan = make_plan(load(**ENCODER, initialization=RULES))
    names = [a.parameter.name for a in plan.assignments if a.method == "xavier_normal"]
    assert written(redraw(plan, dict.fromkeys(names, DRAW))) == [
        f'set initialization 1 {{match: "encoder.**.weight", expect: 24, {DRAW}}}'
    ]


def test_a_rule_of_a_preset_gives_way_to_one_before_the_preset(load: Load) -> None:
    rules = '- {match: "words.**", method: keep}\n- {preset: bert}'
    plan = make_plan(load(**ENCODER, initialization=rules))
    changes = redraw(plan, {"answer.linear.weight": DRAW})
    assert written(changes) == [
        f'insert initialization 1 {{match: "answer.linear.weight", {DRAW}}}'
    ]


def test_a_preset_that_would_decide_nothing_is_deleted(load: Load) -> None:
    rules = '- {match: "words.**", method: keep}\n- {preset: bert}'
    loaded = load(**ENCODER, initialization=rules)
    plan = make_plan(loaded)
    names = [a.parameter.name for a in plan.assignments if a.rule.preset]
    first = redraw(plan, dict.fromkeys(names, DRAW))[0]
    assert written((first,)) == ["delete initialization 1"]
    assert line(loaded, first) == "- {preset: bert}"


def test_a_tied_name_stands_for_its_owner(load: Load) -> None:
    modules = (
        "words: {kind: token_embedding, from: query, width: 4}\n"
        "others: {kind: token_embedding, from: query, width: 4}\n"
        "joined: {kind: add, from: [words, others]}\n"
        "summary: {kind: pool, from: joined, method: mean}"
    )
    loaded = load(
        **{**ENCODER, "modules": modules},
        ties="others.tokens.weight: words.tokens.weight",
        initialization='- {match: "**", method: keep}',
    )
    assert written(redraw(make_plan(loaded), {"others.tokens.weight": DRAW})) == [
        f'insert initialization 0 {{match: "words.tokens.weight", {DRAW}}}'
    ]


def test_weights_from_a_file_are_not_redrawn() -> None:
    plan = make_plan(load_recipe("sentence_embedding"))
    loaded = next(a for a in plan.assignments if a.method == "pretrained")
    assert redraw(plan, {loaded.parameter.name: DRAW}) == ()


def test_rules_of_an_extended_recipe_are_changed_in_its_file(tmp_path: Path, load: Load) -> None:
    (tmp_path / "bases").mkdir()
    base = load(**ENCODER, initialization=RULES)
    (tmp_path / "bases" / "base.yaml").write_bytes(base.source)
    top = tmp_path / "top.yaml"
    top.write_text("version: 1\nname: top\nextends: bases/base.yaml\n")
    loaded = load_recipe(top)
    (change, _) = redraw(make_plan(loaded), {"encoder.blocks.0.ffn.up.weight": DRAW})
    assert (change.file, change.path) == ("bases/base.yaml", ("initialization", 1))
    assert line(base, change).startswith('- {match: "encoder.**.weight", expect: 24')
    (change,) = set_value(loaded, ("modules", "encoder", "residual"), "rezero")
    assert line(base, change).startswith("encoder: {kind: transformer, from: words")
    assert (change.file, change.path) == ("bases/base.yaml", ("modules", "encoder", "residual"))


def test_what_the_command_line_set_is_left_alone(tmp_path: Path, load: Load) -> None:
    file = tmp_path / "r.yaml"
    file.write_bytes(load(**ENCODER, initialization=RULES).source)
    loaded = load_recipe(file, ["initialization.1.gain=0.25", "modules.encoder.depth=4"])
    plan = make_plan(loaded)
    assert redraw(plan, {"encoder.blocks.0.ffn.up.weight": DRAW}) == ()
    assert redraw(plan, {"answer.linear.weight": DRAW}) != ()
    assert set_value(loaded, ("modules", "encoder", "depth"), "3") == ()
    assert delete(loaded, ("initialization", 1, "gain")) == ()
    assert delete(loaded, ("initialization", 1, "expect")) != ()


@pytest.mark.parametrize("recipe", sorted({*recipe_names()} - {"sentence_embedding"}))
def test_any_choice_of_parameters_is_redrawn_and_no_other(recipe: str) -> None:
    loaded = load_recipe(recipe)
    plan = make_plan(loaded)
    random = Random(3)
    every = [assignment.parameter.name for assignment in plan.assignments]
    for count in (1, 2, 5, len(every) // 2, len(every)):
        names = set(random.sample(every, min(count, len(every))))
        after = mended(loaded, redraw(plan, dict.fromkeys(names, DRAW)))
        for was, now in zip(plan.assignments, after.assignments, strict=True):
            if was.parameter.name in names:
                assert now.distribution.moments(now.parameter.shape) == (0, 0.125)
            elif was.method == "autoinit":  # which follows the signal
                assert now.method == "autoinit"
            else:
                assert now.distribution == was.distribution
