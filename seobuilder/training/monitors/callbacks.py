"""The monitors of a run of `seobuilder.train`, as callbacks."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from seobuilder.errors import TrainingStopped
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.report.annotations import annotate_findings
from seobuilder.report.training import Monitored, Timing
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.journal import number
from seobuilder.training.monitors.course import monitored
from seobuilder.training.monitors.findings import stopping
from seobuilder.training.monitors.guard import Guard
from seobuilder.training.monitors.meter import Meter
from seobuilder.training.monitors.watched import watched

Note = Callable[[dict[str, Any]], None]
"""Takes a line of the journal."""


def _nowhere(line: dict[str, Any]) -> None:
    """Notes nothing."""


class Watch(Callback):
    """Ends a run that goes wrong, in the very step, with a finding that says where it began.

    Loss and norm come to the host together, the one transfer of a step.
    """

    def __init__(self, loaded: LoadedRecipe, note: Note = _nowhere) -> None:
        """Watch a run of this recipe; the finding is noted before the run ends."""
        self._loaded = loaded
        self._note = note
        self._guard = Guard(scaled=loaded.recipe.training.precision == "float16")

    @property
    def doubts(self) -> bool:
        """Whether a checkpoint might keep weights that have gone bad."""
        return self._guard.doubts

    def take_up(self, lines: list[dict[str, Any]]) -> None:
        """Go on from what was noted of the first step."""
        first = next((line for line in lines if "monitor" in line and line["step"] == 1), None)
        if first is not None and None not in (first["loss"], first["gradient_norm"]):
            self._guard.begin(first["loss"], first["gradient_norm"])

    def on_backward(self, state: State) -> None:
        """Judge the step."""
        assert state.loss is not None and state.gradient_norm is not None
        pair = torch.stack([state.loss.double(), state.gradient_norm.double()])
        loss, norm = pair.tolist()
        fault = self._guard.judge(state.step + 1, loss, norm)
        if fault is None:
            return
        finding = stopping(fault, state.step + 1, state, watched(state.model, state.plan))
        if state.is_main:
            self._note({"step": state.step + 1, "finding": finding.model_dump(mode="json")})
        problems = annotate_findings([finding], self._loaded, state.plan)
        raise TrainingStopped(problems, self._loaded.sources)


class Measure(Callback):
    """Notes what a `Meter` reads at the first step and every so many, and how long steps take."""

    def __init__(self, meter: Meter, every: int, note: Note = _nowhere) -> None:
        """Note every so many steps; the meter has the weights as they were drawn."""
        self._meter = meter
        self._every = every
        self._note = note
        self._seconds = array("d")
        self._last: float | None = None

    def on_batch(self, state: State) -> None:
        """Start the clock, and listen to the first forward pass of a step that is measured."""
        if self._last is None:
            self._last = time.perf_counter()
        step = state.step + 1
        is_due = step == 1 or step % self._every == 0
        if state.is_main and is_due and not self._meter.is_listening:
            self._meter.listen(_masks(state))

    def on_backward(self, state: State) -> None:
        """Measure what there is before the step."""
        if self._meter.is_listening:
            self._meter.before_step()

    def on_step(self, state: State) -> None:
        """Measure what the step did, and note everything."""
        now = time.perf_counter()
        assert self._last is not None
        self._seconds.append(now - self._last)
        if self._meter.has_measured:
            self._note(
                {
                    "step": state.step,
                    "epoch": state.epoch,
                    "loss": number(state.loss),
                    "gradient_norm": number(state.gradient_norm),
                    "monitor": self._meter.after_step().model_dump(mode="json"),
                }
            )
        self._last = now

    def on_evaluate(self, state: State, split: str, figures: Mapping[str, float]) -> None:
        """Leave the time of an evaluation out."""
        self._last = None

    def course(self, lines: Sequence[Mapping[str, Any]]) -> Monitored:
        """The record of the run, from the lines of its journal; the kept weights are there."""
        readings = [line for line in lines if "monitor" in line]
        return monitored(self._meter, readings, self._every, timing(self._seconds))


def timing(seconds: array[float]) -> Timing | None:
    """How durations are spread."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return Timing(
        steps=len(ordered),
        median=ordered[len(ordered) // 2],
        slow=ordered[int(0.9 * (len(ordered) - 1))],
        longest=ordered[-1],
    )


def _masks(state: State) -> dict[str, Tensor]:
    """Real positions of each tokens input of the batch to come."""
    assert state.batch is not None
    inputs = state.batch.inputs
    return {
        name: inputs[name] != spec.padding_id for name, spec in state.recipe.token_inputs.items()
    }
