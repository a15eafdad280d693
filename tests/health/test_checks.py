"""Each check on a fault that it must find, and on sound weights that it must pass."""

from __future__ import annotations

import math

import pytest
import torch
from health_subjects import DRAWS, check, codes, normal, subject
from torch import Tensor

from seobuilder.health.checks import check_duplicates, check_outputs
from seobuilder.health.subject import Subject
from seobuilder.planning.distributions import (
    Constant,
    Distribution,
    Identity,
    Keep,
    Normal,
    Orthogonal,
)
from seobuilder.report.model import OutputRecord

N = 65_536


def test_nan_and_infinity_are_found_and_counted() -> None:
    weight = normal(1, 8, 8)
    weight[0, :2], weight[1, 0] = math.nan, -math.inf
    nan, infinite = check(weight, Normal(0, 1))
    assert (nan.code, nan.measured, infinite.code, infinite.measured) == ("H001", 2, "H002", 1)
    assert nan.message == "2 of 64 elements are NaN"
    assert nan.place == "a.weight" and nan.rule == "recipe.yaml:9" and nan.severity == "error"


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_an_undeclared_constant_is_found(value: float) -> None:
    assert codes(torch.full((4, 4), value), Normal(0, 0.02)) == ["H003"]


@pytest.mark.parametrize(
    ("tensor", "distribution"),
    [
        (torch.zeros(4, 4), Constant(0)),
        (torch.full((100,), 0.1), Constant(0.1)),
        (torch.full((100,), 0.1, dtype=torch.bfloat16), Constant(0.1)),
        (torch.ones(7), Keep()),
        (torch.full((4, 4), 2.5), Normal(2.5, 0)),
        (torch.tensor([[1.0]]), Orthogonal()),
        (torch.eye(5, 9), Identity()),
    ],
)
def test_what_is_declared_so_is_no_finding(tensor: Tensor, distribution: Distribution) -> None:
    assert codes(tensor, distribution) == []


def test_a_constant_of_another_value_is_found() -> None:
    assert codes(torch.full((100,), 0.11), Constant(0.1)) == ["H006"]
    assert codes(normal(1e-3, 100, mean=0.1), Constant(0.1))[0] == "H005"
    assert codes(torch.eye(5, 9).roll(1) * 1.01, Identity())[0] == "H005"


@pytest.mark.parametrize("family", DRAWS)
@pytest.mark.parametrize("shape", [(10, 8), (60, 24)])
def test_a_right_draw_passes_over_200_seeds(family: str, shape: tuple[int, ...]) -> None:
    distribution, draw = DRAWS[family]
    wrong = [s for s in range(200) if check(draw(s, shape), distribution, tests=200)]
    assert wrong == []


def test_a_right_draw_passes_over_200_seeds_at_full_size() -> None:
    wrong = [s for s in range(200) if codes(normal(0.02, N, seed=s), Normal(0, 0.02))]
    assert wrong == []


def test_a_padding_row_is_left_out() -> None:
    weight = normal(0.02, 8, 4096)
    weight[0] = 0
    assert codes(weight, Normal(0, 0.02), zeroed=4096) == []
    assert codes(weight, Normal(0, 0.02)) == ["H005", "H009"]
    shifted = normal(0.02, 8, 4096, mean=0.5)
    shifted[0] = 0
    assert codes(shifted, Normal(0.5, 0.02), zeroed=4096) == []
    ones = torch.full((8, 16), 0.3)
    ones[0] = 0
    assert codes(ones, Constant(0.3), zeroed=16) == []


def duplicates(*subjects: tuple[Tensor, Subject]) -> list[str]:
    tensors = {s.record.name: t for t, s in subjects}
    return [
        f"{f.place}: {f.message}"
        for f in check_duplicates([s for _, s in subjects], lambda record: tensors[record.name])
    ]


def named(tensor: Tensor, distribution: Distribution, name: str) -> tuple[Tensor, Subject]:
    return tensor, subject(tensor, distribution, name=name)


def test_exact_duplicates_are_found_and_near_ones_are_not() -> None:
    drawn = normal(1, 16, 16)
    permuted = drawn.flip(0)  # the same statistics, other bytes
    assert duplicates(
        named(drawn, Normal(0, 1), "a"),
        named(permuted, Normal(0, 1), "b"),
        named(drawn.clone(), Normal(0, 1), "c"),
        named(drawn.reshape(8, 32), Normal(0, 1), "d"),
    ) == ["c: the same 256 values as `a`"]


def test_declared_constants_and_kept_ones_are_no_duplicates() -> None:
    for tensor, distribution in (
        (torch.zeros(64), Constant(0)),
        (torch.eye(8), Identity()),
        (torch.ones(64), Keep()),
    ):
        pair = [named(tensor.clone(), distribution, name) for name in "ab"]
        assert duplicates(*pair) == []


@pytest.mark.parametrize(
    ("loss", "chance", "severity"),
    [
        (math.nan, 1.4, "error"),
        (math.inf, 1.4, "error"),
        (3.0, 1.4, "warning"),
        (2.0, 1.4, None),  # 0.6 above, but a ratio of 1.43
        (0.5, 0.1, None),  # five times as much, but only 0.4 above
        (9.9, 9.2, None),
        (1.0, None, None),
    ],
)
def test_the_loss_before_training(loss: float, chance: float | None, severity: str | None) -> None:
    output = OutputRecord(name="intent", kind="classification", loss=loss, chance=chance, rows=64)
    found = check_outputs([output])
    assert [f.severity for f in found] == ([severity] if severity else [])
    assert all(f.code == "H010" and f.place == "intent" for f in found)


def test_no_draw_is_suggested_for_vectors_whose_length_does_not_count() -> None:
    output = OutputRecord(name="page", kind="embedding", loss=8.0, chance=2.0, rows=8)
    (found,) = check_outputs([output])
    assert "`temperature`" in found.suggestion and "standard deviation" not in found.suggestion
