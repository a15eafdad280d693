"""Watching any module in a loop of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seobuilder.errors import TrainingStopped
from seobuilder.health.norms import norms
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.report.text import evidence
from seobuilder.report.training import Reading
from seobuilder.training.monitors.culprit import culprit
from seobuilder.training.monitors.findings import blamed, fault_finding
from seobuilder.training.monitors.guard import Guard
from seobuilder.training.monitors.meter import Meter


@dataclass(frozen=True)
class Measured:
    """What was measured of a step, counted from 1."""

    step: int
    loss: float
    gradient_norm: float
    reading: Reading


class Monitor:
    """Measures a module at its first step and every so many, and stops when training goes wrong.

        monitor = Monitor(model, every=50)
        for inputs, target in batches:
            optimizer.zero_grad()
            monitor.before_forward()
            loss = loss_of(model(inputs), target)
            loss.backward()
            monitor.before_step(loss)   # before gradients are clipped
            optimizer.step()
            monitor.after_step()
        monitor.measured[-1].reading.updates

    Weights and results are the same with and without it, bit for bit.
    """

    def __init__(self, model: nn.Module, every: int = 50) -> None:
        """Keep a copy of the weights as they are now, which changes are measured against."""
        self.measured: list[Measured] = []
        self._model = model
        self._every = every
        self._meter = Meter(model)
        self._guard = Guard()
        self._step = 1
        self._figures = (0.0, 0.0)

    def before_forward(self) -> None:
        """Listen to the step's forward pass, if it is one that is measured."""
        is_due = self._step == 1 or self._step % self._every == 0
        if is_due and not self._meter.is_listening:
            self._meter.listen()

    def before_step(self, loss: Tensor, inputs: Mapping[str, Tensor] | None = None) -> None:
        """Judge the step by its loss and gradients.

        Args:
            loss: of the step, a scalar.
            inputs: that the model was called with, by name: then the first module whose output is
                not finite can be named, else the first parameter.

        Raises:
            TrainingStopped: it goes wrong: the finding names the step, and where it began.
        """
        gradients = [p.grad for each in self._meter.parameters for p in each.stored]
        total = torch.linalg.vector_norm(norms([g for g in gradients if g is not None]))
        pair = torch.stack([loss.detach().double(), total.to(loss.device).double()])
        self._figures = loss_value, norm = tuple(pair.tolist())
        if fault := self._guard.judge(self._step, loss_value, norm):
            self._meter.close()
            parameters = self._meter.parameters
            found = blamed(fault, parameters, culprit(self._model, parameters, inputs=inputs))
            finding = fault_finding(fault, self._step, found, parameters)
            message = "; ".join(filter(None, (finding.message, evidence(finding))))
            raise TrainingStopped(
                [Diagnostic(finding.code, message, path=finding.place, help=finding.suggestion)]
            )
        if self._meter.is_listening:
            self._meter.before_step()

    def after_step(self) -> None:
        """Measure what the step did, if it is one that is measured."""
        if self._meter.has_measured:
            self.measured.append(Measured(self._step, *self._figures, self._meter.after_step()))
        self._step += 1
