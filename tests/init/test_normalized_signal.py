"""What placements of norms promise of the gradient and of the tokens at the start of training."""

from __future__ import annotations

from itertools import pairwise
from math import log, sqrt
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seobuilder.builder import build
from seobuilder.recipe.load import parse_recipe

RECIPE = """\
version: 1
name: deep
inputs:
  query: {{kind: tokens, vocab_size: 100, max_length: 32}}
modules:
  words: {{kind: token_embedding, from: query, width: {width}}}
  encoder:
    kind: transformer
    from: words
    depth: {depth}
    heads: 4
    ffn: {{kind: mlp, width: {ffn}, activation: relu}}
  meaning: {{kind: pool, from: encoder, method: mean}}
outputs:
  quality: {{kind: regression, from: meaning}}
normalization:
  - {{match: "encoder.blocks.*", method: layer_norm, placement: {placement}}}
initialization:
  {rules}
"""
XAVIER = """\
- {role: norm_scale, method: ones}
  - {match: "**.bias", method: zeros}
  - {role: embedding, method: normal, std: 1}
  - {match: "**.weight", method: xavier_normal}"""
DEEPNORM = "- {preset: deepnorm}"


def encoder(placement: str, depth: int, width: int, rules: str = XAVIER) -> nn.Module:
    text = RECIPE.format(placement=placement, depth=depth, width=width, ffn=4 * width, rules=rules)
    model = build(parse_recipe(text.encode(), "deep.yaml", Path()))
    return model.get_submodule("encoder").eval()


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def last_gradient(placement: str, depth: int) -> float:
    """Norm of the gradient of the last block's feed-forward weights.

    The loss weighs every coordinate of every token at random: the gradients of two tokens don't
    add up in phase, however alike the tokens become.
    """
    width = 64
    layers = encoder(placement, depth, width)
    (layers(normal(16, 16, width, seed=1)) * normal(16, 16, width, seed=2)).sum().backward()
    gradients = [
        layers.get_parameter(f"blocks.{depth - 1}.ffn.{part}.weight").grad
        for part in ("up", "down")
    ]
    return sqrt(sum(g.square().sum().item() for g in gradients if g is not None))


DEPTHS = (4, 8, 16, 32)


def test_pre_norm_gradient_of_the_last_block_falls_like_one_over_the_root_of_depth() -> None:
    """Xiong et al. 2020, arXiv:2002.04745, theorem 1."""
    found = [last_gradient("pre", depth) for depth in DEPTHS]
    slope = log(found[-1] / found[0]) / log(DEPTHS[-1] / DEPTHS[0])
    assert slope == pytest.approx(-0.5, abs=0.1)
    assert all(1.2 < shallow / deep < 1.75 for shallow, deep in pairwise(found))


def test_post_norm_gradient_of_the_last_block_stays() -> None:
    found = [last_gradient("post", depth) for depth in DEPTHS]
    slope = log(found[-1] / found[0]) / log(DEPTHS[-1] / DEPTHS[0])
    assert slope == pytest.approx(0.0, abs=0.1)
    assert all(0.85 < shallow / deep < 1.18 for shallow, deep in pairwise(found))


@torch.no_grad()
def likeness(placement: str, rules: str) -> float:
    """Mean cosine between different tokens of a sequence, after 24 blocks, from random tokens."""
    y = F.normalize(encoder(placement, 24, 256, rules)(normal(4, 32, 256, seed=1)), dim=-1)
    tokens = y.shape[1]
    cosines = (y @ y.mT).sum(dim=(1, 2)) - tokens
    return float(cosines.mean()) / (tokens * (tokens - 1))


def test_post_norm_makes_all_tokens_alike() -> None:
    assert likeness("post", XAVIER) > 0.999


def test_deepnorm_keeps_tokens_apart() -> None:
    """By its alpha and beta together: DeepNet, Wang et al. 2022, arXiv:2203.00555, figure 2."""
    assert abs(likeness("deepnorm", DEEPNORM)) < 0.02
    assert likeness("deepnorm", XAVIER) > 0.5
