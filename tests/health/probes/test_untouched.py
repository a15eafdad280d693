"""A model is what it was, whatever a probe did to it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from seobuilder.health.probes.untouched import untouched


class Everything(nn.Module):
    """Dropout, running statistics, a power iteration, a recurrent cell, and a tied weight."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(7, 6)
        self.cell = nn.LSTM(6, 6, batch_first=True)
        self.norm = nn.BatchNorm1d(6)
        self.drop = nn.Dropout(0.5)
        self.inner = parametrizations.spectral_norm(nn.Linear(6, 6))
        self.head = nn.Linear(6, 7, bias=False)
        self.head.weight = self.table.weight

    def forward(self, ids: Tensor) -> Tensor:
        states = self.cell(self.table(ids))[0].flatten(0, 1)
        answer: Tensor = self.head(self.inner(self.drop(self.norm(states))))
        return answer


IDS = torch.arange(14).reshape(2, 7) % 7


def snapshot(model: nn.Module) -> list[object]:
    tensors = {name: each.detach().clone() for name, each in model.state_dict().items()}
    gradients = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    return [
        {name: tensor.tolist() for name, tensor in tensors.items()},
        [None if each is None else each.tolist() for each in gradients],
        [(p.requires_grad, id(p)) for p in model.parameters()],
        [module.training for module in model.modules()],
        [len(module._forward_hooks) for module in model.modules()],
        [id(buffer) for buffer in model.buffers()],
        torch.get_rng_state().tolist(),
        torch.is_grad_enabled(),
    ]


def train(model: nn.Module) -> None:
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    for _ in range(2):
        model(IDS).square().mean().backward()
        optimizer.step()


def rearrange(model: nn.Module) -> None:
    for module in model.modules():
        module.register_forward_hook(lambda *_: None)
        module.training = not module.training
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    model.norm.running_mean = torch.ones(6)  # type: ignore[union-attr]
    torch.rand(3)


def forget_gradients(model: nn.Module) -> None:
    with torch.no_grad():
        model(IDS)
    model.zero_grad()


CHANGES: dict[str, Callable[[nn.Module], None]] = {
    "train": train,
    "rearrange": rearrange,
    "forget_gradients": forget_gradients,
}


@settings(max_examples=25, deadline=None)
@given(
    changes=st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=3, unique=True),
    training=st.booleans(),
    has_gradient=st.booleans(),
    fails=st.booleans(),
)
def test_everything_is_put_back(
    changes: list[str], training: bool, has_gradient: bool, fails: bool
) -> None:
    model = Everything().train(training)
    if has_gradient:
        model(IDS).sum().backward()
    model.inner.weight.detach()  # a power iteration, before the snapshot
    before = snapshot(model)
    raised = pytest.raises(ValueError, match="no") if fails else nullcontext()
    with raised, untouched(model):
        for name in CHANGES:
            if name in changes:
                CHANGES[name](model)
        if fails:
            raise ValueError("no")
    assert snapshot(model) == before
    assert model.head.weight is model.table.weight


def test_handles_of_hooks_that_were_there_still_remove_them() -> None:
    layer = nn.Linear(2, 2)
    heard: list[int] = []
    handle = layer.register_forward_hook(lambda *_: heard.append(1))
    with untouched(layer):
        layer.register_forward_hook(lambda *_: heard.append(2))
        layer(torch.zeros(1, 2))
    layer(torch.zeros(1, 2))
    handle.remove()
    layer(torch.zeros(1, 2))
    assert heard == [1, 2, 1]
