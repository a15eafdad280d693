"""A chain of modules."""

from __future__ import annotations

from torch import Tensor, nn


class Stack(nn.ModuleList):
    """Modules applied one after the other: x = child(x, mask).

    Shapes: whatever the children take and give; mask [B, T] or None.
    """

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Send `x` through every child in order."""
        for child in self:
            x = child(x, mask)
        return x
