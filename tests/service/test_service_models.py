"""Models by configuration, and the recipes that they are."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import seobuilder
from seobuilder import InvalidArgument
from seobuilder.cli.main import main
from seobuilder.service.custom_models import (
    CustomModelConfig,
    CustomSEOModel,
    create_custom_model,
)
from seobuilder.service.weight_initialization import (
    AdvancedWeightInitializer,
    InitializationConfig,
)

SMALL: dict[str, Any] = {"vocab_size": 50, "hidden_size": 16, "num_layers": 2, "num_heads": 4}

CONFIGS = [
    {"architecture": "transformer", "initialization_method": "orthogonal"},
    {"architecture": "transformer", "initialization_method": "truncated_normal",
     "use_layer_norm": False, "use_residual_connections": False},
    {"architecture": "transformer", "normalization": "rms_norm", "intermediate_size": 20},
    {"architecture": "cnn", "initialization_method": "kaiming_uniform", "use_layer_norm": False},
    {"architecture": "cnn", "initialization_method": "delta_orthogonal", "kernel_size": 5},
    {"architecture": "cnn", "initialization_method": "dirac", "normalization": "group_norm"},
    {"architecture": "rnn", "initialization_method": "delta_orthogonal", "bidirectional": True},
    {"architecture": "rnn", "cell": "gru", "use_residual_connections": False, "num_classes": 7},
    {"architecture": "mlp", "initialization_method": "sparse", "num_classes": 3},
    {"architecture": "mlp", "initialization_method": "constant",
     "initialization": InitializationConfig(method="constant", value=0.1)},
]  # fmt: skip


def ids(config: dict[str, Any]) -> str:
    return "-".join(str(value) for value in config.values() if isinstance(value, str))


@pytest.mark.parametrize("arguments", CONFIGS[:-1], ids=ids)
def test_the_recipe_is_valid_and_builds_the_same_bits(
    arguments: dict[str, Any], tmp_path: Path
) -> None:
    config = CustomModelConfig(**SMALL, **arguments, seed=5)
    model = create_custom_model(config)
    path = tmp_path / "seo_model.yaml"
    path.write_text(config.to_recipe())
    with pytest.raises(SystemExit) as ended:
        main(["check", str(path)])
    assert ended.value.code == 0
    built = seobuilder.build(path).state_dict()
    state = model.state_dict()
    assert list(built) == list(state)
    assert all(torch.equal(built[name], state[name]) for name in built)


@pytest.mark.parametrize("arguments", CONFIGS[:-1], ids=ids)
def test_the_initializer_draws_what_the_recipe_declares(arguments: dict[str, Any]) -> None:
    """Names of recurrent weights differ, and so do their numbers, but not what they are."""
    config = CustomModelConfig(**SMALL, **arguments, seed=5)
    built, drawn = create_custom_model(config), create_custom_model(config)
    for parameter in drawn.parameters():
        nn.init.constant_(parameter, 9.0)
    AdvancedWeightInitializer.init_weights(drawn, config.drawn_by)
    state = drawn.state_dict()
    for name, tensor in built.state_dict().items():
        if "cell" in name and "weight" in name:
            assert float(state[name].std()) == pytest.approx(float(tensor.std()), rel=0.1)
        else:
            assert torch.equal(state[name], tensor), name


@pytest.mark.parametrize("arguments", CONFIGS, ids=ids)
def test_it_is_called_as_a_classifier_and_as_a_recipe_s_model(arguments: dict[str, Any]) -> None:
    config = CustomModelConfig(**SMALL, **arguments)
    model = create_custom_model(config).eval()
    tokens = torch.randint(1, 49, (3, 7))
    logits = model(tokens)
    assert logits.shape == (3, config.num_classes)
    assert torch.equal(logits, model(text=tokens)["label"])
    padded = torch.cat([tokens, torch.zeros(3, 2, dtype=torch.long)], dim=1)
    torch.testing.assert_close(model(padded), logits)
    torch.testing.assert_close(model(padded + 1, padded != 0), model(tokens + 1))


def test_what_the_settings_build() -> None:
    def norms(**arguments: Any) -> set[str]:
        model = create_custom_model(CustomModelConfig(**SMALL, **arguments))
        return {type(m).__name__ for m in model.modules() if "Norm" in type(m).__name__}

    assert norms() == {"LayerNorm"} and norms(use_layer_norm=False) == set()
    assert norms(architecture="cnn", use_layer_norm=False) == {"BatchNorm"}
    assert norms(normalization="rms_norm") == {"RMSNorm"}
    text = CustomModelConfig(**SMALL, use_residual_connections=False).to_recipe()
    assert "residual: none" in text
    text = CustomModelConfig(**SMALL, architecture="rnn", use_residual_connections=False)
    assert "kind: add" not in text.to_recipe()


def test_the_summary() -> None:
    model = create_custom_model(CustomModelConfig(**SMALL))
    model.get_parameter("label.linear.bias").requires_grad_(False)
    summary = model.get_weight_summary()
    total = sum(p.numel() for p in model.parameters())
    assert (summary["total_parameters"], summary["bytes"]) == (total, 4 * total)
    assert summary["trainable_parameters"] == total - 2
    assert summary["model_name"] == "seo_model"
    assert summary["initialization_method"] == "xavier_uniform"
    assert summary["health"]["is_healthy"] and summary["health"]["issues"] == []
    assert set(summary["analysis"]) == {name for name, _ in model.named_parameters()}


def test_it_is_an_ordinary_model_of_ours() -> None:
    model = create_custom_model(CustomModelConfig(**SMALL))
    report = seobuilder.inspect(model)
    assert report.is_healthy and report.summary.methods_used["xavier_uniform"] > 0
    twin = copy.deepcopy(model)
    assert isinstance(twin, CustomSEOModel)
    tokens = torch.randint(1, 50, (2, 5))
    torch.testing.assert_close(twin.eval()(tokens), model.eval()(tokens))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_heads": 3}, "3 heads do not divide a hidden_size of 16"),
        ({"hiden_size": 3}, "no argument `hiden_size`; did you mean `hidden_size`?"),
        ({"initialization_method": "xavier"}, "unknown method `xavier`; did you mean `xavier_"),
        ({"initialization_method": "constant"}, "constant needs `value`"),
        ({"model_name": "SEO model"}, "`model_name` of CustomModelConfig is 'SEO model'"),
        ({"architecture": "mlp", "normalization": "instance_norm"}, "an mlp sees vectors"),
        ({"architecture": "rnn", "bidirectional": True, "hidden_size": 15}, "15 is odd"),
        ({"num_classes": 1}, "`num_classes` of CustomModelConfig is 1: input should be greater"),
    ],
)
def test_mistakes(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        CustomModelConfig(**{**SMALL, **arguments})
    assert message in str(caught.value)
