"""In what two builds differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from seobuilder.artifact.difference import Difference, compare_builds
from seobuilder.errors import BuildFolderError
from seobuilder.recipe.load import parse_recipe
from seobuilder.stages import Building

RECIPE = """\
version: 1
name: small
inputs:
  page: {kind: features, size: 4}
modules:
  facts: {kind: mlp, from: page, widths: [16], activation: relu}
outputs:
  intent: {kind: classification, from: facts, labels: [a, b, c]}
initialization:
  - {match: "**.bias", method: zeros}
  - {role: head, method: normal, std: 0.02}
  - {match: "**.weight", method: kaiming_normal, nonlinearity: relu}
"""


def build(folder: Path, *changes: tuple[str, str], overrides: tuple[str, ...] = ()) -> Path:
    text = RECIPE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    building = Building(parse_recipe(text.encode(), "small.yaml", folder, overrides))
    target = folder / f"build{len(list(folder.iterdir()))}"
    building.write(target)
    return target


def found(old: Path, new: Path, section: str) -> list[tuple[str, str | None, str | None]]:
    return [
        (each.place, each.before, each.after)
        for each in compare_builds(old, new)
        if each.section == section
    ]


def test_a_build_does_not_differ_from_itself_nor_from_its_double(tmp_path: Path) -> None:
    one = build(tmp_path)
    assert compare_builds(one, one) == []
    assert compare_builds(one, build(tmp_path, ("name: small", "name: small  # the same"))) == []


def test_another_seed_moves_what_is_random_and_nothing_else(tmp_path: Path) -> None:
    differences = compare_builds(build(tmp_path), build(tmp_path, overrides=("seed=1",)))
    assert differences[0] == Difference(section="recipe", place="seed", before=None, after="1")
    moved = [each for each in differences if each.section == "parameter"]
    assert [each.place for each in moved] == ["facts.0.linear.weight", "intent.linear.weight"]
    for each in moved:  # two independent draws are sqrt(2) apart
        assert each.after is not None
        assert 1 < float(each.after.split("moved by ")[1].split()[0]) < 2
    assert {each.section for each in differences} == {"recipe", "parameter", "output"}


def test_a_changed_rule_is_told_with_what_it_draws(tmp_path: Path) -> None:
    old, new = build(tmp_path), build(tmp_path, ("std: 0.02", "std: 0.05"))
    assert found(old, new, "recipe") == [("initialization[1].std", "0.02", "0.05")]
    assert found(old, new, "parameter") == [
        ("intent.linear.weight", "3 x 16, normal(0, 0.02)", "3 x 16, normal(0, 0.05)")
    ]


def test_rules_that_only_moved_are_not_told(tmp_path: Path) -> None:
    rule = '  - {match: "facts.**", type: linear, role: weight, method: orthogonal}\n'
    first = '  - {match: "**.bias", method: zeros}\n'
    body = ("nonlinearity: relu}\n", "nonlinearity: relu, optional: true}\n")
    old, new = build(tmp_path, body), build(tmp_path, (first, rule + first), body)
    text = '{match: "facts.**", type: linear, role: weight, method: orthogonal}'
    assert found(old, new, "recipe") == [("initialization[0]", None, text)]
    assert found(new, old, "recipe") == [("initialization[0]", text, None)]


def test_shapes_sizes_and_new_parameters_are_told(tmp_path: Path) -> None:
    old, new = build(tmp_path), build(tmp_path, ("widths: [16]", "widths: [16, 8]"))
    assert found(old, new, "build") == [("parameters", "131", "243")]
    assert found(old, new, "recipe") == [("modules.facts.widths[1]", None, "8")]
    assert ("facts.1.linear.bias", None, "8, constant(0)") in found(old, new, "parameter")
    assert found(new, old, "parameter")[-1][0] == "intent.linear.weight"


def test_findings_and_the_verdict_are_told(tmp_path: Path) -> None:
    old, new = build(tmp_path), build(tmp_path, ("std: 0.02", "std: 30"))
    told = found(old, new, "finding")
    assert told and told[0][0] == "H010 intent" and told[0][1] is None
    assert found(new, old, "finding")[0][2] is None


def test_a_broken_build_is_refused(tmp_path: Path) -> None:
    one = build(tmp_path)
    with pytest.raises(BuildFolderError, match="does not exist"):
        compare_builds(one, tmp_path / "nothing")
