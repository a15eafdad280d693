"""Tensors as the checks see them, and draws of every family."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from seobuilder.health.checks import check_parameter
from seobuilder.health.spectrum import as_matrices, declared_edges, spectrum
from seobuilder.health.statistics import measure
from seobuilder.health.subject import Subject
from seobuilder.init.threads import one_thread
from seobuilder.planning.distributions import (
    Distribution,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)
from seobuilder.report.model import Finding
from seobuilder.report.parameters import ParameterRecord, RuleRecord, Spectrum


def subject(
    tensor: Tensor, distribution: Distribution, *, name: str = "a.weight", zeroed: int = 0
) -> Subject:
    moments = distribution.moments(tuple(tensor.shape))
    mean, std = moments or (None, None)
    record = ParameterRecord(
        name=name,
        stored=(name,),
        aliases=(),
        shape=tuple(tensor.shape),
        dtype=str(tensor.dtype).removeprefix("torch."),
        role="weight",
        layer="linear",
        method="any",
        declared=distribution.describe(),
        declared_mean=mean,
        declared_std=std,
        measured=measure(tensor),
        spectrum=_spectrum(tensor[1:] if zeroed else tensor, distribution),
        fan_in=None,
        fan_out=None,
        gain=None,
        reparametrization=None,
        rule=RuleRecord(place="recipe.yaml:9", text="- {match: a.weight}"),
        losing=(),
    )
    return Subject(record, distribution, torch.finfo(tensor.dtype).eps, zeroed)


def normal(std: float, *shape: int, seed: int = 0, mean: float = 0.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * std + mean


def _spectrum(drawn: Tensor, distribution: Distribution) -> Spectrum | None:
    if drawn.ndim < 2:
        return None
    matrices = as_matrices(drawn, None, distribution)
    edges = declared_edges(distribution, (matrices.shape[1], matrices.shape[2]))
    return spectrum(matrices, measure(drawn), edges)


def check(
    tensor: Tensor, distribution: Distribution, *, zeroed: int = 0, tests: int = 2
) -> list[Finding]:
    """All findings at a parameter whose first row is padding if some elements are `zeroed`."""
    drawn = tensor[1:] if zeroed else tensor
    with one_thread():  # as a report is made
        return check_parameter(subject(tensor, distribution, zeroed=zeroed), drawn, tests)


def codes(tensor: Tensor, distribution: Distribution, *, zeroed: int = 0) -> list[str]:
    return [finding.code for finding in check(tensor, distribution, zeroed=zeroed)]


DRAWS: dict[str, tuple[Distribution, Callable[[int, tuple[int, ...]], Tensor]]] = {
    "normal": (Normal(0, 0.02), lambda seed, shape: normal(0.02, *shape, seed=seed)),
    "uniform": (
        Uniform(-0.1, 0.3),
        lambda seed, shape: (
            torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 0.4 - 0.1
        ),
    ),
    "truncated_normal": (
        TruncatedNormal(0, 0.02),
        lambda seed, shape: torch.nn.init.trunc_normal_(
            torch.empty(*shape),
            std=TruncatedNormal(0, 0.02).parent_std,
            a=-2 * TruncatedNormal(0, 0.02).parent_std,
            b=2 * TruncatedNormal(0, 0.02).parent_std,
            generator=torch.Generator().manual_seed(seed),
        ),
    ),
    "sparse": (
        Sparse(0.1, 0.5, dead_rows=True),
        lambda seed, shape: torch.nn.init.sparse_(
            torch.empty(*shape), 0.9, 0.5, generator=torch.Generator().manual_seed(seed)
        ),
    ),
    "orthogonal": (
        Orthogonal(1.4),
        lambda seed, shape: torch.nn.init.orthogonal_(
            torch.empty(*shape), 1.4, generator=torch.Generator().manual_seed(seed)
        ),
    ),
}
