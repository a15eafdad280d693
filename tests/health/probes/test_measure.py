"""Numbers of one signal, against what they are by hand."""

from __future__ import annotations

import math

import pytest
import torch

from seobuilder.health.probes.measure import (
    MOST_ROWS,
    dead_share,
    expected_dead,
    rows_of,
    similarity,
    thinned,
)


def test_rows_are_the_real_positions_of_all_examples() -> None:
    sequence = torch.arange(12.0).reshape(2, 3, 2)
    mask = torch.tensor([[True, True, False], [True, False, False]])
    rows, examples = rows_of(sequence, mask)
    assert rows.tolist() == [[0, 1], [2, 3], [6, 7]] and examples.tolist() == [0, 0, 1]
    rows, examples = rows_of(sequence, None)
    assert rows.shape == (6, 2) and examples.tolist() == [0, 0, 0, 1, 1, 1]


def test_vectors_numbers_and_maps_are_rows_of_units() -> None:
    rows, examples = rows_of(torch.ones(4, 3, dtype=torch.bfloat16), None)
    assert rows.shape == (4, 3) and rows.dtype == torch.float64
    assert examples.tolist() == [0, 1, 2, 3]
    assert rows_of(torch.ones(5), None)[0].shape == (5, 1)
    pixels = torch.arange(16.0).reshape(2, 2, 2, 2)  # [B, C, H, W]
    rows, examples = rows_of(pixels, None)
    assert rows.tolist()[0] == [0, 4] and examples.tolist() == [0] * 4 + [1] * 4


def test_a_mask_of_another_shape_does_not_apply() -> None:
    rows, _ = rows_of(torch.ones(2, 3), torch.tensor([[True, False], [True, False]]))
    assert len(rows) == 2


def test_similarity_is_the_mean_cosine_of_all_pairs() -> None:
    rows = torch.randn(9, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    owners = torch.tensor([0, 0, 0, 1, 1, 2, 3, 3, 3])
    cosines = torch.nn.functional.cosine_similarity(rows[:, None], rows[None], dim=2)
    others = ~torch.eye(9, dtype=torch.bool)
    assert similarity(rows, owners, within=False) == pytest.approx(float(cosines[others].mean()))
    means = [
        cosines[owners == n][:, owners == n][others[owners == n][:, owners == n]].mean()
        for n in (0, 1, 3)
    ]
    assert similarity(rows, owners, within=True) == pytest.approx(float(sum(means)) / 3)


def test_similarity_needs_two_rows_that_are_not_zero() -> None:
    one = torch.ones(1, 3, dtype=torch.float64)
    assert similarity(one, torch.zeros(1, dtype=torch.long), within=False) is None
    zeros = torch.zeros(4, 3, dtype=torch.float64)
    assert similarity(zeros, torch.zeros(4, dtype=torch.long), within=False) is None
    pairs = torch.ones(3, 3, dtype=torch.float64)
    assert similarity(pairs, torch.arange(3), within=True) is None
    assert similarity(pairs, torch.arange(3), within=False) == pytest.approx(1)


def test_many_rows_are_thinned_evenly() -> None:
    rows = torch.arange(3.0 * MOST_ROWS)[:, None]
    kept = thinned(rows)
    assert len(kept) == MOST_ROWS and (kept[0], kept[-1]) == (0, 3 * MOST_ROWS - 1)
    assert thinned(kept) is kept


def test_dead_units_are_zero_on_all_rows() -> None:
    rows = torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 2.0]])
    assert dead_share(rows) == 0.5 and dead_share(rows[:0]) is None


def test_expected_dead_units_at_the_ends() -> None:
    assert expected_dead(0.0, 5) == pytest.approx(2**-5, rel=1e-6)
    assert expected_dead(0.3, 1) == pytest.approx(0.5, rel=1e-6)
    assert expected_dead(1.0, 10) == 0.5
    # Two normals of correlation c: 1/4 + arcsin(c) / (2 pi), Sheppard's formula.
    for c in (0.1, 0.5, 0.9):
        expected = 0.25 + math.asin(c) / (2 * math.pi)
        assert expected_dead(c, 2) == pytest.approx(expected, rel=1e-6)


def test_depth_makes_units_dead_as_predicted() -> None:
    """Kaiming, width 512, 256 rows: about 0, 10, 25 and 29 % at depths 1, 10, 20 and 30."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(256, 512, generator=generator, dtype=torch.float64)
    every = torch.zeros(256, dtype=torch.long)
    found = {}
    for depth in range(1, 31):
        weight = torch.randn(512, 512, generator=generator, dtype=torch.float64)
        before = x @ weight.T * math.sqrt(2 / 512)
        x = before.relu()
        alike = similarity(before, every, within=False)
        assert alike is not None
        found[depth] = dead_share(x), expected_dead(alike, 256)
    for depth, share in ((1, 0.0), (10, 0.12), (20, 0.26), (30, 0.32)):
        measured, expected = found[depth]
        assert measured == pytest.approx(share, abs=0.07)
        assert measured == pytest.approx(expected, abs=0.05)
