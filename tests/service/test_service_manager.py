"""The manager's record, its verification, and the analysis of weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from seobuilder.service.weight_initialization import (
    InitializationConfig,
    NormalizationConfig,
    WeightAnalysis,
    WeightInitializationManager,
)


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(100, 200), nn.ReLU(), nn.Linear(200, 50))


def test_the_summary_says_what_was_done() -> None:
    manager = WeightInitializationManager()
    empty = manager.get_initialization_summary()
    assert (empty["methods_used"], empty["normalizations_applied"]) == ({}, {})
    model = mlp()
    model.register_parameter("scale", nn.Parameter(torch.ones(3)))
    assert manager.initialize_model(model, InitializationConfig(method="orthogonal")) is model
    manager.apply_normalization(model, NormalizationConfig(method="layer_norm"))
    summary = manager.get_initialization_summary()
    assert summary["methods_used"] == {"orthogonal": 2, "zeros": 2}
    assert summary["normalizations_applied"] == {"layer_norm": ["1"]}
    assert summary["kept"] == ["scale"]
    assert summary["parameters"]["2.weight"] == {
        "method": "orthogonal",
        "distribution": "orthogonal(1)",
        "std": 1 / math.sqrt(200),
        "role": "weight",
        "shape": (50, 200),
        "fan_in": 200,
        "fan_out": 50,
    }
    assert summary["initializations"][0] == {
        **{"model": "Sequential", "method": "orthogonal", "seed": 0, "embedding_std": 0.02}
    }
    assert summary["normalizations"] == [{"model": "Sequential", "method": "layer_norm"}]


def test_weights_are_held_against_what_was_declared() -> None:
    manager = WeightInitializationManager()
    with pytest.raises(ValueError, match="nothing was initialized yet"):
        manager.verify(mlp())
    model = nn.Sequential(mlp(), parametrizations.weight_norm(nn.Linear(50, 50)), nn.LSTM(50, 20))
    for method in ("xavier_uniform", "kaiming_normal", "orthogonal", "sparse"):
        manager.initialize_model(model, InitializationConfig(method=method))
        report = manager.verify(model)
        assert report.is_healthy, report.findings
        assert report.summary.methods_used[method] == 5
    with torch.no_grad():
        model[0][0].weight.mul_(2)
    assert [finding.place for finding in manager.verify(model).issues] == ["0.0.weight"]
    other = nn.Sequential(nn.Identity(), nn.Linear(50, 50))
    with pytest.raises(ValueError, match=r"the model has no 0\.0\.weight, which was initialized"):
        manager.verify(other)


def test_statistics_of_every_parameter() -> None:
    model = nn.Sequential(nn.Linear(30, 20), nn.LSTM(20, 10))
    analysis = WeightAnalysis.analyze_weights(model)
    assert list(analysis) == [name for name, _ in model.named_parameters()]
    stats, weight = analysis["0.weight"], model[0].weight.detach().double()
    for key, expected in {
        "mean": weight.mean(),
        "std": weight.std(correction=0),
        "min": weight.min(),
        "max": weight.max(),
        "norm_l1": weight.abs().sum(),
        "norm_l2": weight.norm(),
        "spectral_norm": torch.linalg.matrix_norm(weight, 2),
    }.items():
        assert stats[key] == pytest.approx(float(expected), rel=1e-6, abs=1e-9), key
    assert (stats["shape"], stats["count"], stats["sparsity"]) == ((20, 30), 600, 0.0)
    assert (stats["layer"], stats["role"], stats["fan_in"]) == ("Linear", "weight", 30)
    gates = model[1].weight_hh_l0.detach().chunk(4)
    largest = max(float(torch.linalg.matrix_norm(gate, 2)) for gate in gates)
    assert analysis["1.weight_hh_l0"]["spectral_norm"] == pytest.approx(largest, rel=1e-5)
    bias = analysis["0.bias"]
    assert bias["spectral_norm"] == bias["norm_l2"] > 0


def test_large_weights_have_a_spectral_norm_within_a_thousandth() -> None:
    model = nn.Linear(700, 600)
    found = WeightAnalysis.analyze_weights(model)["weight"]["spectral_norm"]
    exact = float(torch.linalg.matrix_norm(model.weight.detach(), 2))
    assert found == pytest.approx(exact, rel=1e-3)


def test_weights_are_measured_as_they_are_used() -> None:
    model = nn.Sequential(parametrizations.spectral_norm(nn.Linear(30, 20), n_power_iterations=50))
    model(torch.randn(2, 30))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    stats = WeightAnalysis.analyze_weights(model)["0.weight"]
    assert stats["spectral_norm"] == pytest.approx(1.0, abs=1e-3)
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_health() -> None:
    model = nn.Sequential(nn.Linear(30, 20), nn.BatchNorm1d(20), nn.Linear(20, 20))
    health = WeightAnalysis.check_weight_health(model)
    assert (health["is_healthy"], health["issues"], health["warnings"]) == (True, [], [])
    with torch.no_grad():
        model[0].weight[0, 0] = math.nan
        model[1].running_var[0] = math.inf
        model[2].weight.zero_()
    health = WeightAnalysis.check_weight_health(model)
    assert not health["is_healthy"]
    assert health["issues"] == [
        "0.weight: 1 of 600 elements are NaN (H001)",
        "1.running_var: 1 of 20 elements are infinite (H002)",
    ]
    assert health["warnings"] == ["2.weight: all elements are 0 (H003)"]
    assert [finding.code for finding in health["findings"]] == ["H001", "H002", "H003"]
    stats = WeightAnalysis.analyze_weights(model)["0.weight"]
    assert stats["nan"] == 1 and math.isfinite(stats["mean"]) and math.isnan(stats["spectral_norm"])
