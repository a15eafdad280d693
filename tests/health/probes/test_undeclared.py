"""Faults in the signals of modules that no recipe made, and none in sound ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import seobuilder
from seobuilder.report.model import Finding, Report

WIDTH = 64


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def stack(depth: int, gain: float = 2**0.5, *, bias: float = 0.0) -> nn.Sequential:
    """Linear layers of weights of std gain / sqrt(width), a ReLU behind each but the last."""
    generator = torch.Generator().manual_seed(0)
    layers: list[nn.Module] = []
    for _ in range(depth):
        layer = nn.Linear(WIDTH, WIDTH)
        nn.init.normal_(layer.weight, std=gain / WIDTH**0.5, generator=generator)
        nn.init.constant_(layer.bias, bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def inspected(model: nn.Module, x: Tensor | None = None) -> Report:
    return seobuilder.inspect(model, {"input": random(256, WIDTH) if x is None else x})


def told(report: Report) -> list[tuple[str, str, str]]:
    return [(found.code, found.severity, found.place) for found in report.findings]


def one(report: Report, code: str) -> Finding:
    (found,) = (each for each in report.findings if each.code == code)
    return found


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("depth", [1, 3, 20])
def test_a_sound_stack_has_no_finding_whatever_comes_in(depth: int, scale: float) -> None:
    assert told(inspected(stack(depth), scale * random(256, WIDTH))) == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True)),
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 12 * 12, 9), nn.LayerNorm(9)),
    ],
)
def test_layers_of_several_sorts_are_not_held_against_each_other(
    make: Callable[[], nn.Module],
) -> None:
    assert told(inspected(make(), 255 * random(4, 3, 12, 12))) == []


def test_a_signal_that_explodes_is_told_once_with_its_gradient() -> None:
    report = inspected(stack(10, gain=4))
    assert told(report) == [("H020", "warning", "18"), ("H021", "warning", "0")]
    signal = one(report, "H020")
    assert "grows by a factor of" in signal.message and "from `2` to `18`" in signal.message
    assert signal.measured == pytest.approx(8.0**8, rel=0.9)  # gain^2 / 2 in each of 8 layers
    gradient = one(report, "H021")
    assert "grows by a factor of" in gradient.message and "from `16` to `0`" in gradient.message
    assert report.is_healthy


def test_a_signal_that_vanishes_is_told() -> None:
    report = inspected(stack(10, gain=0.5))
    assert [code for code, _, _ in told(report)] == ["H020", "H021"]
    signal = one(report, "H020")
    assert signal.measured == pytest.approx(0.125**8, rel=0.9)
    assert (signal.expected, signal.tolerance) == (1.0, 0.99)


def test_biases_that_outweigh_the_rows_make_them_alike() -> None:
    report = inspected(stack(10, gain=0.8, bias=1.0))
    found = one(report, "H024")
    assert (found.place, found.severity) == ("18", "warning")
    assert found.measured and found.measured > 0.995
    assert found.expected == pytest.approx(one_similarity(report, "0"))


def one_similarity(report: Report, name: str) -> float | None:
    assert report.probes is not None
    return next(record.similarity for record in report.probes.signals if record.name == name)


def test_rows_that_are_alike_from_the_start_are_no_fault_of_the_stack() -> None:
    assert told(inspected(stack(10), random(1, WIDTH).expand(256, WIDTH))) == []


def test_dead_units_are_told_where_they_begin() -> None:
    model = stack(6)
    with torch.no_grad():
        model.get_parameter("4.bias").fill_(-50)
    report = inspected(model)
    dead = one(report, "H022")
    assert (dead.place, dead.severity, dead.measured) == ("5", "warning", 1.0)
    assert "and those of 2 more behind it" in dead.message


def test_the_first_signal_that_is_not_finite_is_an_error() -> None:
    model = stack(4)
    with torch.no_grad():
        model.get_parameter("2.weight").fill_(3e38)
    report = inspected(model)
    assert told(report)[0] == ("H003", "warning", "2.weight")
    assert told(report)[1] == ("H020", "error", "2")
    assert not report.is_healthy


class Routed(nn.Module):
    """Two experts, of which one gets nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(2))

    def forward(self, input: Tensor) -> Tensor:
        return torch.cat([self.experts[0](input), self.experts[1](input[:0])])


def test_a_module_that_nothing_runs_through_is_not_judged() -> None:
    report = inspected(Routed())
    assert told(report) == [] and report.probes is not None
    assert [record.name for record in report.probes.signals] == ["experts.0"]


class Tasks(nn.Module):
    """Heads for tasks of two to two thousand classes, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Linear(WIDTH, 2 * 10**i) for i in range(4))

    def forward(self, input: Tensor) -> list[Tensor]:
        return [head(input) for head in self.heads]


def test_heads_side_by_side_are_not_held_against_each_other() -> None:
    assert told(inspected(Tasks())) == []


def test_what_writes_in_place_does_not_change_what_was_heard() -> None:
    copying, writing = stack(3), stack(3)
    writing[1].inplace = True  # type: ignore[assignment]
    assert inspected(writing).probes == inspected(copying).probes
    assert writing[1].inplace is True


def test_a_model_of_a_recipe_that_was_trained_is_judged_so() -> None:
    model = seobuilder.build("query_language")
    model.is_trained = True
    report = seobuilder.inspect(model, seobuilder.encoder("query_language")(query=["a b", "c"]))
    assert told(report) == []
