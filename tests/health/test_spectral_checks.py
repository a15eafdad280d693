"""Singular values beyond what is declared are found; what chance gives is not."""

from __future__ import annotations

import pytest
import torch
from health_subjects import check, codes, normal, subject

from seobuilder.health import sampling
from seobuilder.health.spectral_checks import check_spectral_norm, check_spectrum
from seobuilder.health.spectrum import as_matrices, spectrum
from seobuilder.health.statistics import measure
from seobuilder.init.draw import draw
from seobuilder.planning.distributions import DeltaOrthogonal, Normal, Orthogonal, Uniform


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shape", [(200, 200), (300, 100), (100, 300), (2, 2)])
def test_rounded_orthogonal_matrices_are_orthogonal(
    dtype: torch.dtype, shape: tuple[int, int]
) -> None:
    weight = draw(Orthogonal(1.4), shape, name="a", seed=0, dtype=dtype)
    assert check_spectrum(subject(weight, Orthogonal(1.4)), tests=1) == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_matrix_that_is_not_orthogonal_is_found(dtype: torch.dtype) -> None:
    weight = draw(Orthogonal(1.4), (200, 200), name="a", seed=0, dtype=dtype)
    weight[1] = weight[0] * 0.3 + weight[1] * 0.91**0.5  # no longer orthogonal to the first
    (finding,) = check(weight, Orthogonal(1.4))
    assert finding.code == "H008"
    assert finding.measured == pytest.approx(1.3, rel=0.05)  # eigenvalues 1 +- 0.3


def test_blocks_are_orthogonal_by_themselves() -> None:
    weight = draw(Orthogonal(1, blocks=2), (40, 80), name="a", seed=0)
    assert codes(weight, Orthogonal(1, blocks=2)) == []
    assert codes(weight, Orthogonal(1)) == ["H008"]
    delta = draw(DeltaOrthogonal(), (20, 30, 3), name="a", seed=0)
    delta[0, :, 1] = delta[1, :, 1]
    assert codes(delta, DeltaOrthogonal()) == ["H008"]


@pytest.mark.parametrize("shape", [(1, 50), (4, 4), (30, 40), (60, 40), (32, 32)])
def test_chance_alone_seldom_leaves_the_edges(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "ALPHA", 0.02)
    alarms = 0
    for seed in range(400):
        weight = normal(1.0, *shape, seed=seed)
        alarms += bool(check_spectrum(subject(weight, Normal(0, 1)), tests=1))
    assert alarms <= 8


def test_rows_that_depend_on_each_other_are_found() -> None:
    weight = normal(0.02, 200, 100)
    weight[100:] = weight[:100] * 0.8 + weight[100:] * 0.6
    findings = check(weight, Normal(0, 0.02))
    assert {f.code for f in findings} == {"H011"}
    low_rank = draw(Uniform(-1, 1), (600, 200), name="a", seed=0)
    low_rank[:, 100:] = low_rank[:, :100]
    first, second = check(low_rank, Uniform(-1, 1))
    assert "largest" in first.message and "smallest" in second.message
    assert second.measured == pytest.approx(0, abs=1e-5)


def test_the_sigma_of_a_spectral_norm_is_held_against_the_weight() -> None:
    weight = normal(0.02, 50, 40)
    record = subject(weight, Normal(0, 0.02)).record
    found = spectrum(as_matrices(weight), measure(weight))
    assert found is not None and found.largest is not None
    assert check_spectral_norm(record, found.largest * 0.991, found) == []
    for share in (0.985, 1.015, 0.0):
        (finding,) = check_spectral_norm(record, found.largest * share, found)
        assert (finding.code, finding.expected) == ("H013", found.largest)
