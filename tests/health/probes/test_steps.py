"""The first steps are those of torch's AdamW, without what its class loads."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from seobuilder.health.probes.steps import LEARNING_RATE, STEPS, first_steps


class Gated(nn.Module):
    """A head of zeros, so that the body wakes a step later, and a parameter that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 4)
        self.head = nn.Linear(4, 1)
        self.unread = nn.Parameter(torch.ones(2))
        nn.init.zeros_(self.head.weight)

    def loss(self) -> Tensor:
        x = torch.tensor([[1.0, -2.0, 0.5]])
        loss: Tensor = (self.head(self.body(x).tanh()) - 1).square().sum()
        return loss


def test_they_are_torchs_and_load_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    ours, theirs = Gated(), Gated()
    theirs.load_state_dict(ours.state_dict())
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=LEARNING_RATE, weight_decay=0.0)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = theirs.loss()
        losses.append(loss.item())
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    monkeypatch.setattr(torch.optim.Optimizer, "__init__", None)  # which loads it
    names = {name: (parameter,) for name, parameter in ours.named_parameters()}
    records, found = first_steps(ours, names, ours.loss)
    assert found == (*losses, theirs.loss().item())
    for name, parameter in theirs.named_parameters():
        assert torch.equal(ours.get_parameter(name), parameter)
    wakes = {record.name: record.wakes for record in records}
    assert wakes == {
        "body.weight": 1, "body.bias": 1, "head.weight": 0, "head.bias": 0, "unread": None
    }  # fmt: skip
