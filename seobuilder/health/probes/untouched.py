"""A model that is used and then is what it was."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

_MODES = ("training", "inplace")
_REGISTRIES = ("_parameters", "_buffers", "_modules")


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Whatever the body does to `model` is undone, also when it fails.

    Put back are the values of parameters and buffers, `.grad` and `requires_grad`, which objects
    modules hold, their hooks, and whether they train or write in place; of torch its random states,
    whether gradients are recorded, and whether algorithms must be deterministic. Inside, parameters
    have no gradient.
    Takes as much memory again as the model's tensors.
    """
    tensors = [_Kept(tensor) for tensor in {id(t): t for t in _tensors(model)}.values()]
    modules = [_KeptModule(module) for module in model.modules()]
    machine = _Machine()
    try:
        for kept in tensors:
            kept.tensor.grad = None
        yield
    finally:
        machine.put_back()
        for module in modules:
            module.put_back()
        with torch.no_grad():
            for kept in tensors:
                kept.put_back()


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    yield from model.parameters()
    yield from model.buffers()


class _Kept:
    """A tensor, and what it held."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self._data = tensor.data  # a body that changes the dtype puts another in its place
        self._values = tensor.detach().clone()
        self._grad = tensor.grad
        self._requires_grad = tensor.requires_grad
        self._hooks = _Contents.of(tensor, "_backward_hooks")

    def put_back(self) -> None:
        self._data.copy_(self._values)
        self.tensor.data = self._data
        self.tensor.requires_grad_(self._requires_grad)
        self.tensor.grad = self._grad
        self._hooks.put_back()


class _KeptModule:
    """A module's modes, and the objects that it holds."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._modes = {name: vars(module)[name] for name in _MODES if name in vars(module)}
        names = [name for name in vars(module) if name.endswith("_hooks") or name in _REGISTRIES]
        self._contents = [_Contents.of(module, name) for name in names]

    def put_back(self) -> None:
        vars(self._module).update(self._modes)
        for contents in self._contents:
            contents.put_back()


@dataclass(frozen=True, slots=True)
class _Contents:
    """A mapping that an object has under a name, and what was in it; None if it had none."""

    owner: Any
    name: str
    mapping: MutableMapping[Any, Any] | None
    items: dict[Any, Any]

    @classmethod
    def of(cls, owner: Any, name: str) -> _Contents:
        mapping = getattr(owner, name)
        return cls(owner, name, mapping, {} if mapping is None else dict(mapping))

    def put_back(self) -> None:
        if self.mapping is not None:
            self.mapping.clear()
            self.mapping.update(self.items)
        if getattr(self.owner, self.name) is not self.mapping:
            setattr(self.owner, self.name, self.mapping)


class _Machine:
    """Torch's own state: what all models share."""

    def __init__(self) -> None:
        self._random = torch.get_rng_state()
        self._devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        self._grad = torch.is_grad_enabled()
        self._deterministic = torch.are_deterministic_algorithms_enabled()
        self._warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
        cudnn = torch.backends.cudnn
        self._cudnn = cudnn.deterministic, cudnn.benchmark

    def put_back(self) -> None:
        torch.set_rng_state(self._random)
        if self._devices:
            torch.cuda.set_rng_state_all(self._devices)
        torch.set_grad_enabled(self._grad)
        torch.use_deterministic_algorithms(self._deterministic, warn_only=self._warn_only)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = self._cudnn
