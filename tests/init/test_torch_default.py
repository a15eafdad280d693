"""The preset torch_default draws from the distributions of each layer's own reset."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import pytest
import torch

from seobuilder.building.compile import compile_plan
from seobuilder.planning.distributions import Constant, Normal, Uniform
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.load import parse_recipe

RECIPE = """\
version: 1
name: every_layer
inputs:
  query: {kind: tokens, vocab_size: 300, max_length: 64}
  country: {kind: category, values: [a, b, c]}
  look: {kind: image, channels: 6, height: 8, width: 8}
modules:
  words: {kind: token_embedding, from: query, width: 48, positions: learned}
  place: {kind: category_embedding, from: country, width: 48}
  encoder:
    {kind: transformer, from: words, depth: 1, heads: 4, residual: layerscale, qk_norm: rms_norm,
     ffn: {kind: swiglu, width: 96}}
  local: {kind: conv, from: encoder, channels: [48], kernel: [3, 4], groups: 2}
  lstm: {kind: recurrent, from: local, cell: lstm, width: 24}
  gru: {kind: recurrent, from: lstm, cell: gru, width: 24}
  rnn: {kind: recurrent, from: gru, cell: rnn, width: 24}
  meaning: {kind: pool, from: rnn, method: attention}
  wide: {kind: conv, from: look, channels: [24, 24], kernel: 3, groups: 3}
  larger:
    {kind: conv, from: wide, channels: [16], kernel: 4, stride: 2, groups: 2, transposed: true}
  seen: {kind: pool, from: larger, method: mean}
  facts: {kind: mlp, from: seen, widths: [48]}
  joined: {kind: concat, from: [meaning, facts, place]}
outputs:
  answer: {kind: classification, from: joined, labels: 5}
normalization:
  - {match: "encoder.blocks.*", method: layer_norm, placement: pre}
  - {match: "local.*", method: group_norm, num_groups: 4, placement: before_activation}
  - {match: "wide.*", method: instance_norm, placement: before_activation}
  - {match: "facts.*", method: batch_norm, placement: before_activation}
initialization:
  - {preset: torch_default}
"""

DRAWS = 40


@pytest.fixture(scope="module")
def plan():
    return make_plan(parse_recipe(RECIPE.encode(), "every_layer.yaml", Path()))


def test_every_layer_with_parameters_is_in_it(plan) -> None:
    layers = {a.parameter.layer for a in plan.assignments}
    assert layers == {
        "linear", "embedding", "position_embedding", "conv1d", "conv2d", "conv_transpose2d",
        "rnn", "lstm", "gru", "layer_norm", "rms_norm", "batch_norm", "instance_norm",
        "group_norm", "residual_scale",
    }  # fmt: skip


def test_each_layer_s_own_reset_gives_the_declared_distribution(plan) -> None:
    declared = {a.parameter.stored[0]: a for a in plan.assignments}
    model = compile_plan(plan).to_empty(device="cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        for name, module in model.named_modules():
            own = dict(module.named_parameters(recurse=False))
            if not own:
                continue
            draws: dict[str, list[torch.Tensor]] = {key: [] for key in own}
            for _ in range(DRAWS):
                module.reset_parameters()
                for key, parameter in own.items():
                    draws[key].append(parameter.detach().clone())
            for key, tensors in draws.items():
                assignment = declared.pop(f"{name}.{key}")
                values = torch.stack(tensors).double()
                row = assignment.parameter.padding_row
                if row is not None:
                    assert not values[:, row].any()
                    values = torch.cat([values[:, :row], values[:, row + 1 :]], dim=1)
                check(assignment.distribution, values)
    assert not declared


def check(distribution, values: torch.Tensor) -> None:
    n = values.numel()
    match distribution:
        case Constant(value=value):
            assert (values == value).all()
        case Uniform(low=low, high=high):
            # The outermost of n uniforms lies within 20 / n of the end, but for one in 1e8.
            reach = (high - low) * min(1.0, 20 / n)
            assert low <= values.min() <= low + reach
            assert high - reach <= values.max() <= high
            moments(values, 0.0, (high - low) / sqrt(12), 1.8)
        case Normal(mean=mean, std=std):
            moments(values, mean, std, 3.0)
        case _:
            raise AssertionError(distribution)


def moments(values: torch.Tensor, mean: float, std: float, kurtosis: float) -> None:
    """Within five standard errors, which the kurtosis gives for the variance."""
    n = values.numel()
    assert abs(values.mean().item() - mean) <= 5 * std / sqrt(n)
    variance = (values - mean).square().mean().item()
    assert abs(variance / std**2 - 1) <= 5 * sqrt((kurtosis - 1) / n)
