from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seobuilder.layers import Alibi, PositionEmbedding, Rotary, SinusoidalPositions
from seobuilder.layers.positions import alibi_slopes


@settings(max_examples=40, deadline=None)
@given(i=st.integers(0, 40), j=st.integers(0, 40), shift=st.integers(0, 23))
def test_rotary_scores_depend_on_differences_only(i: int, j: int, shift: int) -> None:
    rotary = Rotary(6, 64)
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 6, generator=generator)

    def score(a: int, b: int) -> float:
        queries, keys, bias = rotary(query.expand(1, 1, 64, 6), key.expand(1, 1, 64, 6))
        assert bias is None
        return float(queries[0, 0, a] @ keys[0, 0, b])

    assert score(i, j) == pytest.approx(score(i + shift, j + shift), abs=1e-5)


def test_rotary_turns_pairs_by_the_papers_angles() -> None:
    rotary = Rotary(4, 8, base=100.0)
    x = torch.randn(1, 1, 8, 4)
    turned, _, _ = rotary(x, x)
    for p in range(8):
        for i in range(2):
            angle = p * 100.0 ** (-2 * i / 4)
            pair = complex(x[0, 0, p, i], x[0, 0, p, i + 2])
            expected = pair * complex(math.cos(angle), math.sin(angle))
            assert float(turned[0, 0, p, i]) == pytest.approx(expected.real, abs=1e-5)
            assert float(turned[0, 0, p, i + 2]) == pytest.approx(expected.imag, abs=1e-5)


def test_rotary_refuses_an_odd_width() -> None:
    with pytest.raises(ValueError, match="even head width, got 5"):
        Rotary(5, 8)


@pytest.mark.parametrize("layer", [Rotary(4, 8), Alibi(1, 8)])
def test_a_longer_sequence_is_refused(layer) -> None:
    x = torch.randn(1, 1, 9, 4)
    with pytest.raises(ValueError, match="9 positions exceeds the 8"):
        layer(x, x)


def test_alibi_slopes_of_a_power_of_two() -> None:
    assert alibi_slopes(8) == [2.0**-n for n in range(1, 9)]
    assert alibi_slopes(1) == [2.0**-8]


def test_alibi_slopes_of_another_count_take_every_second_of_the_next_power() -> None:
    assert alibi_slopes(6) == alibi_slopes(4) + alibi_slopes(8)[0::2][:2]
    assert alibi_slopes(12) == pytest.approx(alibi_slopes(8) + alibi_slopes(16)[0::2][:4])


def test_alibi_bias_is_zero_on_the_diagonal_and_falls_with_distance() -> None:
    x = torch.randn(1, 2, 4, 3)
    query, key, bias = Alibi(2, 4)(x, x)
    assert query is x and key is x
    expected = torch.tensor([[0, 1, 2, 3], [1, 0, 1, 2], [2, 1, 0, 1], [3, 2, 1, 0]])
    torch.testing.assert_close(bias, -torch.tensor([2.0**-4, 2.0**-8])[:, None, None] * expected)


@pytest.mark.parametrize("width", [6, 5])
def test_sinusoidal_table_is_the_papers(width: int) -> None:
    y = SinusoidalPositions(50, width)(torch.tensor([[0, 3, 49]]))
    assert y.shape == (1, 3, width)
    for t, p in enumerate([0, 3, 49]):
        for c in range(width):
            angle = p / 10000 ** ((c - c % 2) / width)
            expected = math.cos(angle) if c % 2 else math.sin(angle)
            assert float(y[0, t, c]) == pytest.approx(expected, abs=1e-6)


def test_position_embedding_looks_its_weight_up() -> None:
    layer = PositionEmbedding(5, 3)
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    torch.testing.assert_close(layer(torch.tensor([[4, 0]]))[0], layer.weight[[4, 0]])


@pytest.mark.parametrize(
    "build", [lambda: Rotary(4, 8), lambda: Alibi(6, 8), lambda: SinusoidalPositions(8, 4)]
)
def test_buffers_are_recomputed_after_meta_and_not_saved(build) -> None:
    with torch.device("meta"):
        layer = build()
    layer.to_empty(device="cpu")
    for buffer in layer.buffers():
        buffer.fill_(torch.nan)
    layer.reset_buffers()
    assert layer.state_dict() == {}
    for (name, found), (_, expected) in zip(
        layer.named_buffers(), build().named_buffers(), strict=True
    ):
        torch.testing.assert_close(found, expected, msg=name)
