"""Trackers of experiments that accelerate knows and that are installed: TensorBoard, W&B, ..."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

from seobuilder.errors import EnvironmentProblem
from seobuilder.recipe.diagnostics import quote
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.journal import number


class Track(Callback):
    """Sends a tracker what the journal notes."""

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
        self._class: Any = LOGGER_TYPE_TO_CLASS[name]
        self._folder = folder
        self._every = every
        self._tracker: Any = None

    def on_start(self, state: State) -> None:
        """Open the tracker, and tell it the settings."""
        if not state.is_main:
            return
        where = {"logging_dir": self._folder} if self._class.requires_logging_directory else {}
        self._tracker = self._class(state.recipe.name, **where)
        start = getattr(self._tracker, "start", None)
        if start is not None:
            start()
        self._tracker.store_init_configuration(_flat(state.recipe.training.model_dump(mode="json")))

    def on_step(self, state: State) -> None:
        """Send a step."""
        if self._tracker is not None and state.step % self._every == 0:
            values = {
                "loss": number(state.loss),
                "rate": state.rate,
                "gradient_norm": number(state.gradient_norm),
            }
            self._send(values, state.step)

    def on_evaluate(self, state: State, split: str, figures: Mapping[str, float]) -> None:
        """Send what was measured."""
        if self._tracker is not None:
            self._send({f"{split}/{name}": number(v) for name, v in figures.items()}, state.step)

    def on_end(self, state: State) -> None:
        """Close the tracker."""
        if self._tracker is not None:
            self._tracker.finish()

    def _send(self, values: Mapping[str, float | None], step: int) -> None:
        self._tracker.log({k: v for k, v in values.items() if v is not None}, step=step)


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
