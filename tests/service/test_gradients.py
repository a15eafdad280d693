"""What is said of gradients, and how they are kept in bounds."""

from __future__ import annotations

import math
import time

import pytest
import torch
from torch import nn

from seobuilder.service.autograd_utils import (
    AutogradDebugger,
    AutogradProfiler,
    GradientClipper,
    autograd_debugger,
    autograd_monitor,
    autograd_profiler,
)


def with_gradients(*values: float) -> nn.Sequential:
    """Layers of one weight [1, 4] each, whose gradients have these norms."""
    model = nn.Sequential(*(nn.Linear(4, 1, bias=False) for _ in values))
    for layer, value in zip(model, values, strict=True):
        layer.weight.grad = torch.full((1, 4), value / 2)
    return model


def test_norms_by_parameter_and_in_total() -> None:
    found = autograd_monitor.monitor_gradients(with_gradients(3.0, 4.0, 12.0))
    assert found["total_norm"] == pytest.approx(13.0)
    assert found["parameter_norms"] == pytest.approx(
        {"0.weight": 3.0, "1.weight": 4.0, "2.weight": 12.0}
    )
    assert (found["largest"], found["max_norm"]) == ("2.weight", 12.0)
    assert (found["smallest"], found["min_norm"]) == ("0.weight", 3.0)
    assert found["mean_norm"] == pytest.approx(19 / 3)
    assert found["without_gradient"] == [] and found["non_finite"] == []


def test_a_model_without_gradients() -> None:
    found = autograd_monitor.monitor_gradients(nn.Linear(2, 2))
    assert (found["total_norm"], found["largest"]) == (0.0, None)
    assert found["without_gradient"] == ["weight", "bias"]


def test_squares_of_half_precision_do_not_overflow() -> None:
    model = nn.Linear(100, 1, bias=False).half()
    model.weight.grad = torch.full((1, 100), 300.0).half()
    assert autograd_monitor.monitor_gradients(model)["total_norm"] == pytest.approx(3000.0)


def test_sparse_gradients_are_read() -> None:
    table = nn.Embedding(10, 4, sparse=True)
    table(torch.tensor([1, 1, 3])).sum().backward()
    found = autograd_monitor.monitor_gradients(table)
    assert found["total_norm"] == pytest.approx(math.sqrt(4 * 4 + 4 * 1))


def test_problems_name_the_parameter() -> None:
    model = with_gradients(math.nan, math.inf, 1e4, 1e-12, 1.0)
    model.append(nn.Linear(2, 2, bias=False))
    model.append(nn.Linear(2, 2, bias=False).requires_grad_(False))
    found = autograd_debugger.check_gradients(model)
    assert found["has_issues"] and found["issues"] == [
        "0.weight: its gradient has NaN",
        "1.weight: its gradient has infinite numbers",
        "2.weight: its gradient explodes, with norm 1e+04",
        "3.weight: its gradient vanishes, with norm 1e-12",
        "5.weight: no gradient reached it",
    ]
    assert found["by_kind"]["missing"] == ["5.weight"]
    own = AutogradDebugger(vanishing=2.0, exploding=1e5).check_gradients(with_gradients(1.0, 1e4))
    assert own["by_kind"]["vanishing"] == ["0.weight"] and own["by_kind"]["exploding"] == []


def test_a_healthy_model_has_no_problem() -> None:
    """The bias of an attention's keys moves nothing, and has no gradient but rounding."""
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model(torch.randn(2, 5, 8)).square().sum().backward()
    assert autograd_debugger.check_gradients(model) == {
        "has_issues": False,
        "issues": [],
        "by_kind": {"nan": [], "infinite": [], "missing": [], "vanishing": [], "exploding": []},
    }


def test_clipping() -> None:
    model = with_gradients(3.0, 4.0)
    assert GradientClipper.clip_grad_norm_(model, max_norm=1.0) == pytest.approx(5.0)
    assert autograd_monitor.monitor_gradients(model)["total_norm"] == pytest.approx(1.0, rel=1e-4)
    assert GradientClipper.clip_grad_norm_(model.parameters(), 10.0) == pytest.approx(1.0, rel=1e-4)
    GradientClipper.clip_grad_value_(model, 0.1)
    assert model[1].weight.grad is not None
    torch.testing.assert_close(model[1].weight.grad, torch.full((1, 4), 0.1))


def test_times() -> None:
    profiler = AutogradProfiler()
    assert math.isnan(profiler.get_profile_summary()["avg_duration"])
    for name, pause in (("forward", 0.01), ("backward", 0.02), ("backward", 0.03)):
        with profiler.profile_autograd(name):
            time.sleep(pause)
    with pytest.raises(KeyError), profiler.profile_autograd("forward"):
        raise KeyError
    summary = profiler.get_profile_summary()
    assert summary["count"] == 4 and summary["total_duration"] >= 0.06
    assert summary["avg_duration"] == pytest.approx(summary["total_duration"] / 4)
    backward = profiler.get_profile_summary("backward")
    assert backward == summary["by_name"]["backward"] and backward["count"] == 2
    assert 0.02 <= backward["min_duration"] <= backward["max_duration"]
    profiler.reset()
    assert profiler.get_profile_summary()["count"] == 0
    assert isinstance(autograd_profiler, AutogradProfiler)
