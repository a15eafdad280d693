"""Groups of the optimizer: what decays, and what learns at which rate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seobuilder.planning.mup import rate_factors
from seobuilder.recipe.dump import dump
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.stages import Building
from seobuilder.training.optimizers import make_optimizer, set_rate

MUP = """\
version: 1
name: mup
base_width: 32
inputs:
  query: {kind: tokens, vocab_size: 300, max_length: 12}
  page: {kind: features, size: 6}
modules:
  words: {kind: token_embedding, from: query, width: 64}
  encoder:
    kind: transformer
    from: words
    depth: 1
    heads: 4
    attention_scale: "sqrt(base_width / heads) / head_width"
    ffn: {kind: mlp, width: 256, activation: gelu}
  summary: {kind: pool, from: encoder, method: mean}
  facts: {kind: mlp, from: page, widths: [64], activation: relu}
  joined: {kind: add, from: [summary, facts]}
outputs:
  label: {kind: classification, from: joined, labels: 4}
normalization:
  - {match: "encoder.blocks.*", method: layer_norm, placement: pre}
initialization:
  - {preset: mup}
"""


def load(text: str) -> LoadedRecipe:
    return parse_recipe(text.encode(), "mup.yaml", Path())


def test_mup_has_the_rates_of_its_table() -> None:
    adam, sgd = rate_factors(load(MUP), "adamw"), rate_factors(load(MUP), "sgd")
    block = "encoder.blocks.0"
    for name, of_adam, of_sgd in [
        ("words.tokens.weight", 1, 2),
        ("facts.0.linear.weight", 1, 2),  # as many inputs at any width
        ("facts.0.linear.bias", 1, 2),
        (f"{block}.attention.query.weight", 0.5, 1),
        (f"{block}.ffn.down.weight", 0.5, 1),
        (f"{block}.ffn_input_norm.weight", 1, 2),
        ("label.linear.weight", 0.5, 0.5),
        ("label.linear.bias", 1, 1),
    ]:
        assert (adam[name], sgd[name]) == (of_adam, of_sgd), name


def test_rates_stay_when_the_preset_is_worked_in_and_go_when_asked() -> None:
    resolved = load(dump(load(MUP).resolved))
    assert not resolved.used_presets
    assert rate_factors(resolved, "adamw") == rate_factors(load(MUP), "adamw")
    equal = load(MUP + "training: {optimizer: {rates: equal}}\n")
    assert set(rate_factors(equal, "adamw").values()) == {1.0}
    base = load(MUP.replace("base_width: 32", "base_width: 64"))
    assert set(rate_factors(base, "sgd").values()) == {1.0}


@pytest.mark.parametrize("method", ["adamw", "sgd"])
def test_matrices_decay_and_every_parameter_is_held_once(
    small: Callable[..., LoadedRecipe], method: str
) -> None:
    loaded = small(f"training.optimizer={{method: {method}, weight_decay: 0.3}}")
    building = Building(loaded)
    optimizer = make_optimizer(building.model, building.plan, loaded)
    names = {id(p): name for name, p in building.model.named_parameters()}
    decay = {
        names[id(p)]: group["weight_decay"]
        for group in optimizer.param_groups
        for p in group["params"]
    }
    assert decay.keys() == set(names.values())
    assert {name for name, value in decay.items() if value == 0.3} == {
        "body.0.linear.weight",
        "kind.linear.weight",
    }
    set_rate(optimizer, 0.25)
    assert {group["lr"] for group in optimizer.param_groups} == {0.25}
    assert isinstance(optimizer, torch.optim.AdamW if method == "adamw" else torch.optim.SGD)
