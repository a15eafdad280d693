"""autoinit in built models: the moments that were predicted, and those that are measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

from seobuilder.building.compile import compile_plan
from seobuilder.init.initialize import initialize
from seobuilder.layers import SearchModel
from seobuilder.planning.decisions import drawn_moments
from seobuilder.planning.kinds import input_signal
from seobuilder.planning.model import Parameter, Plan
from seobuilder.planning.planner import make_plan
from seobuilder.planning.propagation import Propagation
from seobuilder.planning.signal_moments import Drawn, SignalMoments
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.recipe.shipped import recipe_names, recipe_path
from seobuilder.recipe.spec import Recipe

AUTO = [
    {"match": "**.bias", "method": "zeros", "optional": True},
    {"role": ["norm_scale", "residual_scale"], "method": "ones", "optional": True},
    {"match": "**", "method": "autoinit"},
]
TOKENS = {"kind": "tokens", "vocab_size": 2000, "max_length": 32}
WORDS = {"kind": "token_embedding", "from": "x", "width": 192}
MEAN = {"kind": "pool", "from": "m", "method": "mean"}

Made = tuple[float, float]
"""Mean, and mean of the squares."""


@dataclass(frozen=True)
class Compared:
    """What was predicted for a module, and what it gave."""

    predicted: SignalMoments
    mean: float
    square: float

    @property
    def ratio(self) -> float:
        return self.square / self.predicted.square


def recipe(
    modules: dict[str, Any],
    inputs: dict[str, Any] | None = None,
    norm: dict[str, Any] | None = None,
) -> LoadedRecipe:
    """A recipe whose output reads the last module."""
    text = yaml.safe_dump(
        {
            "version": 1,
            "name": "t",
            "inputs": {"x": inputs or TOKENS},
            "modules": modules,
            "outputs": {"y": {"kind": "embedding", "from": [*modules][-1], "width": 64,
                              "normalize": False}},
            "normalization": [norm] if norm else [],
            "initialization": AUTO,
        },
        sort_keys=False,
    )  # fmt: skip
    return parse_recipe(text.encode(), "r.yaml", Path())


def drawn_inputs(recipe: Recipe, batch: int, seed: int) -> dict[str, Tensor]:
    """Rows without padding, as `input_moments` takes them to be."""
    generator = torch.Generator().manual_seed(seed)
    given: dict[str, Tensor] = {}
    for name, spec in recipe.inputs.items():
        if spec.kind == "tokens":
            size = (batch, spec.max_length)
            given[name] = torch.randint(1, spec.vocab_size, size, generator=generator)
        elif spec.kind == "category":
            given[name] = torch.randint(0, len(spec.values) + 1, (batch,), generator=generator)
        elif spec.kind == "image":
            size = (batch, spec.channels, spec.height, spec.width)
            given[name] = torch.rand(size, generator=generator)
        else:
            given[name] = torch.randn(batch, spec.size, generator=generator)
            if getattr(spec, "scale", "none") == "log1p":
                given[name] = given[name].sign() * given[name].abs().expm1()
    return given


def built(plan: Plan, seed: int) -> SearchModel:
    model = compile_plan(plan)
    initialize(model, replace(plan, seed=seed))
    return model


def measured(plan: Plan, recipe: Recipe, batch: int, seeds: int) -> dict[str, Made]:
    """Every module's first output in training, over all seeds."""
    sums: dict[str, list[Made]] = {}

    def watch(name: str, seen: set[str]) -> Callable[..., None]:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            value = output[0] if isinstance(output, tuple) else output
            if name not in seen and isinstance(value, Tensor):
                seen.add(name)
                value = value.double()
                made = float(value.mean()), float(value.square().mean())
                sums.setdefault(name, []).append(made)

        return hook

    for seed in range(seeds):
        model, seen = built(plan, seed), set()
        for name, module in model.named_modules():
            module.register_forward_hook(watch(name, seen))
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model(**drawn_inputs(recipe, batch, seed))
    return {
        name: (sum(m for m, _ in made) / len(made), sum(s for _, s in made) / len(made))
        for name, made in sums.items()
    }


def compared(loaded: LoadedRecipe, batch: int = 8, seeds: int = 2) -> dict[str, Compared]:
    """Every module by name, what was predicted for it beside what it gave."""
    plan = make_plan(loaded)
    drawn: dict[str, Drawn] = {}
    for a in plan.assignments:
        form = a.reparametrization
        spectral = form is not None and form.method == "spectral_norm"
        for name in (a.parameter.name, *a.parameter.aliases):
            drawn[name] = drawn_moments(a.parameter, a.distribution, spectral=spectral)

    def weights(parameter: Parameter, arriving: SignalMoments | None) -> Drawn:
        return drawn[parameter.name]

    walk = Propagation(weights)
    walk.run(plan.root, {n: input_signal(n, s) for n, s in loaded.recipe.inputs.items()})
    made = measured(plan, loaded.recipe, batch, seeds)
    called = {name: found for name, found in walk.trace.items() if not name.endswith("segments")}
    assert called.keys() <= made.keys()
    return {name: Compared(found, *made[name]) for name, found in called.items()}


def deep(activation: str, depth: int, seeds: int = 3) -> Tensor:
    """Variance after each linear layer of an mlp of width 512: [seeds, depth]."""
    mlp = {"kind": "mlp", "from": "x", "widths": [512] * depth, "activation": activation}
    loaded = recipe({"m": mlp}, {"kind": "features", "size": 512})
    plan = make_plan(loaded)
    variances: list[list[float]] = []
    for seed in range(seeds):
        x = drawn_inputs(loaded.recipe, 32, seed)["x"]
        variances.append([])
        with torch.no_grad():
            for block in built(plan, seed).get_submodule("m").children():
                variances[-1].append(float(block.get_submodule("linear")(x).square().mean()))
                x = block(x)
    return torch.tensor(variances)


@pytest.mark.parametrize("activation", ["tanh", "selu", "sigmoid"])
def test_deep_networks_keep_their_variance_where_deviations_die_out(activation: str) -> None:
    layers = deep(activation, 20, seeds=5).mean(dim=0)
    assert layers.tolist() == pytest.approx([1.0] * 20, rel=0.1)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_deep_networks_keep_their_variance_where_deviations_add_up(activation: str) -> None:
    """One network wanders by a factor of about exp(sqrt(20 * 5 / 512)); layer by layer it stays."""
    layers = deep(activation, 20)
    growth = (layers[:, 1:] / layers[:, :-1]).log().mean().exp()
    assert float(growth) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("activation", ["gelu", "silu", "mish"])
def test_networks_whose_deviations_grow_keep_their_variance_for_a_few_layers(
    activation: str,
) -> None:
    assert deep(activation, 5).mean(dim=0).tolist() == pytest.approx([1.0] * 5, rel=0.1)


TRANSFORMER = {"kind": "transformer", "from": "words", "depth": 2, "heads": 4,
               "ffn": {"kind": "mlp", "width": 384}}  # fmt: skip
RECURRENT = {"kind": "recurrent", "from": "words", "width": 192}


@pytest.mark.parametrize(
    ("modules", "norm", "tolerance"),
    [
        pytest.param({"words": {**WORDS, "positions": "sinusoidal"}, "m": TRANSFORMER, "v": MEAN},
                     {"placement": "pre"}, 0.25, id="transformer pre"),
        pytest.param({"words": {**WORDS, "positions": "learned"}, "m": TRANSFORMER, "v": MEAN},
                     {"placement": "post"}, 0.25, id="transformer post"),
        pytest.param({"words": WORDS, "m": {**TRANSFORMER, "causal": True}, "v": MEAN},
                     {"placement": "pre"}, 0.25, id="transformer causal"),
        pytest.param({"words": WORDS, "m": {**TRANSFORMER, "positions": "alibi"}, "v": MEAN},
                     {"placement": "pre"}, 0.25, id="transformer alibi"),
        pytest.param({"words": WORDS, "m": {**TRANSFORMER, "ffn": {"kind": "geglu", "width": 384},
                      "residual": "layerscale", "qk_norm": "rms_norm", "kv_heads": 2,
                      "dropout": 0.2},
                      "v": {**MEAN, "method": "attention"}},
                     {"placement": "peri"}, 0.35, id="transformer gated"),
        pytest.param({"words": WORDS, "m": TRANSFORMER, "v": MEAN}, None, 0.2,
                     id="transformer without a norm"),
        pytest.param({"words": WORDS, "m": {"kind": "conv", "from": "words", "channels": [128, 128],
                      "kernel": [3, 4], "activation": "relu", "dropout": 0.1},
                      "v": {**MEAN, "method": "max"}}, None, 0.15, id="text conv"),
        pytest.param({"words": WORDS, "m": {"kind": "mlp", "from": "words", "widths": [192, 192],
                      "activation": "sigmoid"}, "v": MEAN}, None, 0.2, id="mlp over a sequence"),
        pytest.param({"words": WORDS, "m": {**RECURRENT, "cell": "rnn", "depth": 2}, "v": MEAN},
                     None, 0.15, id="rnn"),
        pytest.param({"words": WORDS, "m": {"kind": "conv", "from": "words", "channels": [192] * 4,
                      "kernel": 3, "activation": "tanh", "residual": "plain"}, "v": MEAN},
                     None, 0.15, id="text conv with skip paths"),
        pytest.param({"words": WORDS, "m": {"kind": "mlp", "from": "words", "widths": [192] * 6,
                      "activation": "relu", "residual": "layerscale"}, "v": MEAN},
                     None, 0.15, id="mlp with skip paths"),
    ],
)  # fmt: skip
def test_sequences(modules: dict[str, Any], norm: dict[str, Any] | None, tolerance: float) -> None:
    rule = {"match": "m.*.*", "method": "layer_norm", **norm} if norm else None
    for name, found in compared(recipe(modules, norm=rule)).items():
        if not name.endswith("score"):  # a single unit
            assert found.ratio == pytest.approx(1, abs=tolerance), name


@pytest.mark.parametrize(("cell", "highest"), [("gru", 1.3), ("lstm", 1.9)])
def test_gated_cells_hold_more_than_predicted(cell: str, highest: float) -> None:
    """What is not counted: a state acts on its own gates, which makes it slower and larger."""
    modules = {"words": WORDS, "m": {**RECURRENT, "cell": cell, "bidirectional": True}, "v": MEAN}
    found = compared(recipe(modules))
    assert 1 < found["m"].ratio < highest


@pytest.mark.parametrize(
    ("conv", "norm"),
    [
        ({"kernel": 3, "activation": "relu", "pool": 2}, {"method": "batch_norm"}),
        ({"kernel": 3, "activation": "gelu", "stride": 2}, None),
        (
            {"kernel": 3, "activation": "selu", "groups": 8},
            {"method": "group_norm", "num_groups": 8},
        ),
        ({"kernel": 4, "activation": "tanh", "stride": 2, "transposed": True}, None),
    ],
)
def test_images(conv: dict[str, Any], norm: dict[str, Any] | None) -> None:
    modules = {
        "stem": {"kind": "conv", "from": "x", "channels": [64], "kernel": 3, "activation": "relu"},
        "m": {"kind": "conv", "from": "stem", "channels": [64], **conv},
        "v": MEAN,
    }
    rule = {"match": "m.*", "placement": "before_activation", **norm} if norm else None
    image = {"kind": "image", "channels": 3, "height": 32, "width": 24}
    found = compared(recipe(modules, image, rule), batch=8, seeds=4)
    for name in ("stem.0.conv", "stem", "m.0.conv", "m"):
        assert found[name].ratio == pytest.approx(1, abs=0.3), name


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_drawn_by_autoinit(name: str) -> None:
    sections = yaml.safe_load(recipe_path(name).read_text(encoding="utf-8"))
    sections.pop("data", None)
    for spec in sections["inputs"].values():
        spec.pop("tokenizer", None)
        if spec["kind"] == "tokens":
            spec.update(vocab_size=1024, max_length=min(spec["max_length"], 32))
    for spec in sections["modules"].values():
        if "depth" in spec:
            spec["depth"] = 2
    text = yaml.safe_dump({**sections, "initialization": AUTO}, sort_keys=False)
    loaded = parse_recipe(text.encode(), "r.yaml", recipe_path(name).parent)
    for module, found in compared(loaded, batch=4, seeds=1).items():
        assert 0 < found.square < 40, module
        # Layers of a few units scatter: a head of one row is one draw
        if found.predicted.width >= 32:
            assert 0.4 < found.ratio < 2.0, (module, found)
