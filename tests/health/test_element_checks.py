"""Shape, zeros and dead rows: each fault is found, and sound draws of every dtype pass."""

from __future__ import annotations

import pytest
import torch
from health_subjects import check, codes, normal, subject
from torch import Tensor

from seobuilder.health.element_checks import SAMPLE, check_dead_rows, check_shape, check_zeros
from seobuilder.init.draw import draw
from seobuilder.planning.distributions import (
    Constant,
    DeltaOrthogonal,
    Distribution,
    Keep,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)

FAMILIES: list[tuple[Distribution, tuple[int, ...]]] = [
    (Normal(0, 0.02), (600, 400)),
    (Normal(0.5, 0.02), (600, 400)),
    (Uniform(-0.1, 0.3), (600, 400)),
    (TruncatedNormal(0, 0.02), (600, 400)),
    (TruncatedNormal(0, 0.02, 0.5, 3), (600, 400)),
    (Orthogonal(1.4, blocks=4), (600, 400)),
    (Sparse(0.1, 0.02), (600, 400)),
    (DeltaOrthogonal(), (60, 40, 5)),
    (Orthogonal(), (3, 2)),
    (Normal(0, 0.02), (2, 2)),
]


@pytest.mark.parametrize(("distribution", "shape"), FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_a_draw_of_any_family_passes_in_any_dtype(
    distribution: Distribution, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    for seed in range(3):
        weight = draw(distribution, shape, name="a.weight", seed=seed, dtype=dtype)
        assert codes(weight, distribution) == []


def test_shares_are_compared_between_the_numbers_of_a_coarse_dtype() -> None:
    """The distance at the numbers themselves would be far beyond what chance explains."""
    weight = normal(0.02, SAMPLE).to(torch.bfloat16)
    tested = subject(weight, Normal(0, 0.02))
    assert check_shape(tested, weight, tests=1) == []
    coarse = (weight.float() * 16).round(decimals=1) / 16  # 0.00625 apart, and not the dtype's
    (finding,) = check_shape(tested, coarse, tests=1)
    assert finding.code == "H007" and finding.measured and finding.tolerance
    assert finding.measured > finding.tolerance


def test_another_family_is_found_by_its_shape() -> None:
    bound = 0.02 * 3**0.5
    uniform = draw(Uniform(-bound, bound), (200, 200), name="a", seed=0)
    assert codes(uniform, Normal(0, 0.02)) == ["H007"]
    assert codes(uniform, TruncatedNormal(0, 0.02)) == ["H007"]
    heavy = normal(0.02, 200, 200) * torch.tensor([0.5, 1.75**0.5]).repeat(100)
    assert codes(heavy, Sparse(1.0, 0.02)) == ["H007"]


def test_a_large_weight_is_known_by_a_part_of_its_elements() -> None:
    weight = normal(0.02, 4 * SAMPLE)
    (finding,) = check_shape(subject(weight, TruncatedNormal(0, 0.02, -9, 2.5)), weight, tests=1)
    assert "lies outside" in finding.message
    tested = subject(weight.clamp(-0.045, 0.045), Normal(0, 0.02))
    (finding,) = check_shape(tested, weight.clamp(-0.045, 0.045), tests=1)
    assert finding.source.startswith(f"Kolmogorov-Smirnov on {4 * SAMPLE // 5 + 1:,} elements")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_element_beyond_the_declared_ends_is_found(dtype: torch.dtype) -> None:
    weight = draw(Uniform(-0.1, 0.3), (100, 100), name="a", seed=0, dtype=dtype)
    weight[3, 3] = 0.306
    (finding,) = check(weight, Uniform(-0.1, 0.3))
    assert (finding.code, finding.expected) == ("H007", 0.3)
    assert finding.measured == pytest.approx(0.306, rel=0.01)


def test_zeros_beyond_chance_are_found() -> None:
    weight = normal(0.02, 300, 300)
    weight.view(-1)[::3000] = 0
    (finding,) = check(weight, Normal(0, 0.02))
    assert (finding.code, finding.measured, finding.expected) == ("H012", 30, 0)
    weight = draw(DeltaOrthogonal(), (30, 20, 3), name="a", seed=0)
    weight[0, 0, 0] = 1e-6
    assert codes(weight, DeltaOrthogonal()) == ["H012"]


def test_zeros_that_a_coarse_dtype_makes_are_not() -> None:
    weight = normal(1e-5, 300, 300).to(torch.float16)
    tested = subject(weight, Normal(0, 1e-5))
    assert tested.record.measured.zeros > 100
    assert check_zeros(tested, weight, tests=100) == []
    column = weight.reshape(-1, 1)
    assert check_dead_rows(subject(column, Normal(0, 1e-5)), column) == []


def test_a_sparse_column_has_its_exact_number() -> None:
    weight = draw(Sparse(0.1, 0.5), (100, 30), name="a", seed=0)
    row = int(weight[:, 4].nonzero()[0])
    weight[row, 4] = 0
    (finding,) = check_zeros(subject(weight, Sparse(0.1, 0.5)), weight, tests=1)
    assert (finding.measured, finding.expected, finding.tolerance) == (9, 10, 0)


def test_a_zero_that_products_may_cancel_to_is_no_finding() -> None:
    weight = draw(Orthogonal(), (100, 100), name="a", seed=0)
    weight[3, 4] = 0
    assert check_zeros(subject(weight, Orthogonal()), weight, tests=100) == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_dead_rows_are_found(dtype: torch.dtype) -> None:
    weight = normal(0.02, 40, 50, 3).to(dtype)
    weight[[7, 9]] = 0
    tested = subject(weight, Normal(0, 0.02))
    (finding,) = check_dead_rows(tested, weight)
    assert (finding.code, finding.measured) == ("H009", 2)
    assert finding.message == "2 of 40 outputs have zeros alone, the first is 7"


def zero_row(weight: Tensor) -> Tensor:
    weight[5] = 0
    return weight


@pytest.mark.parametrize(
    ("weight", "distribution"),
    [
        (torch.zeros(8, 4), Constant(0)),
        (zero_row(normal(0.5, 20, 30)), Sparse(0.1, 0.5, dead_rows=True)),
        (zero_row(normal(0.5, 20, 30)), Keep()),
        (zero_row(normal(0.5, 20)), Normal(0, 0.5)),
    ],
)
def test_declared_zeros_and_vectors_have_no_dead_rows(
    weight: Tensor, distribution: Distribution
) -> None:
    assert check_dead_rows(subject(weight, distribution), weight) == []
