"""What the weights of any module are, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import nan
from typing import Any

import torch
from torch import Tensor, nn

from seobuilder.building.describe import describe
from seobuilder.health.spectrum import as_matrices, spectrum
from seobuilder.health.survey import BUFFER, Found, survey, tensors_of
from seobuilder.norm.reparametrization import effective
from seobuilder.report.model import Finding, Report
from seobuilder.report.parameters import ParameterRecord

SPECTRAL_ERROR = 1e-3
"""Relative error of a spectral norm that is not found exactly."""

_EXACT = 1 << 27
"""Multiplications up to which a spectral norm is exact: one that trains may be asked for often."""


class WeightAnalysis:
    """Measures the weights of any module, as they are used: after weight and spectral norm."""

    @staticmethod
    def analyze_weights(model: nn.Module) -> dict[str, dict[str, Any]]:
        """Statistics of every parameter, shared ones once, by name.

        Keys: `mean`, `std` (of the population), `min`, `max`, `norm_l1`, `norm_l2`, `spectral_norm`
        (largest singular value; of a recurrent weight, of its gates; of a vector, its L2 norm),
        `sparsity` (share of exact zeros), `shape`, `count`, `dtype`, `layer`, `role`, `fan_in`,
        `fan_out`, `nan` and `inf` (how many). Non-finite elements are left out of the numbers,
        which are NaN where nothing else is left.
        """
        found = {tensor.name: tensor for tensor in _weights(model)}
        report = survey(type(model).__name__, found.values(), shapes=False)
        return {
            record.name: _statistics(record, found[record.name]) for record in report.parameters
        }

    @staticmethod
    def check_weight_health(model: nn.Module) -> dict[str, Any]:
        """What is wrong with the weights, and with the buffers beside them.

        Keys: `is_healthy`, false where something is NaN or infinite; `issues`, what makes it so,
        and `warnings`, what looks odd (matrices that are constant, copies), as texts that name the
        parameter; `findings`, the same as `seobuilder.inspect` reports them. The weights are not
        held against what they were drawn from, so that training is no fault:
        `WeightInitializationManager.verify` does that.
        """
        buffers = (tensor for tensor in tensors_of(model) if tensor.role == BUFFER)
        return as_health(survey(type(model).__name__, [*_weights(model), *buffers], shapes=False))


def as_health(report: Report) -> dict[str, Any]:
    """The findings of a report under the guide's keys."""
    return {
        "is_healthy": report.is_healthy,
        "issues": [told(finding) for finding in report.issues],
        "warnings": [told(finding) for finding in report.warnings],
        "findings": list(report.findings),
    }


def told(finding: Finding) -> str:
    """A finding in one line: where, what, and its code."""
    return f"{finding.place}: {finding.message} ({finding.code})"


def _weights(model: nn.Module) -> Iterator[Found]:
    """Every parameter under the name that it has without a reparametrization."""
    description = describe(model)
    for parameter in description.known:
        module, tensor = description.tensors[parameter.name]
        yield Found(
            parameter.name,
            type(module).__name__,
            partial(effective, module, tensor),
            parameter.role,
            parameter.aliases,
            parameter,
        )
    for name in description.unknown:
        owner = model.get_submodule(name.rpartition(".")[0])
        yield Found(name, type(owner).__name__, model.get_parameter(name).detach)


def _statistics(record: ParameterRecord, found: Found) -> dict[str, Any]:
    measured = record.measured
    values = (measured.mean, measured.std, measured.min, measured.max, measured.l1, measured.l2)
    names = ("mean", "std", "min", "max", "norm_l1", "norm_l2")
    return {
        **{
            name: nan if value is None else value for name, value in zip(names, values, strict=True)
        },
        "spectral_norm": _spectral_norm(record, found),
        "sparsity": nan if measured.sparsity is None else measured.sparsity,
        "shape": record.shape,
        "count": measured.count,
        "dtype": record.dtype,
        "layer": record.layer,
        "role": record.role,
        "fan_in": record.fan_in,
        "fan_out": record.fan_out,
        "nan": measured.nan,
        "inf": measured.inf,
    }


@torch.no_grad()
def _spectral_norm(record: ParameterRecord, found: Found) -> float:
    measured, weight = record.measured, found.read()
    if weight.ndim < 2:
        return nan if measured.l2 is None else measured.l2
    matrices: Tensor = as_matrices(weight, found.parameter)
    result = spectrum(matrices, measured, error=SPECTRAL_ERROR, exact=_EXACT)
    return nan if result is None or result.largest is None else result.largest
