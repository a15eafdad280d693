"""The coordinate check: muP moves as far at any width, the standard parametrization does not."""

from __future__ import annotations

from pathlib import Path

from seobuilder.recipe.load import parse_recipe
from seobuilder.report.model import Report
from seobuilder.stages import Building

MUP = """\
version: 1
name: mup
base_width: 64
inputs:
  query: {kind: tokens, vocab_size: 200, max_length: 12}
modules:
  words: {kind: token_embedding, from: query, width: 64, positions: learned}
  encoder:
    kind: transformer
    from: words
    depth: 2
    heads: 4
    attention_scale: "sqrt(base_width / heads) / head_width"
    ffn: {kind: mlp, width: 256, activation: gelu}
  summary: {kind: pool, from: encoder, method: mean}
outputs:
  label: {kind: classification, from: summary, labels: 4}
normalization:
  - {match: "encoder.blocks.*", method: layer_norm, placement: pre}
initialization:
  - {preset: mup}
"""

STANDARD = MUP.replace("base_width: 64\n", "").replace("preset: mup", "preset: torch_default")
STANDARD = STANDARD.replace('    attention_scale: "sqrt(base_width / heads) / head_width"\n', "")


def report(text: str) -> Report:
    recipe = parse_recipe(text.encode(), "wide.yaml", Path())
    return Building(recipe, with_coordinates=True).report


def drift(found: Report, name: str) -> float:
    """How much further a signal moved at twice the widths than at half of them."""
    assert found.probes is not None
    changes = {
        record.factor: record.change
        for record in found.probes.coordinates
        if record.name == name and record.step == found.probes.steps
    }
    assert set(changes) == {0.5, 1.0, 2.0} and all(changes.values())
    return changes[2.0] / changes[0.5]  # type: ignore[operator]


def test_mup_moves_as_far_at_any_width_and_the_standard_one_does_not() -> None:
    mup, standard = report(MUP), report(STANDARD)
    assert 1 / 1.7 < drift(mup, "label") < 1.7 < 2.5 < drift(standard, "label")
    assert [f.code for f in (*mup.findings, *standard.findings)] == []


def test_a_head_that_does_not_shrink_under_mup_is_found() -> None:
    broken = MUP.replace(
        "  - {preset: mup}", "  - {role: head, method: normal, std: 5.0}\n  - {preset: mup}"
    )
    told = [f for f in report(broken).findings if f.code == "H027"]
    assert told and told[0].severity == "warning"


def test_it_is_measured_only_where_it_is_asked_for() -> None:
    building = Building(parse_recipe(MUP.encode(), "wide.yaml", Path()))
    assert building.report.probes is not None and building.report.probes.coordinates == ()
    asked = Building(building.loaded, with_coordinates=True)
    assert asked.digest != building.digest
