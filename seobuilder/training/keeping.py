"""What a run keeps: checkpoints that it can go on from, and the weights that it ends with."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from math import isfinite, nan

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.spec.training import metrics_of
from seobuilder.training.averaging import Average
from seobuilder.training.checkpoints import Checkpoint, Position, RunFolder


class Keeper:
    """Keeps the position, the average and the best weights of a run, in memory and on disk."""

    def __init__(
        self,
        recipe: Recipe,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        accelerator: Accelerator,
        folder: RunFolder | None = None,
    ) -> None:
        """Begin with the model's weights.

        Args:
            recipe: whose training section says what is kept.
            model: on its device, not wrapped.
            optimizer: of the model, not wrapped.
            accelerator: of the run.
            folder: where checkpoints are written; None writes none.
        """
        self.position = Position(settings=recipe.training.model_dump(mode="json"))
        self._spec = recipe.training
        self._better = metrics_of({name: spec.kind for name, spec in recipe.outputs.items()})
        self._model = model
        self._optimizer = optimizer
        self._accelerator = accelerator
        self._folder = folder
        self._average = Average(model, self._spec.average) if self._spec.average else None
        self._best: dict[str, Tensor] | None = None

    def after_step(self) -> None:
        """Take the step's weights into the average."""
        if self._average is not None:
            self._average.update(self.position.step)

    def candidate(self) -> AbstractContextManager[None]:
        """The model has meanwhile the weights that would be kept if the run ended now."""
        return nullcontext() if self._average is None else self._average.applied()

    def judge(self, figures: Mapping[str, float]) -> bool:
        """Keep the candidate, whose figures these are, if it is the best; False: train no more."""
        stopping, position = self._spec.early_stopping, self.position
        if stopping is None:
            position.figures = dict(figures)
            return True
        sign = 1 if self._better[stopping.metric] == "higher" else -1
        value = figures.get(stopping.metric, nan)
        if isfinite(value) and (position.best is None or sign * value > sign * position.best):
            position.best, position.kept, position.waited = value, position.step, 0
            position.figures = dict(figures)
            self._best = {n: t.detach().clone() for n, t in self._model.state_dict().items()}
            return True
        if position.best is None:
            position.figures = dict(figures)
        position.waited += 1
        return position.waited < stopping.patience

    def finish(self) -> None:
        """Leave the weights that are kept in the model: best, averaged, or the last."""
        if self._best is not None:
            _load(self._model, self._best)
            return
        self.position.kept = self.position.step
        if self._average is not None:
            self._average.swap()

    def is_time(self, minutes: float) -> bool:
        """Whether a checkpoint is due, so many minutes after the last one."""
        every = self._spec.checkpoints
        return minutes >= every.minutes or (
            every.steps is not None and self.position.step % every.steps == 0
        )

    def save(self) -> None:
        """Write a checkpoint."""
        if self._folder is None or not self._accelerator.is_main_process:
            return
        scaler = self._accelerator.scaler
        self.position.scaler = {} if scaler is None else scaler.state_dict()
        tensors = {} if self._best is None else {"best": self._best}
        if self._average is not None:
            tensors["average"] = self._average.state()
        state = self._model.state_dict(), self._optimizer.state_dict()
        self._folder.write(Checkpoint(self.position, *state, tensors))

    def take_up(self) -> int:
        """Go on from the last checkpoint, if there is one; gives its step."""
        found = self._folder and self._folder.read(self._optimizer.state_dict())
        if not found:
            return 0
        settings = self.position.settings
        self.position = position = found.position
        if position.settings != settings:
            position.earlier.append({"until": position.step, "settings": position.settings})
            position.settings = settings
        _load(self._model, found.weights)
        self._optimizer.load_state_dict(found.optimizer)
        if self._average is not None:
            self._average.restore(found.tensors["average"])
        if "best" in found.tensors:
            device = self._accelerator.device
            self._best = {n: t.to(device) for n, t in found.tensors["best"].items()}
        if self._accelerator.scaler is not None:
            self._accelerator.scaler.load_state_dict(position.scaler)
        return position.step


def _load(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Take up a `state_dict`, or what was read of one: a tensor of several names has one there."""
    unexpected = model.load_state_dict(state, strict=False).unexpected_keys
    assert not unexpected, f"of another model: {unexpected}"
