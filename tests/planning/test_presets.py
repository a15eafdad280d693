"""Every preset against its paper's formula, on a model small enough to know the number by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from math import sqrt
from pathlib import Path
from typing import Any

import pytest

from seobuilder.planning.planner import make_plan
from seobuilder.recipe.dump import dump
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.recipe.shipped import preset_names

Load = Callable[..., LoadedRecipe]
Family = tuple[object, ...]
Drawn = Callable[..., dict[str, Family]]
Problems = Callable[..., list[str]]

# What a preset needs beside a plain transformer with pre-norm.
NEEDS: dict[str, dict[str, str]] = {
    "t5": {"attention_scale": "1"},
    "fixup": {"placement": "none"},
    "t_fixup": {"placement": "none"},
    "deepnorm": {"placement": "deepnorm"},
    "rezero": {"residual": "rezero", "placement": "none"},
    "layerscale": {"residual": "layerscale"},
    "mup": {"attention_scale": '"sqrt(base_width / heads) / head_width"'},
}
BLOCK = "encoder.blocks.3."


def sections(
    preset: str,
    *,
    depth: int = 6,
    placement: str = "pre",
    residual: str = "plain",
    attention_scale: str = "",
    base_width: str = "4",
) -> dict[str, str]:
    """Tokens of width 16, blocks with four heads and a hidden layer of 64, three labels."""
    scale = f", attention_scale: {attention_scale}" if attention_scale else ""
    norm = f'- {{match: "encoder.blocks.*", method: layer_norm, placement: {placement}}}'
    return {
        "base_width": base_width,
        "inputs": "query: {kind: tokens, vocab_size: 10, max_length: 5}",
        "modules": (
            "words: {kind: token_embedding, from: query, width: 16, positions: learned}\n"
            f"encoder: {{kind: transformer, from: words, depth: {depth}, heads: 4,"
            f" residual: {residual}, ffn: {{kind: mlp, width: 64, activation: relu}}{scale}}}\n"
            "summary: {kind: pool, from: encoder, method: attention}"
        ),
        "outputs": "answer: {kind: classification, from: summary, labels: 3}",
        "normalization": "" if placement == "none" else norm,
        "initialization": f"- {{preset: {preset}}}",
    }


def suited(preset: str, **settings: Any) -> dict[str, str]:
    """The sections of a model that the preset suits."""
    return sections(preset, **{**NEEDS.get(preset, {}), **settings})


@pytest.fixture
def drawn(load: Load) -> Drawn:
    """`drawn(preset, ...)`: what each parameter of a model that suits it is drawn from."""

    def draw(preset: str, **settings: Any) -> dict[str, Family]:
        plan = make_plan(load(**suited(preset, **settings)))
        assert plan.warnings == ()
        return {
            a.parameter.name: (a.distribution.family, *astuple(a.distribution))
            for a in plan.assignments
        }

    return draw


def constant(value: float) -> Family:
    return "constant", value


def normal(std: float) -> Family:
    return "normal", 0.0, pytest.approx(std)


def uniform(bound: float) -> Family:
    return "uniform", pytest.approx(-bound), pytest.approx(bound)


def xavier(inputs: int, outputs: int, gain: float = 1.0) -> float:
    """Xavier's standard deviation: gain * sqrt(2 / (inputs + outputs))."""
    return gain * sqrt(2 / (inputs + outputs))


@pytest.mark.parametrize("preset", preset_names())
def test_biases_and_norms(drawn: Drawn, preset: str) -> None:
    found = drawn(preset)
    norms = [name for name in found if "norm" in name]
    assert (norms == []) == (preset in ("fixup", "t_fixup", "rezero"))
    for name, distribution in found.items():
        if "norm" in name:
            assert distribution == constant(1.0 if name.endswith("weight") else 0.0)
        elif name.endswith("bias") and preset != "torch_default":
            assert distribution == constant(0.0)


@pytest.mark.parametrize("preset", preset_names())
def test_what_resolve_prints_is_the_same_recipe(load: Load, tmp_path: Path, preset: str) -> None:
    loaded = load(**suited(preset))
    resolved = parse_recipe(dump(loaded.resolved).encode(), "resolved.yaml", tmp_path)
    assert resolved.used_presets == ()
    before, after = make_plan(loaded), make_plan(resolved)
    assert [(a.parameter, a.distribution) for a in after.assignments] == [
        (a.parameter, a.distribution) for a in before.assignments
    ]


def test_gpt2(drawn: Drawn) -> None:
    found = drawn("gpt2")
    assert found["words.tokens.weight"] == normal(0.02)
    assert found["words.positions.weight"] == normal(0.01)
    assert found[BLOCK + "ffn.up.weight"] == normal(0.02)
    for name in ("attention.output", "ffn.down"):
        assert found[f"{BLOCK}{name}.weight"] == normal(0.02 / sqrt(12))


def test_t5(drawn: Drawn) -> None:
    found = drawn("t5")
    assert found["words.tokens.weight"] == normal(1.0)
    assert found[BLOCK + "attention.query.weight"] == normal((16 * 4) ** -0.5)
    for name in ("key", "value", "output"):
        assert found[f"{BLOCK}attention.{name}.weight"] == normal(0.25)
    assert found[BLOCK + "ffn.up.weight"] == normal(0.25)
    assert found[BLOCK + "ffn.down.weight"] == normal(0.125)
    assert found["answer.linear.weight"] == normal(0.25)


def test_fixup(drawn: Drawn) -> None:
    found = drawn("fixup")  # twelve branches
    for name in (BLOCK + "attention.output", BLOCK + "ffn.down", "answer.linear"):
        assert found[f"{name}.weight"] == constant(0.0)
    for name in ("query", "key", "value"):
        bound = sqrt(3) * xavier(16, 16, 12 ** (-1 / 6))
        assert found[f"{BLOCK}attention.{name}.weight"] == uniform(bound)
    assert found[BLOCK + "ffn.up.weight"] == normal(sqrt(2 / 16) * 12**-0.5)
    assert found["words.tokens.weight"] == normal(0.25)


def test_t_fixup(drawn: Drawn) -> None:
    found, scale = drawn("t_fixup"), 0.67 * 6**-0.25
    for name in ("words.tokens", "words.positions"):
        assert found[f"{name}.weight"] == normal(16**-0.5 * (9 * 6) ** -0.25)
    for name in ("value", "output"):
        bound = sqrt(3) * xavier(16, 16, scale)
        assert found[f"{BLOCK}attention.{name}.weight"] == uniform(bound)
    for name in ("query", "key"):
        assert found[f"{BLOCK}attention.{name}.weight"] == uniform(sqrt(3) * xavier(16, 16))
    for name in ("up", "down"):
        assert found[f"{BLOCK}ffn.{name}.weight"] == uniform(sqrt(3) * xavier(16, 64, scale))
    assert found["answer.linear.weight"] == uniform(sqrt(3) * xavier(16, 3))


def test_deepnorm(drawn: Drawn) -> None:
    found, beta = drawn("deepnorm"), 48**-0.25
    for name in ("value", "output"):
        assert found[f"{BLOCK}attention.{name}.weight"] == normal(xavier(16, 16, beta))
    for name in ("query", "key"):
        assert found[f"{BLOCK}attention.{name}.weight"] == normal(xavier(16, 16))
    for name in ("up", "down"):
        assert found[f"{BLOCK}ffn.{name}.weight"] == normal(xavier(16, 64, beta))


def test_deepnorm_s_alpha_comes_with_its_placement(load: Load) -> None:
    root = make_plan(load(**suited("deepnorm"))).root
    skips = [n.settings["skip_scale"] for n in root.walk() if n.kind == "transformer_block"]
    assert skips == [pytest.approx(12**0.25)] * 6


def test_rezero(drawn: Drawn) -> None:
    found = drawn("rezero")
    for name in ("attention_scale", "ffn_scale"):
        assert found[f"{BLOCK}{name}.weight"] == constant(0.0)
    assert found[BLOCK + "ffn.up.weight"] == uniform(sqrt(3) * xavier(16, 64))


@pytest.mark.parametrize(
    ("depth", "factor"),
    [(1, 0.1), (18, 0.1), (19, 1e-5), (24, 1e-5), (25, 1e-6), (36, 1e-6)],
)
def test_layerscale(drawn: Drawn, depth: int, factor: float) -> None:
    found = drawn("layerscale", depth=depth)
    assert found["encoder.blocks.0.attention_scale.weight"] == constant(factor)
    assert found["encoder.blocks.0.ffn.up.weight"] == normal(0.02)


@pytest.mark.parametrize("base_width", [4, 16])
def test_mup(drawn: Drawn, base_width: int) -> None:
    found = drawn("mup", base_width=str(base_width))
    assert found["words.tokens.weight"] == normal(1.0)
    assert found[BLOCK + "attention.query.weight"] == normal(16**-0.5)
    assert found[BLOCK + "ffn.down.weight"] == normal(64**-0.5)
    # At the base width a readout is as any other layer: 1 / sqrt(fan_in).
    for name in ("answer.linear", "summary.score"):
        assert found[f"{name}.weight"] == normal({4: 0.125, 16: 0.25}[base_width])


def test_mup_s_scores_shrink_with_the_width_of_a_head(load: Load) -> None:
    scales = []
    for base_width in ("4", "16"):
        root = make_plan(load(**suited("mup", base_width=base_width))).root
        scales += {n.settings["scale"] for n in root.walk() if n.kind == "attention"}
    # Of the usual 1 / sqrt(4) at the base width of 16, and of a head of 1 at that of 4.
    assert scales == [pytest.approx(0.25), pytest.approx(0.5)]


def test_timm(drawn: Drawn) -> None:
    found = drawn("timm")
    for name in ("words.positions", BLOCK + "attention.query", BLOCK + "ffn.down", "answer.linear"):
        assert found[f"{name}.weight"] == normal(0.02)


@pytest.mark.parametrize(
    ("preset", "settings", "message"),
    [
        ("t5", {"attention_scale": ""},
         "`attention_scale: 1.0`, and `encoder` has no `attention_scale`"),
        ("t5", {"attention_scale": '"1 / heads"'},
         "`attention_scale: 1.0`, and `encoder` has `attention_scale: 1 / heads`"),
        ("rezero", {"residual": "plain"},
         "`residual: rezero`, and `encoder` has `residual: plain`"),
        ("layerscale", {"residual": "rezero"},
         "`residual: layerscale`, and `encoder` has `residual: rezero`"),
        ("deepnorm", {"placement": "pre"},
         "norms with `placement: deepnorm`, and `encoder.blocks.0` has placement pre"),
        ("deepnorm", {"placement": "none"},
         "norms with `placement: deepnorm`, and `encoder.blocks.0` has no norm"),
        ("fixup", {"placement": "pre"},
         "blocks without a norm, and `encoder.blocks.0` has layer_norm"),
        ("t_fixup", {"placement": "post", "residual": "rezero"},
         "`residual: plain`, and `encoder` has `residual: rezero`; and blocks without a norm, and "
         "`encoder.blocks.0` has layer_norm"),
        ("mup", {"base_width": "", "attention_scale": "1"}, "`base_width` in the recipe"),
        ("mup", {"attention_scale": ""}, "`attention_scale`, which `encoder` does not state"),
    ],
)  # fmt: skip
def test_a_preset_for_another_model_is_refused(
    problems: Problems, preset: str, settings: dict[str, str], message: str
) -> None:
    found = problems(**suited(preset, **settings))
    expected = f"P211 initialization[0].preset <{preset}>: the preset {preset} needs {message}"
    bare = "blocks without a norm" in message
    way = "`method: none` for these blocks" if bare else "state that in the recipe"
    help = f" [{way}, or take another preset]"
    assert [line for line in found if line.startswith("P211")] == [expected + help]


def test_a_preset_for_transformers_needs_one(problems: Problems) -> None:
    found = problems(initialization='- {match: "**.bias", method: zeros}\n- {preset: rezero}')
    assert found == [
        "P211 initialization[1].preset <rezero>: the preset rezero needs a module of kind "
        "transformer [state that in the recipe, or take another preset]"
    ]
