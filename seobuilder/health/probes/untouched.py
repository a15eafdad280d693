"""Leaving a model as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_TENSORS = ("_parameters", "_buffers")


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Whatever the body does to `model` is undone, also when it fails.

    Put back are parameters, buffers, gradients, which parameters want one, training modes, hooks,
    and the state of torch's random generators. Memory: a copy of every parameter and buffer.
    """
    tensors = [*model.parameters(), *model.buffers()]
    contents = [tensor.detach().clone() for tensor in tensors]
    gradients = [(p, p.requires_grad, p.grad, _copy(p.grad)) for p in model.parameters()]
    modes = [(module, module.training) for module in model.modules()]
    tables = [table for module in model.modules() for table in _tables(module)]
    held = [table.copy() for table in tables]
    random = torch.random.fork_rng(devices=range(torch.cuda.device_count()))
    try:
        with random, torch.enable_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
        for table, before in zip(tables, held, strict=True):
            # In place, for the handles of hooks know the table that they stand in.
            table.clear()
            table.update(before)
        with torch.no_grad():
            for tensor, content in zip(tensors, contents, strict=True):
                tensor.copy_(content)
            for parameter, wanted, gradient, values in gradients:
                parameter.requires_grad_(wanted)
                parameter.grad = gradient
                if gradient is not None and values is not None:
                    gradient.copy_(values)


def _tables(module: nn.Module) -> list[dict[str, Any]]:
    """Where a module keeps its hooks, parameters and buffers."""
    return [
        value
        for name, value in vars(module).items()
        if isinstance(value, dict) and (name.endswith("hooks") or name in _TENSORS)
    ]


def _copy(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.detach().clone()
