"""Trackers of experiments that accelerate knows and that are installed: TensorBoard, W&B, ..."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers
from rich.console import Console

from seobuilder.errors import EnvironmentProblem
from seobuilder.recipe.diagnostics import quote
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.journal import number, numbers


class Track(Callback):
    """Sends a tracker what the journal notes of steps and evaluations.

    One that can't be begun ends the run before its first step; one that fails later, such as a
    server that has gone, is told of and left, for training is worth more.
    """

    def __init__(self, name: str, folder: Path, every: int) -> None:
        """Track under accelerate's name of the tracker, such as tensorboard.

        Args:
            name: of the tracker.
            folder: where a tracker that writes files puts them.
            every: so many steps are sent.

        Raises:
            EnvironmentProblem: there is no such tracker, or it is not installed.
        """
        known = sorted(str(tracker) for tracker in LOGGER_TYPE_TO_CLASS)
        installed = {str(tracker) for tracker in get_available_trackers()}
        if name not in known:
            raise EnvironmentProblem(f"{quote(name)} is no tracker; there are {', '.join(known)}")
        if name not in installed:
            raise EnvironmentProblem(f"{name} is not installed; `pip install {name}` adds it")
        self._name = name
        self._folder = folder
        self._every = every
        self._tracker: Any = None

    def on_start(self, state: State) -> None:
        """Open the tracker, and tell it the settings.

        Raises:
            EnvironmentProblem: it refuses.
        """
        if not state.is_main:
            return
        try:
            self._tracker = self._open(state)
        except Exception as error:  # whatever another package raises
            reason = f"{self._name} can't be begun: {_said(error)}"
            raise EnvironmentProblem(reason) from error

    def on_step(self, state: State) -> None:
        """Send a step."""
        if self._tracker is not None and state.step % self._every == 0:
            self._send(numbers(state), state.step)

    def on_evaluate(self, state: State, split: str, figures: Mapping[str, float]) -> None:
        """Send what was measured; MLflow takes no @ in a name."""
        named = {f"{split}/{name.replace('@', '_at_')}": value for name, value in figures.items()}
        self._send({name: number(value) for name, value in named.items()}, state.step)

    def on_end(self, state: State) -> None:
        """Close the tracker."""
        self.close()

    def close(self) -> None:
        """Close the tracker, also after an interruption."""
        self._call("finish")
        self._tracker = None

    def _open(self, state: State) -> Any:
        kind: Any = LOGGER_TYPE_TO_CLASS[self._name]
        where = {"logging_dir": self._folder} if kind.requires_logging_directory else {}
        tracker = kind(state.recipe.name, **where)
        start = getattr(tracker, "start", None)
        if start is not None:
            start()
        tracker.store_init_configuration(_flat(state.recipe.training.model_dump(mode="json")))
        return tracker

    def _send(self, values: Mapping[str, float | None], step: int) -> None:
        self._call("log", {k: v for k, v in values.items() if v is not None}, step=step)

    def _call(self, method: str, *values: Any, **named: Any) -> None:
        """Call the tracker, if there is one still."""
        if self._tracker is None:
            return
        try:
            getattr(self._tracker, method)(*values, **named)
        except Exception as error:  # whatever another package raises
            self._tracker = None
            Console(stderr=True, highlight=False, soft_wrap=True).print(
                f"{self._name} fails, and gets nothing more: {_said(error)}", markup=False
            )


def _said(error: Exception) -> str:
    """The first line of what an error says, for some packages tell a story."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str | float | int | bool]:
    """Settings under dotted names, as trackers take them."""
    flat: dict[str, str | float | int | bool] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif isinstance(value, str | float | int | bool):
            flat[f"{prefix}{key}"] = value
        elif value is not None:
            flat[f"{prefix}{key}"] = str(value)
    return flat
