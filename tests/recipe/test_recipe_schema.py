from __future__ import annotations

import copy
import json
import re
from typing import get_args

import pytest
from jsonschema import Draft202012Validator

from seobuilder.recipe.document import plain
from seobuilder.recipe.load import load_recipe
from seobuilder.recipe.reader import read
from seobuilder.recipe.schema import recipe_schema
from seobuilder.recipe.shipped import preset_names, recipe_names, recipe_path, shipped_folder
from seobuilder.recipe.spec.initialization import InitializationRule
from seobuilder.recipe.spec.inputs import InputSpec
from seobuilder.recipe.spec.modules import FeedForwardSpec, OwningModule
from seobuilder.recipe.spec.normalization import NormalizationSpec
from seobuilder.recipe.spec.outputs import OutputSpec
from seobuilder.recipe.validate import validate

SCHEMA = recipe_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

# What a schema can't say: patterns, formulas, paths that leave the folder, keys that don't go
# together.
BEYOND = {"R030", "R040", "R206", "R111"}

BASE = {
    "version": 1,
    "name": "shop",
    "inputs": {"query": {"kind": "tokens", "vocab_size": 10, "max_length": 4}},
    "outputs": {"value": {"kind": "regression", "from": "query"}},
    "initialization": [{"match": "**", "method": "zeros"}],
}

# One of each kind and method, with all of its keys.
WHOLE = {
    "inputs": """
tokens, vocab_size: 10, max_length: 4, tokenizer: t.json, lowercase: false, padding_id: 1
features, size: 3, scale: log1p, missing: mean
category, values: [a, b]
image, channels: 3, height: 8, width: 8
embedding, size: 4
""",
    "modules": """
token_embedding, from: a, width: 8, positions: learned, dropout: 0.5
category_embedding, from: a, width: 8
transformer, from: a, depth: 2, heads: 2, kv_heads: 1, ffn: {kind: mlp, width: 8, activation: mish},
  dropout: 0, bias: true, positions: alibi, causal: true, qk_norm: rms_norm, residual: scaled,
  residual_scale: 0.5, attention_scale: 1 / head_width, gradient_checkpointing: true
transformer, from: a, depth: 2, heads: 2, ffn: {kind: swiglu, width: 8}
transformer, from: a, depth: 2, heads: 2, ffn: {kind: geglu, width: 8}
conv, from: a, channels: [8], kernel: [3, 5], activation: relu, groups: 2, stride: 2, pool: 2,
  transposed: true, dropout: 0.1, bias: false
conv, from: a, channels: [8], kernel: 3
recurrent, from: a, cell: gru, width: 8, depth: 2, bidirectional: true, dropout: 0.1, bias: false
mlp, from: a, widths: [8], activation: gelu, dropout: 0.1, bias: false
pool, from: a, method: max
concat, from: [a, b]
add, from: [a, b]
interaction, from: [a, b], method: dot
""",
    "outputs": """
classification, from: a, labels: [a, b], bias: false
classification, from: a, labels: 5
multilabel, from: a, labels: labels.txt
regression, from: a, size: 2
ranking, from: a, score: identity
embedding, from: a, width: 8, normalize: false, contrast: b, temperature: 0.1, bias: true
""",
    "normalization": """
layer_norm, match: a, placement: pre, final: auto, eps: 1e-5, elementwise_affine: true, bias: true
rms_norm, match: a, placement: peri, final: false, eps: 1e-5, elementwise_affine: true
batch_norm, match: a, placement: post, eps: 1e-5, momentum: 0.1, affine: true,
  track_running_stats: true
instance_norm, match: a, placement: post, eps: 1e-5, momentum: 0.1, affine: true,
  track_running_stats: true
group_norm, match: a, placement: post, num_groups: 2, eps: 1e-5, affine: true
none, match: a, exclude: b, optional: true, expect: 3
weight_norm, match: a
spectral_norm, match: a, iterations: 2, eps: 1e-5
""",
    "initialization": """
zeros, match: a
ones, role: bias
constant, type: [linear, lstm], value: 1
identity, role: [bias, gate], gain: 2
dirac, match: a, groups: 2
uniform, match: a, bound: 0.5
uniform, match: a, low: 0, high: 1 / fan_in
normal, match: a, mean: 0, std: 0.1, exclude: b, optional: true, expect: 3
truncated_normal, match: a, mean: 0, std: 0.1, cut: 3
truncated_normal, match: a, std: 0.1, cut: [-1, 2.5]
variance_scaling, match: a, scale: 2, fan_mode: fan_avg, distribution: normal
lecun_uniform, match: a
lecun_normal, match: a
xavier_uniform, match: a, gain: sqrt(2), fan_mode: fan_in
xavier_normal, match: a
kaiming_uniform, match: a, fan_mode: fan_out, nonlinearity: leaky_relu, slope: 0.2,
  convention: torch
kaiming_normal, match: a
orthogonal, match: a, gain: 1, per: gate
delta_orthogonal, match: a, gain: 1
sparse, match: a, density: 0.5, std: 1, dead_rows: allow
autoinit, match: a, variance: 1, distribution: normal
forget_bias, match: a, value: 2
pretrained, match: a, file: w.safetensors, map: {a: b}, unused: [c], obtain: ask
keep, match: a
""",
}

TOP = """
seed: 3
base_width: 64
dtype: bfloat16
description: words
ties: {a.weight: b.weight}
normalization: []
modules: {}
modules: {b: {same_as: a, from: query}}
initialization: [{preset: bert}]
data: {files: a.csv, columns: {query: q, value: [v, w]}, group: q}
data: {files: [a.csv, b.csv], split: {test: 0.5}, columns: {}}
data: {split: {train: a.csv, test: b.csv}, columns: {}}
"""

WRONG = [None, True, -1, 1.5, 10**12, "bert", [], {"odd": 1}]


def parse(text):
    return plain(read(text.encode(), "x.yaml").root)


def entries():
    """Each section with one entry that has all keys of a kind or method."""
    for section, text in WHOLE.items():
        tag = "kind" if section in ("inputs", "modules", "outputs") else "method"
        for line in re.split(r"\n(?=\S)", text.strip()):
            entry = parse(f"{{{tag}: {line}}}")
            yield section, {"one": entry} if tag == "kind" else [entry]
    for line in TOP.strip().splitlines():
        yield from parse(line).items()


GOOD = [{**BASE, section: content} for section, content in entries()]


def places(node, path=()):
    """The path of every value below a node."""
    if not isinstance(node, dict | list):
        return
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(recipe, path, change):
    """A copy of a recipe in which the container of the last key was changed."""
    copied = copy.deepcopy(recipe)
    node = copied
    for step in path[:-1]:
        node = node[step]
    change(node, path[-1])
    return copied


def variations():
    """Recipes with one thing missing, one too many, or one that is something else."""
    seen = set()
    for recipe in GOOD:
        section = next(key for key in recipe if recipe[key] is not BASE.get(key))
        for path in [(section,), *places(recipe[section], (section,))]:
            variants = [changed(recipe, path, lambda node, key: node.pop(key))]
            variants.append(changed(recipe, path, add_an_odd_key))
            for wrong in WRONG:
                variants.append(
                    changed(recipe, path, lambda node, key, w=wrong: node.__setitem__(key, w))
                )
            for variant in variants:
                if (text := json.dumps(variant)) not in seen:
                    seen.add(text)
                    yield variant


def add_an_odd_key(node, key):
    if isinstance(node[key], dict):
        node[key]["Odd"] = 1
    else:
        node[key] = [node[key]]


def codes(recipe):
    """The codes of what we find wrong with a recipe."""
    _, problems = validate(read(json.dumps(recipe).encode(), "x.yaml").root)
    return {problem.code for problem in problems}


def test_the_file_is_fresh():
    path = shipped_folder("schemas") / "recipe.schema.json"
    assert json.loads(path.read_text(encoding="utf-8")) == SCHEMA


def test_it_is_a_valid_schema_of_its_draft():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_and_their_resolved_forms_are_valid(name):
    document = read(recipe_path(name).read_bytes(), name).root
    assert list(VALIDATOR.iter_errors(plain(document))) == []
    assert list(VALIDATOR.iter_errors(load_recipe(name).resolved)) == []


def test_the_entries_cover_every_kind_and_method():
    unions = (
        InputSpec,
        OwningModule,
        FeedForwardSpec,
        OutputSpec,
        NormalizationSpec,
        InitializationRule,
    )
    tags = {
        tag
        for union in unions
        for member in get_args(get_args(union)[0])
        for tag in get_args(member.model_fields["kind" if "kind" in member.model_fields
                                                else "method"].annotation)
    }  # fmt: skip
    text = json.dumps(GOOD)
    assert {tag for tag in tags if f'": "{tag}"' not in text} == set()


def test_good_recipes_are_good_to_both():
    assert len(GOOD) >= 60
    for recipe in GOOD:
        assert codes(recipe) == set()
        assert list(VALIDATOR.iter_errors(recipe)) == []


def test_both_agree_about_variations():
    counts = {True: 0, False: 0}
    for recipe in variations():
        found = codes(recipe)
        if found and found <= BEYOND:
            continue  # a schema may find it, or not
        assert VALIDATOR.is_valid(recipe) == (not found), recipe
        counts[not found] += 1
    assert counts[True] > 100 and counts[False] > 1000


@pytest.mark.parametrize("name", ["Query", "2", "", "a-b", "a.b", "train", "type", "x" * 65])
@pytest.mark.parametrize("section", ["inputs", "modules", "outputs"])
def test_names_are_held_to_their_pattern(section, name):
    recipe = next(recipe for recipe in GOOD if section in recipe and "one" in recipe[section])
    renamed = {**recipe, section: {name: recipe[section]["one"]}}
    assert codes(renamed) & {"R105", "R107", "R108"}
    assert [error.json_path for error in VALIDATOR.iter_errors(renamed)] == [f"$.{section}"]


@pytest.mark.parametrize(
    "text",
    [
        "extends: base.yaml",
        "{extends: base.yaml, modules: {encoder: {depth: 5}}, data: null, seed: 3}",
    ],
)
def test_a_recipe_that_extends_another_may_be_partial(text):
    assert list(VALIDATOR.iter_errors(parse(text))) == []


def test_a_recipe_that_extends_another_has_no_other_keys():
    assert not VALIDATOR.is_valid(parse("{extends: base.yaml, modlues: {}}"))
    assert not VALIDATOR.is_valid({"modules": {"encoder": {"depth": 5}}})


def test_editors_offer_the_presets():
    assert SCHEMA["$defs"]["PresetRule"]["properties"]["preset"]["enum"] == list(preset_names())
    assert not VALIDATOR.is_valid({**BASE, "initialization": [{"preset": "gtp2"}]})


def test_every_kind_and_every_key_is_described():
    definitions = SCHEMA["$defs"]
    missing = []
    for name, definition in definitions.items():
        for key, part in definition.get("properties", {}).items():
            target = definitions[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
            if key not in ("kind", "method") and "description" not in {**target, **part}:
                missing.append(f"{name}.{key}")
        if "properties" in definition and not definition.get("description"):
            missing.append(name)
    missing += [k for k, part in SCHEMA["else"]["properties"].items() if "description" not in part]
    assert missing == []


def test_what_is_shared_is_stated_once():
    text = json.dumps(SCHEMA)
    for name in SCHEMA["$defs"]:
        assert f'"#/$defs/{name}"' in text
    assert text.count("register_full_backward_hook") == 1
    assert "discriminator" not in text
    assert len(text) < 75_000
