"""Weights averaged over the steps: better than the last ones where a run is short.

Averaging Weights Leads to Wider Optima and Better Generalization (Izmailov et al. 2018,
arXiv:1803.05407); exponentially, as in Polyak averaging of Adam (Kingma and Ba 2015, section 7.2).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """average = share * average + (1 - share) * weight after every step, buffers left alone.

    Early on the share is at most (1 + steps) / (10 + steps), so that the first weights are soon
    forgotten.
    """

    def __init__(self, model: nn.Module, share: float) -> None:
        """Begin with the model's weights."""
        self._share = share
        self._weights = [each.detach() for each in model.parameters()]
        self._names = [name for name, _ in model.named_parameters()]
        self._average = [each.clone() for each in self._weights]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 1."""
        share = min(self._share, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._average, self._weights, 1 - share)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the average meanwhile."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange weights and average."""
        held = [each.clone() for each in self._weights]
        torch._foreach_copy_(self._weights, self._average)
        torch._foreach_copy_(self._average, held)

    def state(self) -> dict[str, Tensor]:
        """The average by name of parameter."""
        return dict(zip(self._names, self._average, strict=True))

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave."""
        for name, each in self.state().items():
            each.copy_(state[name])
