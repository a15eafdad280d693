"""Drawn weights: declared moments, support, exact structure, and the same bits however drawn."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from math import erfc, prod, sqrt
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from seobuilder.init import draw as draw_module
from seobuilder.init import elementwise, matrices
from seobuilder.init.draw import SAMPLERS, draw, fill_
from seobuilder.init.elementwise import BLOCK, standard_normal_
from seobuilder.init.streams import KeyStream, Stream
from seobuilder.init.threads import in_turn
from seobuilder.planning.distributions import (
    Constant,
    DeltaOrthogonal,
    Dirac,
    Distribution,
    ForgetGate,
    Identity,
    Keep,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)

ELEMENTWISE: list[Distribution] = [
    Constant(0.3),
    Uniform(-0.1, 0.2),
    Normal(0.5, 0.02),
    TruncatedNormal(0.0, 0.02),
    TruncatedNormal(1.0, 0.5, -1, 3),
    TruncatedNormal(0.0, 1.0, 3, 6),
    TruncatedNormal(0.0, 1.0, -9, -2),
    TruncatedNormal(0.0, 1.0, -12, -8),
    TruncatedNormal(0.0, 1.0, -1e-3, 2e-3),
]
MATRICES: list[Distribution] = [
    Identity(2.0),
    Identity(0.5, blocks=3),
    Dirac(groups=2),
    Orthogonal(1.5),
    Orthogonal(1.0, blocks=3),
    DeltaOrthogonal(0.5),
    Sparse(0.25, 0.1),
    ForgetGate(1.5),
]
EVERY = ELEMENTWISE + MATRICES


def label(distribution: Distribution) -> str:
    return distribution.describe()


def whole(distribution: Distribution, shape: tuple[int, ...], name: str = "a.weight") -> Tensor:
    return draw(distribution, shape, name=name, seed=11)


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def test_every_family_but_keep_has_a_sampler() -> None:
    assert set(SAMPLERS) == {type(d) for d in EVERY}
    with pytest.raises(AssertionError):
        whole(Keep(), (2, 2))


@pytest.mark.parametrize("distribution", ELEMENTWISE, ids=label)
def test_moments_of_elementwise_families(distribution: Distribution) -> None:
    values = draw(distribution, (400_000,), name="a", seed=11, dtype=torch.float64)
    expected = distribution.moments((400_000,))
    assert expected is not None
    mean, std = expected
    assert abs(values.mean().item() - mean) <= 5 * std / sqrt(400_000) + 1e-15
    # The standard error of a variance, from the fourth moment of what was drawn.
    squares = (values - mean) ** 2
    assert abs(squares.mean().item() - std**2) <= 5 * squares.std().item() / sqrt(400_000) + 1e-15


@pytest.mark.parametrize("distribution", MATRICES, ids=label)
@pytest.mark.parametrize("shape", [(12, 6, 3), (6, 48, 2, 2), (96, 5, 1)])
def test_moments_of_matrices(distribution: Distribution, shape: tuple[int, ...]) -> None:
    pooled = torch.stack([whole(distribution, shape, name=str(i)) for i in range(40)]).double()
    expected = distribution.moments(shape)
    assert expected is not None
    mean, std = expected
    error = 5 * std / sqrt(pooled.numel())
    assert abs(pooled.mean().item() - mean) <= error
    # The number of non-zero elements is exact, so their squares scatter as a normal's do at most.
    share = (pooled != 0).double().mean().item()
    assert pooled.std(correction=0).item() == pytest.approx(
        std, rel=5 / sqrt(2 * share * pooled.numel())
    )


def upper_tail(x: float) -> float:
    return erfc(x / sqrt(2)) / 2


@pytest.mark.parametrize("d", [d for d in ELEMENTWISE if isinstance(d, TruncatedNormal)], ids=label)
def test_truncated_normal_follows_its_cdf_up_to_the_cuts(d: TruncatedNormal) -> None:
    count = 50_000
    values = draw(d, (count,), name="a", seed=11, dtype=torch.float64).sort().values
    slack = 1e-12 * max(1.0, abs(d.parent_mean))
    assert d.low - slack <= values[0]
    assert values[-1] <= d.high + slack
    standard = ((values - d.parent_mean) / d.parent_std).tolist()
    # Counted from the side where the tail is small, so that the reference is exact as well.
    side = 1.0 if d.cut_low + d.cut_high > 0 else -1.0
    near, far = sorted((side * d.cut_low, side * d.cut_high))
    mass = upper_tail(near) - upper_tail(far)
    cdf = np.sort([(upper_tail(near) - upper_tail(side * z)) / mass for z in standard])
    steps = np.arange(count + 1) / count
    distance = max(np.abs(cdf - steps[:-1]).max(), np.abs(cdf - steps[1:]).max())
    # Kolmogorov's bound at a probability of 1e-6.
    assert distance < sqrt(-0.5 * np.log(1e-6 / 2)) / sqrt(count)


@pytest.mark.parametrize(
    "distribution", [Normal(0, 1), TruncatedNormal(0, 1), TruncatedNormal(0, 1, -20, 20)], ids=label
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_tails_are_finite(
    distribution: Distribution, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The outermost cells, and in float64 the outermost parts of them.
    reads = iter([[2**31, 2**31 - 1], [0, 2**32 - 1]])
    monkeypatch.setattr(
        KeyStream, "read", lambda self, out: np.copyto(out, next(reads), casting="unsafe")
    )
    low, high = draw(distribution, (2,), name="a", seed=0, dtype=dtype).tolist()
    assert low == -high
    assert 1 < high < 9


@pytest.mark.parametrize(
    "d",
    [Normal(0.1, 2.0), TruncatedNormal(0.0, 0.02), TruncatedNormal(0.0, 1.0, -1, 4)],
    ids=label,
)
def test_float32_draws_follow_the_exact_cdf(d: Normal | TruncatedNormal) -> None:
    count = 1 << 22
    values = draw(d, (count,), name="a", seed=11).sort().values.double()
    if isinstance(d, Normal):
        cdf = torch.special.ndtr((values - d.mean) / d.std)
    else:
        low, high = (upper_tail(-cut) for cut in (d.cut_low, d.cut_high))
        cdf = (torch.special.ndtr((values - d.parent_mean) / d.parent_std) - low) / (high - low)
    steps = torch.arange(count + 1) / count
    distance = max((cdf - steps[:-1]).abs().max().item(), (cdf - steps[1:]).abs().max().item())
    assert distance < sqrt(-0.5 * np.log(1e-6 / 2)) / sqrt(count)
    # Rounding never folds the tails together.
    assert values[0] < values[1] < values[2]


@pytest.mark.parametrize(
    "d",
    # At these cuts the outermost float32 uniform would come out one unit in the last place beyond.
    [TruncatedNormal(0.0, 0.02, -cut, cut) for cut in (0.4078719146097398, 0.5157438292194796)],
    ids=label,
)
def test_rounding_never_steps_over_a_cut(
    d: TruncatedNormal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        KeyStream, "read", lambda self, out: np.copyto(out, [2**31, 2**31 - 1], casting="unsafe")
    )
    low, high = draw(d, (2,), name="a", seed=0)
    assert low >= np.float32(d.low)
    assert high <= np.float32(d.high)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(EVERY), st.data())
def test_any_slice_equals_the_slice_of_the_whole(
    distribution: Distribution, data: st.DataObject
) -> None:
    shape = (12, 6, 3)
    start = data.draw(st.integers(0, prod(shape)))
    stop = data.draw(st.integers(start, prod(shape)))
    padding = data.draw(st.none() | st.integers(0, 11))
    full = draw(distribution, shape, name="a", seed=1, padding_row=padding)
    part = draw(distribution, shape, name="a", seed=1, start=start, stop=stop, padding_row=padding)
    assert torch.equal(part.view(-1), full.view(-1)[start:stop])
    if padding is not None:
        assert not full[padding].any()


def test_a_slice_across_blocks_equals_the_slice_of_the_whole() -> None:
    shape = (3 * BLOCK + 5,)
    for distribution in (Uniform(-1, 1), Normal(0, 1), TruncatedNormal(0, 1)):
        full = whole(distribution, shape)
        for start, stop in ((BLOCK - 3, BLOCK + 4), (1, 2 * BLOCK + 2), (2 * BLOCK, 3 * BLOCK + 5)):
            part = draw(distribution, shape, name="a.weight", seed=11, start=start, stop=stop)
            assert torch.equal(part, full[start:stop])


@pytest.mark.parametrize("distribution", EVERY, ids=label)
def test_blocks_and_parts_change_no_bit(
    distribution: Distribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = (60, 40, 5)
    expected = whole(distribution, shape)
    monkeypatch.setattr(elementwise, "BLOCK", 1001)
    monkeypatch.setattr(draw_module, "PART", 3005)
    with threads(3):
        assert torch.equal(whole(distribution, shape), expected)


def test_processes_that_draw_parts_agree_with_one_that_draws_the_whole(tmp_path: Path) -> None:
    script = """
import sys, torch
from seobuilder.init.draw import draw
from seobuilder.planning.distributions import Normal
start, stop = map(int, sys.argv[1:3])
torch.set_num_threads(int(sys.argv[4]))
part = draw(Normal(0.5, 0.02), (5000, 99), name="a.weight", seed=11, start=start, stop=stop)
torch.save(part, sys.argv[3])
"""
    cuts = [0, 123_457, 5000 * 99]
    jobs = []
    for i, (start, stop) in enumerate(pairwise(cuts)):
        arguments = [str(start), str(stop), str(tmp_path / str(i)), str(i + 1)]
        jobs.append(subprocess.Popen([sys.executable, "-c", script, *arguments]))
    assert [job.wait() for job in jobs] == [0, 0]
    parts = [torch.load(tmp_path / str(i)) for i in range(2)]
    assert torch.equal(torch.cat(parts), whole(Normal(0.5, 0.02), (5000, 99)).view(-1))


@pytest.mark.parametrize("distribution", EVERY, ids=label)
def test_the_number_of_threads_changes_no_bit(distribution: Distribution) -> None:
    shape = (390, 300, 3)
    with threads(1):
        alone = whole(distribution, shape)
    with threads(4):
        together = whole(distribution, shape)
        assert torch.get_num_threads() == 4
    assert torch.equal(alone, together)


def test_a_draw_depends_on_its_own_name_and_seed_alone() -> None:
    before = whole(Normal(0, 1), (50, 20))
    whole(Normal(0, 1), (999,), name="b.weight")
    assert torch.equal(before, whole(Normal(0, 1), (50, 20)))
    assert not torch.equal(before, whole(Normal(0, 1), (50, 20), name="b.weight"))
    assert not torch.equal(before, draw(Normal(0, 1), (50, 20), name="a.weight", seed=12))


@pytest.mark.parametrize("distribution", EVERY, ids=label)
def test_no_global_generator_is_touched(distribution: Distribution) -> None:
    torch_before = torch.get_rng_state()
    numpy_before = pickle.dumps(np.random.get_state())
    first = whole(distribution, (12, 6, 3))
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert pickle.dumps(np.random.get_state()) == numpy_before
    torch.rand(1)
    assert torch.equal(whole(distribution, (12, 6, 3)), first)


@pytest.mark.parametrize("distribution", EVERY, ids=label)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_narrow_dtype_is_the_cast_of_float32(
    distribution: Distribution, dtype: torch.dtype
) -> None:
    # Large enough that rounding straight from float64 would differ somewhere.
    shape = (120, 60, 30)
    narrow = draw(distribution, shape, name="a.weight", seed=11, dtype=dtype)
    assert narrow.dtype == dtype
    assert torch.equal(narrow, whole(distribution, shape).to(dtype))


@pytest.mark.parametrize("distribution", EVERY, ids=label)
def test_float64_refines_the_same_values(distribution: Distribution) -> None:
    wide = draw(distribution, (12, 6, 3), name="a.weight", seed=11, dtype=torch.float64)
    moments = distribution.moments((12, 6, 3))
    assert moments is not None
    torch.testing.assert_close(
        wide.float(), whole(distribution, (12, 6, 3)), rtol=1e-5, atol=1e-5 * moments[1]
    )
    if not isinstance(distribution, Identity | Dirac | ForgetGate):
        assert not torch.equal(wide.float().double(), wide)


def test_fill_writes_the_same_bits_into_a_parameter() -> None:
    parameter = torch.nn.Parameter(torch.full((2 * BLOCK // 100, 100), torch.nan))
    result = fill_(parameter, Normal(0, 1), name="a.weight", seed=11, padding_row=3)
    assert result is parameter
    assert parameter.requires_grad
    assert not parameter[3].any()
    expected = whole(Normal(0, 1), tuple(parameter.shape))
    assert torch.equal(parameter[4:].detach(), expected[4:])


@pytest.mark.parametrize("shape", [(40, 40), (100, 30), (30, 100), (1, 7), (7, 1), (1, 1)])
def test_orthogonal_matrices_are_orthogonal(shape: tuple[int, int]) -> None:
    q = whole(Orthogonal(), shape)
    gram = q @ q.T if shape[0] <= shape[1] else q.T @ q
    assert (gram - torch.eye(min(shape))).abs().max() < 1e-5


def test_blocks_are_independent_orthogonal_matrices() -> None:
    blocks = whole(Orthogonal(2.0, blocks=4), (80, 20)).view(4, 20, 20)
    for block in blocks:
        assert (block @ block.T - 4 * torch.eye(20)).abs().max() < 1e-5
    assert (blocks[0] - blocks[1]).abs().max() > 0.1


def test_orthogonal_matrices_follow_haar_s_measure() -> None:
    # Moments of the trace over O(n): Diaconis and Shahshahani 1994, theorem 4.
    count = 4000
    traces = torch.tensor([whole(Orthogonal(), (4, 4), name=str(i)).trace() for i in range(count)])
    assert abs(traces.mean()) < 5 / sqrt(count)
    assert abs((traces**2).mean() - 1) < 5 * sqrt(2 / count)
    assert abs((traces**4).mean() - 3) < 5 * sqrt(96 / count)


def test_both_determinants_occur_as_often() -> None:
    signs = [whole(Orthogonal(), (3, 3), name=str(i)).det().sign().item() for i in range(1000)]
    assert abs(sum(signs)) < 5 * sqrt(1000)


def test_delta_orthogonal_keeps_every_frequency() -> None:
    weight = whole(DeltaOrthogonal(1.5), (12, 8, 3, 5))
    kernel = torch.zeros(12, 8, 9, 9)
    kernel[:, :, :3, :5] = weight
    responses = torch.fft.fft2(kernel).permute(2, 3, 0, 1)
    singular = torch.linalg.svdvals(responses)
    torch.testing.assert_close(singular, torch.full_like(singular, 1.5))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("shape", [(4, 6, 3), (6, 2, 3, 3), (8, 4, 2, 3, 5)])
def test_dirac_is_torch_s(shape: tuple[int, ...], groups: int) -> None:
    expected = torch.nn.init.dirac_(torch.empty(shape), groups)
    assert torch.equal(whole(Dirac(groups), shape), expected)


def test_identity_may_be_rectangular() -> None:
    for shape in ((3, 5), (5, 3)):
        assert torch.equal(whole(Identity(2.0), shape), 2 * torch.eye(*shape))


def test_each_gate_has_an_identity_of_its_own() -> None:
    gates = whole(Identity(2.0, blocks=3), (12, 4)).view(3, 4, 4)
    assert torch.equal(gates, 2 * torch.eye(4).expand(3, 4, 4))


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.01, 1), st.booleans())
def test_sparse_counts_are_exact(rows: int, columns: int, density: float, dead: bool) -> None:
    distribution = Sparse(density, 1.0, dead_rows=dead)
    if not distribution.fits((rows, columns)):
        with pytest.raises(AssertionError):
            whole(distribution, (rows, columns))
        return
    nonzero = whole(distribution, (rows, columns)) != 0
    assert (nonzero.sum(dim=0) == max(1, round(density * rows))).all()
    if not dead:
        assert nonzero.any(dim=1).all()


def test_sparse_columns_differ_and_dead_rows_do_occur_if_allowed() -> None:
    weight = whole(Sparse(0.02, 1.0), (100, 100))
    assert len({tuple(column.tolist()) for column in weight.T}) == 100
    allowed = whole(Sparse(0.02, 1.0, dead_rows=True), (100, 100))
    assert not (allowed != 0).any(dim=1).all()


def test_equal_words_change_no_count_of_a_sparse_column(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Stream.words

    def coarse(stream: Stream, start: int, stop: int) -> NDArray[np.uint32]:
        return real(stream, start, stop) >> np.uint32(28)

    monkeypatch.setattr(Stream, "words", coarse)
    nonzero = whole(Sparse(0.2, 1.0), (100, 30)) != 0
    assert nonzero.sum(dim=0).tolist() == [20] * 30


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(1, 20), st.floats(0, 1), st.sampled_from([0, 20, 28, 32]))
def test_the_smallest_words_of_a_column_are_chosen_and_of_equal_ones_the_first(
    rows: int, columns: int, share: float, lost_bits: int
) -> None:
    stream = Stream(5, f"{rows} {columns}")
    words = stream.words(0, rows * columns).reshape(columns, rows) >> np.uint32(lost_bits)
    count = max(1, round(share * rows))
    expected = np.sort(np.argsort(words, axis=1, kind="stable")[:, :count], axis=1)
    np.testing.assert_array_equal(matrices._smallest(words, count), expected)


def test_large_orthogonal_matrices_are_orthogonal_on_any_number_of_threads() -> None:
    shape = (700, 650)
    assert shape[1] > matrices.PANEL > matrices.REFLECTIONS
    with threads(1):
        q = whole(Orthogonal(), shape)
    with threads(3):
        assert torch.equal(whole(Orthogonal(), shape), q)
    torch.testing.assert_close(q.T @ q, torch.eye(650), atol=1e-5, rtol=0)


def test_an_orthogonal_matrix_is_the_q_of_a_product_of_reflections() -> None:
    count = 150
    normals = torch.empty(count, count, dtype=torch.float64)
    standard_normal_(normals, Stream(11, "a.weight"), in_turn)
    expected = torch.eye(count, dtype=torch.float64)
    for j in range(count):
        # H maps column j to a multiple of the axis j; the sign makes R's diagonal positive.
        v = normals[:, j].clone()
        v[:j] = 0
        sign = -1.0 if v[j] < 0 else 1.0
        v[j] += sign * v.norm()
        expected = expected @ (torch.eye(count) - 2 * torch.outer(v, v) / v.dot(v))
    heads = normals.diagonal()
    expected *= torch.where(heads < 0, 1.0, -1.0)
    drawn = draw(Orthogonal(), (count, count), name="a.weight", seed=11, dtype=torch.float64)
    torch.testing.assert_close(drawn, expected)


def test_sparse_places_are_chosen_alike() -> None:
    hits = sum((whole(Sparse(0.2, 1.0), (10, 50), name=str(i)) != 0).double() for i in range(200))
    assert isinstance(hits, Tensor)
    by_row = hits.sum(dim=1)
    assert (by_row - 2000).abs().max() < 5 * sqrt(200 * 50 * 0.2 * 0.8)
