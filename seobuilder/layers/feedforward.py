"""Position-wise networks: the second branch of a transformer block, and the block of an MLP."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from seobuilder.layers.activation import Activated, Placement, activation_module


class FeedForward(nn.Module):
    """Two linear maps with an activation between, which a third may gate.

    y = down(dropout(activation(up(x)))), or gated, y = down(dropout(activation(gate(x)) * up(x))).

    Shapes: [..., C] to [..., C].

    Source: Attention Is All You Need (Vaswani et al. 2017, arXiv:1706.03762, equation 2); gated:
    GLU Variants Improve Transformer (Shazeer 2020, arXiv:2002.05202, equation 6).
    """

    def __init__(
        self,
        up: nn.Module,
        down: nn.Module,
        gate: nn.Module | None = None,
        activation: str = "gelu",
        dropout: float = 0.0,
    ) -> None:
        """Take the linear maps, the activation's name, and dropout's probability."""
        super().__init__()
        self.up = up
        self.down = down
        self.gate = gate
        self.activation = activation_module(activation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Send every position of `x` through the network."""
        if self.gate is None:
            hidden = self.activation(self.up(x))
        else:
            hidden = self.activation(self.gate(x)) * self.up(x)
        y: Tensor = self.down(self.dropout(hidden))
        return y


class MLPBlock(Activated):
    """A linear map, an activation, a norm before or after it, and a skip path.

    y = dropout(activation(norm(linear(x)))), or y = dropout(norm(activation(linear(x)))), and with
    a skip path x + y, as `Activated` says.

    Shapes: [B, C] to [B, C'], or [B, T, C] with mask [B, T] to [B, T, C']; C' = C with a skip path.

    Source: before the activation, Batch Normalization: Accelerating Deep Network Training by
    Reducing Internal Covariate Shift (Ioffe and Szegedy 2015, arXiv:1502.03167, section 3.2).
    """

    def __init__(
        self,
        linear: nn.Module,
        activation: str,
        norm: nn.Module | None = None,
        placement: Placement = "before_activation",
        **more: Any,
    ) -> None:
        """Take the linear map, the activation's name, and what `Activated` takes beside it."""
        super().__init__(activation, norm, placement, **more)
        self.linear = linear

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Send `x` through the block."""
        return self._join(x, self._activate(self.linear(x), mask))
