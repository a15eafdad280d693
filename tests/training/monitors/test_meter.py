from __future__ import annotations

import pytest
import torch
from torch import nn

from seobuilder.report.training import Reading
from seobuilder.training.monitors import Meter


@pytest.fixture
def read() -> tuple[Reading, nn.Sequential, dict[str, torch.Tensor]]:
    """What a meter says of one step of SGD, the model after it, and its weights before."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, bias=False))
    with torch.no_grad():
        model[0].bias.copy_(torch.tensor([-100.0, 0.0, 0.0, 100.0]))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    meter, optimizer = Meter(model), torch.optim.SGD(model.parameters(), lr=0.5)
    meter.listen()
    model(torch.randn(8, 3)).square().sum().backward()
    meter.before_step()
    optimizer.step()
    return meter.after_step(), model, before


def test_gradients_and_updates_are_those_of_a_hand_computation(
    read: tuple[Reading, nn.Sequential, dict[str, torch.Tensor]],
) -> None:
    reading, model, before = read
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert reading.gradients[name] == pytest.approx(float(parameter.grad.norm()), rel=1e-5)
        moved = float((parameter.detach() - before[name]).norm() / before[name].norm())
        assert reading.updates[name] == pytest.approx(moved, rel=1e-4)
        assert reading.changes[name] == reading.updates[name]  # it is the first step


def test_signals_are_those_of_a_hand_computation(
    read: tuple[Reading, nn.Sequential, dict[str, torch.Tensor]],
) -> None:
    reading, _, before = read
    torch.manual_seed(0)
    nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, bias=False))
    hidden = torch.randn(8, 3) @ before["0.weight"].T + before["0.bias"]
    assert reading.variance["0"] == pytest.approx(float(hidden.var(correction=0)), rel=1e-5)
    dead = float((hidden <= 0).all(dim=0).float().mean())
    assert dead >= 0.25 and reading.dead["1"] == dead


def test_a_gradient_that_never_came_is_left_out() -> None:
    model = nn.ModuleDict({"used": nn.Linear(2, 2), "idle": nn.Linear(2, 2)})
    meter = Meter(model)
    meter.listen()
    model["used"](torch.ones(1, 2)).sum().backward()
    meter.before_step()
    reading = meter.after_step()
    assert set(reading.gradients) == {"used.weight", "used.bias"}
    assert reading.updates["idle.weight"] == 0.0
    assert set(reading.variance) == {"used"}
