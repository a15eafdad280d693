"""Singular values against numpy's, and their edges against random matrices."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from seobuilder.health import spectrum as module
from seobuilder.health.spectrum import Edges, as_matrices, declared_edges, spectrum
from seobuilder.health.statistics import measure
from seobuilder.init.draw import draw
from seobuilder.init.threads import one_thread
from seobuilder.planning.distributions import (
    Constant,
    DeltaOrthogonal,
    Distribution,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)
from seobuilder.planning.model import Parameter
from seobuilder.report.parameters import Spectrum


def normal(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return (values * 0.02).to(dtype)


def found(
    weight: Tensor,
    parameter: Parameter | None = None,
    error: float = 0.02,
    edges: Edges | None = None,
) -> Spectrum:
    result = spectrum(as_matrices(weight, parameter), measure(weight), edges, error)
    assert result is not None
    return result


@pytest.mark.parametrize("shape", [(40, 30), (30, 40), (1, 7), (7, 1), (8, 4, 3, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_small_matrices_have_exact_singular_values(
    shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    weight = normal(*shape, dtype=dtype)
    got = found(weight)
    expected = np.linalg.svd(weight.double().numpy().reshape(shape[0], -1), compute_uv=False)
    assert got.values == pytest.approx(expected, rel=1e-9)
    assert (got.largest, got.smallest) == (got.values[0], got.values[-1])
    assert (got.method, got.edges) == ("exact", None)


def test_many_singular_values_are_told_by_quantiles() -> None:
    weight = normal(200, 200)
    all_values = np.linalg.svd(weight.double().numpy(), compute_uv=False)
    got = found(weight).values
    assert len(got) == 64
    assert (got[0], got[-1]) == pytest.approx((all_values[0], all_values[-1]), rel=1e-6)
    assert got[32] == pytest.approx(np.median(all_values), rel=0.03)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_no_square_leaves_the_range_of_numbers(scale: float) -> None:
    weight = normal(64, 48) * scale
    expected = np.linalg.norm(weight.double().numpy(), 2)
    assert found(weight).largest == pytest.approx(expected, rel=1e-9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "EXACT", 0)
        assert found(weight, error=1e-4).largest == pytest.approx(expected, rel=1e-4)


def spiked(factor: float, weight: Tensor) -> Tensor:
    """The weight with its largest singular value so many times as large."""
    u, values, v = torch.linalg.svd(weight.double(), full_matrices=False)
    values[0] *= factor
    return ((u * values) @ v).float()


def low_rank(rank: int, rows: int = 900, columns: int = 300) -> Tensor:
    """A product of two random factors, with singular values of every size."""
    left, right = normal(rows, rank), normal(columns, rank)
    return left * torch.linspace(1, 2, rank) @ right.mT


LARGE: dict[str, Callable[[], Tensor]] = {
    "tall": lambda: normal(2000, 100),
    "wide": lambda: normal(100, 2000),
    "square": lambda: normal(300, 300),
    "narrow": lambda: normal(1000, 5),
    "one column": lambda: normal(1000, 1),
    "bfloat16": lambda: normal(1000, 200, dtype=torch.bfloat16),
    "float16": lambda: normal(1000, 200, dtype=torch.float16),
    "float64": lambda: normal(1000, 200, dtype=torch.float64),
    "uniform": lambda: torch.rand(1000, 200, generator=torch.Generator().manual_seed(1)) - 0.5,
    "of a mean": lambda: normal(1000, 200) + 0.01,
    "constant": lambda: torch.full((1000, 200), 0.3),
    "orthogonal": lambda: torch.linalg.qr(normal(1000, 200)).Q,
    "orthogonal, one larger": lambda: spiked(1.2, torch.linalg.qr(normal(1000, 200)).Q),
    "identity": lambda: torch.eye(200),
    "one element": lambda: torch.eye(200) * torch.eye(200)[3],
    **{f"tall, largest x {by}": partial(spiked, by, normal(2000, 100)) for by in (1.03, 1.2, 2)},
    **{f"square, largest x {by}": partial(spiked, by, normal(300, 300)) for by in (1.03, 1.2, 2)},
    **{f"rank {rank}": partial(low_rank, rank) for rank in (1, 2, 8, 12, 50)},
    "falling": lambda: torch.linalg.qr(normal(900, 300)).Q * torch.arange(1, 301) ** -0.25,
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE.keys())
def test_large_matrices_are_known_to_the_stated_error(
    make: Callable[[], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = make()
    expected = np.linalg.norm(weight.double().numpy(), 2)
    monkeypatch.setattr(module, "EXACT", 0)
    for error in (module.LANCZOS_ERROR, 1e-3, 1e-4):
        got = found(weight, error=error)
        assert got.largest == pytest.approx(expected, rel=error)
        assert (got.method, got.error, got.smallest, got.values) == ("lanczos", error, None, ())


@pytest.mark.parametrize("shape", [(3000, 100), (100, 3000), (400, 400), (1000, 250)])
@pytest.mark.parametrize(
    "distribution",
    [Normal(0, 0.02), Uniform(-0.1, 0.1), TruncatedNormal(0, 0.02), Orthogonal(1.5)],
)
def test_drawn_weights_are_known_to_the_stated_error(
    shape: tuple[int, int], distribution: Distribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EXACT", 0)
    weight = draw(distribution, shape, name="a.weight", seed=1)
    expected = np.linalg.norm(weight.double().numpy(), 2)
    got = found(weight, edges=declared_edges(distribution, shape))
    assert got.largest == pytest.approx(expected, rel=module.LANCZOS_ERROR)


def test_the_number_of_threads_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = normal(700, 64)
    monkeypatch.setattr(module, "_PART", 1 << 13)
    for limit, edges in ((module.EXACT, None), (0, None), (0, (0.0, 1.0))):
        monkeypatch.setattr(module, "EXACT", limit)
        threads = torch.get_num_threads()
        results = []
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            results.append(found(weight, edges=edges))
        torch.set_num_threads(threads)
        with one_thread():
            assert results == [found(weight, edges=edges)] * 3


def test_what_has_no_spectrum() -> None:
    nothing = torch.empty(3, 0)
    assert spectrum(as_matrices(nothing), measure(nothing)) is None
    wrong = normal(3, 3)
    wrong[0, 0] = torch.nan
    assert spectrum(as_matrices(wrong), measure(wrong)) is None
    zeros = found(torch.zeros(4, 3))
    assert (zeros.largest, zeros.smallest, zeros.values) == (0, 0, (0, 0, 0))


def test_gates_and_groups_are_matrices_of_their_own() -> None:
    weight = torch.cat([torch.eye(4), 2 * torch.eye(4), 3 * torch.eye(4)])
    gates = Parameter("a.weight", ("a",), (12, 4), "weight", "gru", blocks=3)
    got = found(weight, gates)
    assert (got.rows, got.columns) == (4, 4)
    assert got.values == pytest.approx([3] * 4 + [2] * 4 + [1] * 4)
    grouped = Parameter("a.weight", ("a",), (8, 2, 3, 3), "weight", "conv2d", groups=4)
    assert found(normal(8, 2, 3, 3), grouped).columns == 18
    assert as_matrices(normal(8, 2, 3, 3), grouped).shape == (4, 2, 18)


def test_rows_of_a_transposed_convolution_are_its_outputs() -> None:
    weight = normal(6, 2, 3, 3)  # 6 inputs, 2 groups of 2 outputs
    parameter = Parameter("a.weight", ("a",), (6, 2, 3, 3), "weight", "conv_transpose2d", groups=2)
    matrices = as_matrices(weight, parameter)
    assert matrices.shape == (2, 2, 27)
    assert torch.equal(matrices[1, 0], weight[3:, 0].flatten())


def test_orthogonal_matrices_have_the_gain() -> None:
    for distribution, shape in (
        (Orthogonal(1.5, blocks=3), (36, 20)),
        (DeltaOrthogonal(1.5), (8, 12, 3, 3)),
        (DeltaOrthogonal(1.5), (12, 8, 3)),
    ):
        weight = draw(distribution, shape, name="a.weight", seed=1)
        matrices = as_matrices(weight, None, distribution)
        got = spectrum(matrices, measure(weight), declared_edges(distribution, (1, 1)))
        assert got is not None and got.edges == (1.5, 1.5)
        assert (got.largest, got.smallest) == pytest.approx((1.5, 1.5), rel=1e-5)


@pytest.mark.parametrize(
    "distribution", [Normal(0, 0.02), Uniform(-0.1, 0.1), TruncatedNormal(0, 0.02)]
)
def test_independent_elements_end_at_the_edges(distribution: Distribution) -> None:
    weight = draw(distribution, (900, 300), name="a.weight", seed=1)
    edges = declared_edges(distribution, (900, 300))
    assert edges is not None
    got = found(weight)
    assert (got.smallest, got.largest) == pytest.approx(edges, rel=0.05)


def test_nothing_is_predicted_of_others() -> None:
    for distribution in (None, Normal(0.1, 0.02), Sparse(0.1, 1.0), Constant(0)):
        assert declared_edges(distribution, (30, 20)) is None
