"""What watches a training run: a callback is called at fixed places of the loop.

The loop knows no callback by name. The progress bar, the journal and the trackers are callbacks,
and so is every monitor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from seobuilder.data.batches import Batch
from seobuilder.layers import SearchModel
from seobuilder.planning.model import Plan
from seobuilder.recipe.spec import Recipe


@dataclass
class State:
    """A run as it is now. The loop keeps one and changes it; a callback only looks.

    Attributes:
        model: being trained, on its device; not wrapped.
        plan: what it was compiled from.
        recipe: with the training section.
        optimizer: its groups have the rates of the step.
        is_main: whether this is the one process that writes and shows.
        steps: of the whole run, as far as is known ahead.
        step: steps that are done; within a step, those before it.
        epoch: passes over the data that are done.
        progress: share of the run that is done, 0 to 1.
        rate: the learning rate of the step.
        batch: the last batch of the step, on the device; in `on_batch`, the one to come.
        loss: of the step, a scalar on the device, the mean over its batches and processes.
        losses: of each output, likewise and without weights, of the step's last batch.
        gradient_norm: L2 norm of the whole gradient before it was clipped, a scalar on the device.
        rows: seen since the run began, by this process.
        tokens: likewise, padding included.
    """

    model: SearchModel
    plan: Plan
    recipe: Recipe
    optimizer: torch.optim.Optimizer
    is_main: bool = True
    steps: int = 0
    step: int = 0
    epoch: int = 0
    progress: float = 0.0
    rate: float = 0.0
    batch: Batch | None = None
    loss: Tensor | None = None
    losses: Mapping[str, Tensor] | None = None
    gradient_norm: Tensor | None = None
    rows: int = 0
    tokens: int = 0


class Callback:
    """Does nothing: override what is of interest.

    Every process of a run calls all of them; `state.is_main` tells which one may write. To end a
    run that has gone wrong, raise `seobuilder.TrainingStopped`: nothing of the run is published,
    and its last checkpoint stays.
    """

    @property
    def doubts(self) -> bool:
        """While it is true no checkpoint is written, for the weights may have gone bad."""
        return False

    def on_start(self, state: State) -> None:
        """Before the first step of this process, which is not the first of a resumed run."""

    def on_batch(self, state: State) -> None:
        """Before each forward pass."""

    def on_backward(self, state: State) -> None:
        """Before each step: all gradients are there, unscaled and not yet clipped."""

    def on_step(self, state: State) -> None:
        """After each step: weights have moved, gradients are those that moved them."""

    def on_evaluate(self, state: State, split: str, figures: Mapping[str, float]) -> None:
        """After rows were looked at: `split` is validation or test.

        `figures` are by metric, NaN for one that has no meaning on these rows.
        """

    def on_end(self, state: State) -> None:
        """After the last step; not where the run was interrupted."""
