"""Biases that hold another value for one gate of a recurrent cell."""

from __future__ import annotations

from torch import Tensor

from seobuilder.init.streams import Stream
from seobuilder.init.threads import Spread
from seobuilder.planning.distributions import ForgetGate


def forget_gate(d: ForgetGate, bias: Tensor, stream: Stream, spread: Spread) -> None:
    """`value` at the second of four gates, which PyTorch stacks as i, f, g, o."""
    bias.zero_().view(4, -1)[1] = d.value
