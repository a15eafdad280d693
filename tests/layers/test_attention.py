from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from seobuilder.layers import Alibi, Attention, Rotary
from seobuilder.norm import LayerNorm, RMSNorm

WIDTH, HEADS, TIME = 8, 4, 7


def attention(kv_heads: int = HEADS, heads: int = HEADS, **settings: object) -> Attention:
    torch.manual_seed(1)
    return Attention(
        query=nn.Linear(WIDTH, heads * 2),
        key=nn.Linear(WIDTH, kv_heads * 2),
        value=nn.Linear(WIDTH, kv_heads * 2),
        output=nn.Linear(heads * 2, WIDTH),
        heads=heads,
        kv_heads=kv_heads,
        **settings,
    )


def reference(layer: Attention, x: Tensor, mask: Tensor, bias: Tensor | None = None) -> Tensor:
    """Softmax attention, one query at a time."""
    out = torch.zeros(*x.shape[:2], layer.heads * 2)
    shared = layer.heads // layer.kv_heads
    for b in range(x.shape[0]):
        for h in range(layer.heads):
            q = layer.query(x[b])[:, 2 * h : 2 * h + 2]
            g = h // shared
            k = layer.key(x[b])[:, 2 * g : 2 * g + 2]
            v = layer.value(x[b])[:, 2 * g : 2 * g + 2]
            for t in range(x.shape[1]):
                seen = [s for s in range(x.shape[1]) if mask[b, s] and (s <= t or not layer.causal)]
                if not seen:
                    continue
                scores = q[t] @ k[seen].T * (layer.scale or 1 / math.sqrt(2))
                if bias is not None:
                    scores = scores + bias[h, t, seen]
                out[b, t, 2 * h : 2 * h + 2] = scores.softmax(-1) @ v[seen]
    return layer.output(out)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("alibi", [False, True])
def test_it_is_softmax_attention(
    kv_heads: int, causal: bool, scale: float | None, alibi: bool
) -> None:
    positions = Alibi(HEADS, TIME) if alibi else None
    layer = attention(kv_heads, causal=causal, scale=scale, positions=positions)
    x = torch.randn(3, TIME, WIDTH)
    whole = torch.ones(3, TIME, dtype=torch.bool)
    mask = whole.clone()
    mask[1, :3] = False
    mask[2, 4:] = False
    index = torch.arange(TIME)
    slopes = torch.tensor([2.0 ** -(2 * (h + 1)) for h in range(HEADS)])
    bias = -slopes[:, None, None] * (index[:, None] - index).abs() if alibi else None

    torch.testing.assert_close(layer(x), reference(layer, x, whole, bias))
    expected = reference(layer, x, mask, bias)
    torch.testing.assert_close(layer(x, mask)[mask], expected[mask])


def test_grouped_heads_equal_repeated_heads() -> None:
    grouped, full = attention(kv_heads=2), attention(kv_heads=4)
    for name in ("key", "value"):
        few = getattr(grouped, name)
        many = getattr(full, name)
        many.weight.data = few.weight.view(2, 2, WIDTH).repeat_interleave(2, 0).flatten(0, 1)
        many.bias.data = few.bias.view(2, 2).repeat_interleave(2, 0).flatten()
    full.query.load_state_dict(grouped.query.state_dict())
    full.output.load_state_dict(grouped.output.state_dict())
    x = torch.randn(2, TIME, WIDTH)
    torch.testing.assert_close(grouped(x), full(x))


def test_norms_act_on_each_head() -> None:
    layer = attention(query_norm=LayerNorm(2), key_norm=RMSNorm(2))
    query, key, _, _ = layer.project(torch.randn(3, TIME, WIDTH))
    assert query.shape == (3, HEADS, TIME, 2)
    torch.testing.assert_close(query.mean(-1), torch.zeros(3, HEADS, TIME), atol=1e-4, rtol=0)
    torch.testing.assert_close(key.square().mean(-1), torch.ones(3, HEADS, TIME), atol=1e-2, rtol=0)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("positions", ["none", "rotary", "alibi"])
@pytest.mark.parametrize("kv_heads", [4, 1])
def test_padding_changes_nothing(
    padding_changes_nothing, causal: bool, positions: str, kv_heads: int
) -> None:
    built = {"none": None, "rotary": Rotary(2, 9), "alibi": Alibi(HEADS, 9)}[positions]
    padding_changes_nothing(attention(kv_heads, causal=causal, positions=built))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("alibi", [False, True])
def test_no_query_is_left_without_a_key(monkeypatch, causal: bool, alibi: bool) -> None:
    """Some kernels give NaN for a query that sees nothing, others hide it: none is asked to."""

    def plain(query, key, value, attn_mask, **settings):
        scores = query @ key.mT
        if attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, -torch.inf)
        else:
            scores = scores + attn_mask
        return scores.softmax(-1) @ value

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", plain)
    layer = attention(causal=causal, positions=Alibi(HEADS, TIME) if alibi else None)
    mask = torch.ones(3, TIME, dtype=torch.bool)
    mask[0] = False
    mask[1, :3] = False
    assert layer(torch.randn(3, TIME, WIDTH), mask).isfinite().all()


def test_dropout_acts_in_training_only() -> None:
    layer = attention(dropout=0.5)
    x = torch.randn(2, TIME, WIDTH)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="3 key and value heads do not divide 4 heads"):
        attention(kv_heads=3)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
@pytest.mark.parametrize("alibi", [False, True])
def test_scores_are_those_that_forward_weighs_values_with(
    causal: bool, kv_heads: int, alibi: bool
) -> None:
    layer = attention(kv_heads, positions=Alibi(HEADS, 5) if alibi else None, causal=causal)
    x = torch.randn(3, 5, WIDTH)
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2, [False] * 5])
    for given in (None, mask):
        scores, seen = layer.scores(x, given)
        _, _, value, _ = layer.project(x)
        heads = scores.softmax(-1) @ value.repeat_interleave(HEADS // kv_heads, dim=1)
        y = layer.output(heads.transpose(1, 2).flatten(2))
        torch.testing.assert_close(y, layer(x, given))
        assert torch.equal(seen.expand(scores.shape), scores > -torch.inf)
