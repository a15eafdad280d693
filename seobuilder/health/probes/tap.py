"""Listening to modules while a model runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass
class Heard:
    """What the first run of each module gave, and what went in, by the key it is listened to as."""

    outputs: dict[str, Tensor] = field(default_factory=dict)
    inputs: dict[str, tuple[Any, ...]] = field(default_factory=dict)


@contextmanager
def listen(modules: Mapping[str, nn.Module]) -> Iterator[Heard]:
    """Keep the tensors that go into each module and come out of it, in the order of evaluation.

    Outputs stay part of the graph, so that gradients with respect to them can be asked for. Of a
    module that gives several values the first that is a tensor is kept; a module that runs again,
    because it is shared, is heard once.
    """
    heard = Heard()
    handles = []

    def hook(key: str) -> Any:
        def keep(module: nn.Module, given: tuple[Any, ...], answer: Any) -> None:
            tensors = answer if isinstance(answer, tuple | list) else (answer,)
            first = next((each for each in tensors if isinstance(each, Tensor)), None)
            if first is not None and key not in heard.outputs:
                heard.outputs[key] = first
                heard.inputs[key] = given

        return keep

    try:
        for key, module in modules.items():
            handles.append(module.register_forward_hook(hook(key)))
        yield heard
    finally:
        for handle in handles:
            handle.remove()
