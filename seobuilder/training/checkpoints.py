"""A run that is not done: a folder beside its target with the last checkpoints.

Each checkpoint is a build folder of its own, complete or absent, so that a run that is killed while
it writes one goes on from the one before.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from seobuilder.artifact.folder import Content, write
from seobuilder.artifact.manifest import WEIGHTS, FileEntry, Manifest, differences
from seobuilder.artifact.places import discard
from seobuilder.artifact.verify import read_manifest, verify
from seobuilder.artifact.weights import read_weights, write_weights
from seobuilder.errors import BuildFolderError
from seobuilder.training.journal import METRICS_FILE

STATE_FILE = "state.json"
OPTIMIZER_FILE = "optimizer.safetensors"
TENSOR_FILES = {"average": "average.safetensors", "best": "best.safetensors"}

_NAME = re.compile(r"step_(\d{12})")


@dataclass
class Position:
    """Where a run stands, and what it remembers beside tensors.

    `epoch`, `block` and `index` name the next step: of this epoch's block, which is the only one
    unless rows are streamed, the one with this index. `best` is the
    metric of the best evaluation so far, `kept` its step, `waited` how many evaluations came since;
    `figures` are those of the validation rows with the weights that are kept so far. `settings` are
    those of the training, and `earlier` those that held until a step.
    """

    step: int = 0
    epoch: int = 0
    block: int = 0
    index: int = 0
    rows: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best: float | None = None
    kept: int = 0
    waited: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    scaler: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    earlier: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Checkpoint:
    """What a run goes on from; `tensors` holds the average and the best weights, if there are."""

    position: Position
    weights: dict[str, Tensor]
    optimizer: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]] = field(default_factory=dict)


class RunFolder:
    """`NAME.partial` beside the target `NAME`: the journal, and the last checkpoints."""

    def __init__(
        self, target: Path, manifest_of: Callable[[dict[str, FileEntry]], Manifest], keep: int
    ) -> None:
        """The folder of the run that will publish `target`; nothing is made yet."""
        self.path = target.with_name(f"{target.name}.partial")
        self._manifest_of = manifest_of
        self._keep = keep

    @property
    def journal(self) -> Path:
        """The file of the journal."""
        return self.path / METRICS_FILE

    def begin(self, *, resume: bool, force: bool) -> None:
        """Make the folder, or see that what is there may be gone on with.

        Raises:
            BuildFolderError: an unfinished run is in the way, or is of another recipe or data.
        """
        if self.path.exists() and not resume:
            if not force:
                raise BuildFolderError(
                    f"{self.path} holds an unfinished run; --resume goes on with it, --force "
                    "begins anew"
                )
            self.remove()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BuildFolderError(f"{self.path}: can't be made: {error.strerror}") from error
        for folder in self._folders():
            new = self._manifest_of({})
            if (old := _manifest(folder)) is not None and old.digest != new.digest:
                lines = "".join(f"\n  {line}" for line in differences(old, new))
                raise BuildFolderError(
                    f"{self.path} holds a run of something else:{lines}\n--force begins anew"
                )

    def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then remove the oldest."""
        files: dict[str, Content] = {
            WEIGHTS: lambda path: write_weights(path, checkpoint.weights),
            OPTIMIZER_FILE: lambda path: write_weights(path, _flat(checkpoint.optimizer)),
            STATE_FILE: json.dumps(asdict(checkpoint.position)).encode(),
        }
        for name, tensors in checkpoint.tensors.items():
            files[TENSOR_FILES[name]] = _writer(tensors)
        target = self.path / f"step_{checkpoint.position.step:012}"
        write(target, files, self._manifest_of, force=True)
        for old in self._folders()[self._keep :]:
            discard(old, old)

    def read(self, optimizer: Mapping[str, Any]) -> Checkpoint | None:
        """The last checkpoint that is whole, None if there is none.

        `optimizer` is the state of a new one, whose groups are kept.
        """
        for folder in self._folders():
            if verify(folder):
                continue
            position = Position(**json.loads((folder / STATE_FILE).read_bytes()))
            return Checkpoint(
                position,
                read_weights(folder / WEIGHTS),
                {**optimizer, "state": _nested(read_weights(folder / OPTIMIZER_FILE))},
                {
                    name: read_weights(folder / file)
                    for name, file in TENSOR_FILES.items()
                    if (folder / file).is_file()
                },
            )
        return None

    def last(self) -> int | None:
        """The step of the last checkpoint, None if there is none."""
        found = self._folders()
        return int(found[0].name.removeprefix("step_")) if found else None

    def remove_empty(self) -> None:
        """Remove the run's folder if nothing of a run is in it, neither a line nor a checkpoint."""
        if self.last() is None and not (self.journal.is_file() and self.journal.stat().st_size):
            self.remove()

    def remove(self) -> None:
        """Remove the run's folder: it is done."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _folders(self) -> list[Path]:
        """Folders of checkpoints, the last one first."""
        found = [path for path in self.path.glob("step_*") if _NAME.fullmatch(path.name)]
        return sorted(found, reverse=True)


def _manifest(folder: Path) -> Manifest | None:
    try:
        return read_manifest(folder)
    except BuildFolderError:
        return None


def _writer(tensors: Mapping[str, Tensor]) -> Content:
    return lambda path: write_weights(path, tensors)


def _flat(optimizer: Mapping[str, Any]) -> dict[str, Tensor]:
    """An optimizer's tensors, named by parameter and key."""
    return {
        f"{index}.{key}": value
        for index, state in optimizer["state"].items()
        for key, value in state.items()
        if isinstance(value, Tensor)
    }


def _nested(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = tensor
    return state
