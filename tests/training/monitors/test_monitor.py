from __future__ import annotations

import pytest
import torch
from torch import nn

import seobuilder
from seobuilder.training.monitors import Monitor


def steps(model: nn.Module, monitor: Monitor | None, count: int, spoil: int = 0) -> None:
    generator = torch.Generator().manual_seed(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(1, count + 1):
        x = torch.randn(8, 3, generator=generator)
        if monitor is not None:
            monitor.before_forward()
        loss = model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        if step == spoil:
            model.get_parameter("0.weight").grad[0, 0] = torch.inf  # type: ignore[index]
        if monitor is not None:
            monitor.before_step(loss)
        optimizer.step()
        if monitor is not None:
            monitor.after_step()


def small_model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def test_any_loop_can_be_watched_and_is_not_changed() -> None:
    model, plain = small_model(), small_model()
    monitor = Monitor(model, every=5)
    steps(model, monitor, 12)
    steps(plain, None, 12)
    assert [each.step for each in monitor.measured] == [1, 5, 10]
    assert set(monitor.measured[0].reading.variance) == {"0", "1", "2"}
    pairs = zip(model.parameters(), plain.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_fault_names_step_and_parameter() -> None:
    model = small_model()
    with pytest.raises(seobuilder.TrainingStopped, match=r"T002 0\.weight: step 4: the gradient"):
        steps(model, Monitor(model), 9, spoil=4)
    assert all(bool(p.isfinite().all()) for p in model.parameters())
