"""Placements from a recipe, against the formulas of the papers written out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seobuilder.builder import build
from seobuilder.layers import SearchModel
from seobuilder.recipe.load import parse_recipe

RECIPE = """\
version: 1
name: placed
dtype: float64
inputs:
  query: {{kind: tokens, vocab_size: 20, max_length: 6}}
modules:
  words: {{kind: token_embedding, from: query, width: 8}}
  encoder:
    kind: transformer
    from: words
    depth: {depth}
    heads: 2
    qk_norm: {qk_norm}
    ffn: {{kind: mlp, width: 16, activation: gelu}}
  meaning: {{kind: pool, from: encoder, method: mean}}
outputs:
  intent: {{kind: classification, from: meaning, labels: 2}}
normalization:
{rules}
initialization:
  - {{role: norm_scale, method: uniform, low: 0.5, high: 1.5, optional: true}}
  - {{match: "**", method: normal, std: 0.5}}
"""

Layer = Callable[[Tensor], Tensor]


def model(rules: str, *, depth: int = 2, qk_norm: str = "none") -> SearchModel:
    text = RECIPE.format(rules=rules, depth=depth, qk_norm=qk_norm)
    return build(parse_recipe(text.encode(), "placed.yaml", Path())).eval()


class ByHand:
    """The formulas, over the parameters of a built encoder and nothing else of it."""

    def __init__(self, built: SearchModel) -> None:
        encoder = built.get_submodule("encoder")
        self.tensors = {k: v.detach() for k, v in encoder.named_parameters()}
        self.used: set[str] = set()

    def get(self, name: str) -> Tensor:
        self.used.add(name)
        return self.tensors[name]

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self.get(f"{name}.weight").T + self.get(f"{name}.bias")

    def layer_norm(self, name: str, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        y = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return self.get(f"{name}.weight") * y + self.get(f"{name}.bias")

    def rms_norm(self, name: str, x: Tensor) -> Tensor:
        y = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return self.get(f"{name}.weight") * y

    def attention(self, at: str, x: Tensor, qk: Callable[[str, Tensor], Tensor] | None) -> Tensor:
        query, key, value = (self.linear(f"{at}.{part}", x) for part in ("query", "key", "value"))
        heads = []
        for head in (slice(0, 4), slice(4, 8)):
            q, k, v = query[..., head], key[..., head], value[..., head]
            if qk is not None:
                q, k = qk(f"{at}.query_norm", q), qk(f"{at}.key_norm", k)
            heads.append(F.softmax(q @ k.mT / 4**0.5, dim=-1) @ v)
        return self.linear(f"{at}.output", torch.cat(heads, dim=-1))

    def ffn(self, at: str, x: Tensor) -> Tensor:
        return self.linear(f"{at}.down", F.gelu(self.linear(f"{at}.up", x)))


Norm = Callable[[str, Tensor], Tensor]
Block = Callable[[Norm, str, Tensor, Layer, int], Tensor]


def none(norm: Norm, at: str, x: Tensor, f: Layer, depth: int) -> Tensor:
    return x + f(x)


def pre(norm: Norm, at: str, x: Tensor, f: Layer, depth: int) -> Tensor:
    return x + f(norm(f"{at}_input_norm", x))


def post(norm: Norm, at: str, x: Tensor, f: Layer, depth: int) -> Tensor:
    return norm(f"{at}_residual_norm", x + f(x))


def sandwich(norm: Norm, at: str, x: Tensor, f: Layer, depth: int) -> Tensor:
    return x + norm(f"{at}_output_norm", f(norm(f"{at}_input_norm", x)))


def output(norm: Norm, at: str, x: Tensor, f: Layer, depth: int) -> Tensor:
    return x + norm(f"{at}_output_norm", f(x))


def deepnorm(norm: Norm, at: str, x: Tensor, f: Layer, depth: int) -> Tensor:
    return norm(f"{at}_residual_norm", (2 * depth) ** 0.25 * x + f(x))


# The formula of a branch, a norm before the first block, a norm after the last.
PLACEMENTS: dict[str, tuple[Block, bool, bool]] = {
    "none": (none, False, False),
    "pre": (pre, False, True),
    "post": (post, False, False),
    "sandwich": (sandwich, False, True),
    "peri": (sandwich, True, True),
    "output": (output, False, True),
    "deepnorm": (deepnorm, False, False),
}


def check(
    built: SearchModel,
    methods: list[tuple[str, str]],
    *,
    qk_norm: str = "none",
    opens: bool | None = None,
    closes: bool | None = None,
) -> None:
    """Hold an encoder against the formulas of one (method, placement) for each block."""
    hand = ByHand(built)
    norms: dict[str, Norm] = {"layer_norm": hand.layer_norm, "rms_norm": hand.rms_norm}
    x = torch.randn(3, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    y = x
    first, last = methods[0], methods[-1]
    if PLACEMENTS[first[1]][1] if opens is None else opens:
        y = norms[first[0]]("input_norm", y)
    for index, (method, placement) in enumerate(methods):
        formula, norm, at = PLACEMENTS[placement][0], norms[method], f"blocks.{index}"

        def attend(z: Tensor, at: str = at) -> Tensor:
            return hand.attention(f"{at}.attention", z, norms.get(qk_norm))

        def feed(z: Tensor, at: str = at) -> Tensor:
            return hand.ffn(f"{at}.ffn", z)

        y = formula(norm, f"{at}.attention", y, attend, len(methods))
        y = formula(norm, f"{at}.ffn", y, feed, len(methods))
    if PLACEMENTS[last[1]][2] if closes is None else closes:
        y = norms[last[0]]("final_norm", y)

    torch.testing.assert_close(built.get_submodule("encoder")(x), y, atol=1e-9, rtol=1e-9)
    assert hand.used == set(hand.tensors), "a parameter that no formula has"


def rule(method: str, placement: str, extra: str = "", match: str = "encoder.blocks.*") -> str:
    if placement == "none":
        return f'  - {{match: "{match}", method: none}}'
    return f'  - {{match: "{match}", method: {method}, placement: {placement}{extra}}}'


@pytest.mark.parametrize("qk_norm", ["none", "layer_norm", "rms_norm"])
@pytest.mark.parametrize("method", ["layer_norm", "rms_norm"])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_a_placement_is_its_formula(placement: str, method: str, qk_norm: str) -> None:
    check(
        model(rule(method, placement), qk_norm=qk_norm), [(method, placement)] * 2, qk_norm=qk_norm
    )


@pytest.mark.parametrize("closes", [True, False])
@pytest.mark.parametrize("opens", [True, False])
@pytest.mark.parametrize("placement", [name for name in PLACEMENTS if name != "none"])
def test_opening_and_closing_norms_as_told(placement: str, opens: bool, closes: bool) -> None:
    extra = f", embedding: {str(opens).lower()}, final: {str(closes).lower()}"
    built = model(rule("layer_norm", placement, extra))
    check(built, [("layer_norm", placement)] * 2, opens=opens, closes=closes)


def test_different_blocks_have_different_norms_by_pattern() -> None:
    rules = [
        rule("rms_norm", "peri", match="encoder.blocks.<0-2>"),
        rule("layer_norm", "none", match="encoder.blocks.3"),
        rule("layer_norm", "post"),
    ]
    check(
        model("\n".join(rules), depth=6),
        [("rms_norm", "peri")] * 3 + [("layer_norm", "none")] + [("layer_norm", "post")] * 2,
    )


def test_deepnorm_takes_the_depth_of_its_own_encoder() -> None:
    check(model(rule("layer_norm", "deepnorm"), depth=5), [("layer_norm", "deepnorm")] * 5)


BLOCKS = """\
version: 1
name: blocks
dtype: float64
inputs:
  page: {{kind: features, size: 5, scale: none}}
modules:
  facts: {{kind: mlp, from: page, widths: [6, 4], activation: relu}}
outputs:
  quality: {{kind: regression, from: facts}}
normalization:
  - {{match: facts.0, method: layer_norm, placement: {placement}}}
initialization:
  - {{match: "**", method: normal, std: 0.5}}
"""


@pytest.mark.parametrize("placement", ["before_activation", "after_activation"])
def test_blocks_with_an_activation(placement: str) -> None:
    text = BLOCKS.format(placement=placement)
    built = build(parse_recipe(text.encode(), "blocks.yaml", Path())).eval()
    p = {k: v.detach() for k, v in built.get_submodule("facts").named_parameters()}
    x = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def norm(z: Tensor) -> Tensor:
        centred = z - z.mean(-1, keepdim=True)
        y = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        return p["0.norm.weight"] * y + p["0.norm.bias"]

    y = x @ p["0.linear.weight"].T + p["0.linear.bias"]
    y = norm(y).relu() if placement == "before_activation" else norm(y.relu())
    y = (y @ p["1.linear.weight"].T + p["1.linear.bias"]).relu()
    torch.testing.assert_close(built.get_submodule("facts")(x), y, atol=1e-9, rtol=1e-9)
