"""Weight and spectral norm: names, structure, and a sigma that holds from the first step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from seobuilder.norm.reparametrization import (
    TOLERANCE,
    Method,
    attach,
    divisor,
    plain_name,
    settle,
    unusable_norm,
)

SPECTRAL = {"iterations": 1, "eps": 1e-12}


@pytest.mark.parametrize(
    ("stored", "plain"),
    [
        ("head.linear.weight", "head.linear.weight"),
        ("head.parametrizations.weight.original", "head.weight"),
        ("a.b.parametrizations.weight.original0", "a.b.weight"),
        ("cell.parametrizations.weight_hh_l0.original1", "cell.weight_hh_l0"),
        ("parametrizations.weight.original", "weight"),
        ("parametrizations.tokens.weight", "parametrizations.tokens.weight"),
    ],
)
def test_plain_names(stored: str, plain: str) -> None:
    assert plain_name(stored) == plain


@pytest.mark.parametrize(
    ("layer", "tensor_name"),
    [
        (nn.Linear(5, 3), "weight"),
        (nn.Conv2d(3, 4, 3), "weight"),
        (nn.LSTM(3, 4), "weight_hh_l0"),
    ],
)
def test_names_after_attaching_lead_back_to_the_plain_name(
    layer: nn.Module, tensor_name: str
) -> None:
    for method in ("weight_norm", "spectral_norm"):
        module = nn.ModuleDict({"a": layer})
        before = dict(module.named_parameters())
        attach(layer, tensor_name, method, SPECTRAL if method == "spectral_norm" else {})
        after = [name for name, _ in module.named_parameters()]
        assert {plain_name(name) for name in after} == set(before)
        assert f"a.{tensor_name}" not in after
        nn.utils.parametrize.remove_parametrizations(layer, tensor_name)


def test_weight_norm_starts_from_what_was_drawn() -> None:
    layer = nn.Linear(20, 10)
    drawn = layer.weight.detach().clone()
    attach(layer, "weight", "weight_norm", {})
    torch.testing.assert_close(layer.weight.detach(), drawn)
    assert layer.get_parameter("parametrizations.weight.original0").shape == (10, 1)


def test_settings_reach_torch() -> None:
    layer = nn.Linear(20, 10)
    attach(layer, "weight", "spectral_norm", {"iterations": 3, "eps": 1e-6})
    norm = layer.get_submodule("parametrizations.weight.0")
    assert (vars(norm)["n_power_iterations"], vars(norm)["eps"]) == (3, 1e-6)


def test_attaching_neither_changes_nor_reads_the_global_generator() -> None:
    vectors = []
    for noise in (0, 1):
        layer = nn.Linear(20, 10)
        nn.init.eye_(layer.weight)
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        attach(layer, "weight", "spectral_norm", SPECTRAL)
        assert torch.equal(torch.get_rng_state(), before)
        vectors.append(layer.get_buffer("parametrizations.weight.0._u"))
    assert torch.equal(*vectors)


def test_the_structure_can_be_made_on_meta() -> None:
    layer = nn.Linear(20, 10, device="meta")
    attach(layer, "weight", "spectral_norm", SPECTRAL)
    assert layer.get_parameter("parametrizations.weight.original").is_meta


def settled(layer: nn.Module, columns: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    attach(layer, "weight", "spectral_norm", SPECTRAL)
    settle(layer, "weight", torch.randn(columns, generator=generator))
    weight: torch.Tensor = getattr(layer.eval(), "weight")  # noqa: B009
    return weight.detach().flatten(1)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e20])
def test_sigma_is_within_its_tolerance(scale: float) -> None:
    layer = nn.Linear(200, 190)
    with torch.no_grad():
        # The two largest singular values of a square Gaussian lie close together.
        layer.weight.normal_(0, 1, generator=torch.Generator().manual_seed(4)).mul_(scale)
    norm = torch.linalg.matrix_norm(settled(layer, 200).double(), 2).item()
    assert 1 - 1e-5 <= norm <= 1 / (1 - TOLERANCE) + 1e-5


def test_sigma_of_a_convolution_is_that_of_its_flattened_weight() -> None:
    layer = nn.Conv1d(6, 8, 3)
    norm = torch.linalg.matrix_norm(settled(layer, 18), 2).item()
    assert 1 - 1e-5 <= norm <= 1 / (1 - TOLERANCE) + 1e-5


def test_a_bfloat16_weight_settles() -> None:
    layer = nn.Linear(64, 64, dtype=torch.bfloat16)
    norm = torch.linalg.matrix_norm(settled(layer, 64).float(), 2).item()
    # The divisor is rounded to half precision as well, by 0.4 % at most, and each weight once more.
    assert norm == pytest.approx(1, abs=0.02)


def test_the_same_start_gives_the_same_weights() -> None:
    weights = []
    for noise in (0, 1):
        layer = nn.Linear(30, 30)
        with torch.no_grad():
            layer.weight.copy_(torch.randn(30, 30, generator=torch.Generator().manual_seed(2)))
        torch.manual_seed(noise)
        weights.append(settled(layer, 30, seed=5))
    assert torch.equal(*weights)


def test_a_norm_that_can_not_be_divided_by_is_foreseen() -> None:
    zeros, one_dead_row = torch.zeros(3, 4, 2), torch.ones(3, 4, 2)
    one_dead_row[1] = 0
    assert unusable_norm(zeros, "spectral_norm") == "zero"
    assert unusable_norm(zeros, "weight_norm") == "zero"
    assert unusable_norm(one_dead_row, "spectral_norm") is None
    assert unusable_norm(one_dead_row, "weight_norm") == "zero"
    assert unusable_norm(one_dead_row, "weight_norm", padding_row=1) is None
    assert unusable_norm(torch.ones(3, 4), "weight_norm") is None


@pytest.mark.parametrize(
    ("value", "method", "what"),
    [
        # Squares that float32 has not.
        (1e-30, "weight_norm", "zero"),
        (1e30, "weight_norm", "infinite"),
        (1e-30, "spectral_norm", None),
        (1e30, "spectral_norm", None),
        (torch.inf, "spectral_norm", "infinite"),
        (torch.nan, "spectral_norm", "infinite"),
        (torch.inf, "weight_norm", "infinite"),
    ],
)
def test_norms_beyond_the_dtype(value: float, method: Method, what: str | None) -> None:
    assert unusable_norm(torch.full((3, 4), value), method) == what


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("seed", range(5))
def test_sigma_of_vectors_in_half_precision_is_within_its_tolerance(
    dtype: torch.dtype, seed: int
) -> None:
    layer = nn.Linear(16, 200)
    with torch.no_grad():
        layer.weight.normal_(generator=torch.Generator().manual_seed(seed))
    settled(layer.to(dtype), 16, seed)
    matrix, sigma = divisor(layer, "weight")
    true = torch.linalg.matrix_norm(matrix.double(), 2).item()
    assert sigma == pytest.approx(true, rel=TOLERANCE + 1e-4)
