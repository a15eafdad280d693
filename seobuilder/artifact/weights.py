"""Weights as a safetensors file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from warnings import catch_warnings

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, load_model, save_file
from torch import Tensor, nn

from seobuilder.errors import BuildFolderError, EnvironmentProblem


def write_weights(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write a `state_dict`, sorted by name. A tensor that has several names is stored once.

    It is stored under the first of its names in the order of `state`. The same state gives the
    same bytes. Raises BuildFolderError if the disk refuses.
    """
    seen: set[tuple[object, ...]] = set()
    unique: dict[str, Tensor] = {}
    for name, tensor in state.items():
        identity = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and identity in seen:
            continue
        seen.add(identity)
        unique[name] = _alone(tensor)
    try:
        # A second key would make the bytes differ from run to run: its order is a hash map's.
        save_file(dict(sorted(unique.items())), path, metadata={"format": "pt"})
        # The library lets only the owner read it; the build's other files say what is usual here.
        path.chmod(path.parent.stat().st_mode & 0o666)
    except (OSError, SafetensorError) as error:
        raise BuildFolderError(f"{path}: the weights cannot be written: {error}") from error


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, each stored one once.

    Raises BuildFolderError if it can't be read.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise BuildFolderError(f"{path}: the weights cannot be read: {error}") from error


def open_weights(path: Path) -> dict[str, Callable[[], Tensor]]:
    """What reads each tensor of a safetensors file, by name; none is read before it is asked for.

    Raises:
        EnvironmentProblem: the file can't be read, or is no safetensors file; or, once it is asked
            for, a tensor has a dtype that torch lacks.
    """
    try:
        file: Any = safe_open(path, framework="pt")
    except (OSError, SafetensorError) as error:
        raise EnvironmentProblem(f"can't read weights from {path}: {error}") from None

    def read(name: str) -> Tensor:
        try:
            tensor: Tensor = file.get_tensor(name)
        except SafetensorError as error:  # a dtype that torch lacks
            raise EnvironmentProblem(f"can't read `{name}` from {path}: {error}") from None
        return tensor

    return {name: partial(read, name) for name in file.offset_keys()}


def read_checkpoint(path: Path) -> dict[Any, Any]:
    """What `torch.save` wrote of a state, mapped into memory; none of the code in it is run.

    Raises EnvironmentProblem if it can't be read, or holds more than data.
    """
    try:
        with catch_warnings(action="ignore"):  # what torch may drop some day reads well today
            state: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (OSError, RuntimeError, UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise EnvironmentProblem(f"can't read weights from {path}: {reason}") from None
    return state if isinstance(state, dict) else {"": state}


def load_weights(path: Path, model: nn.Module) -> None:
    """Copy the weights in `path` into `model`, whose shared tensors may be stored under one name.

    Raises BuildFolderError if the file can't be read, or if its names or shapes are others.
    """
    try:
        load_model(model, path, strict=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise BuildFolderError(f"{path}: the weights do not load: {error}") from error


def _alone(tensor: Tensor) -> Tensor:
    """`tensor`, contiguous and with memory of its own, as the format needs."""
    tensor = tensor.detach().contiguous()
    is_whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if is_whole else tensor.clone()
