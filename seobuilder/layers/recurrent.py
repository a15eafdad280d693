"""Recurrent layers that skip padding.

Axes: B batch, T time, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seobuilder.layers.activation import apply_norm
from seobuilder.layers.masks import zero_padding
from seobuilder.layers.residual import join
from seobuilder.layers.stack import Stack


class RecurrentLayer(nn.Module):
    """One recurrent layer in one direction or both.

    y = dropout(norm([forward_cell(x), backward_cell(x)])), and on a skip path skip_scale * x +
    branch_scale * scale(y), with zeros at padded positions; `skip_scale` 0 means none. Each cell
    reads the real positions one after the other from state 0, and what it gives is put back
    where they stood.

    The last real position holds the forward cell's final state. The backward cell has read but one
    position there; its final state is at the first real position.

    Shapes: x [B, T, C] and mask [B, T] to [B, T, hidden], or [B, T, 2 * hidden] in both directions.

    Source: Bidirectional Recurrent Neural Networks (Schuster and Paliwal 1997, section II); the
    cells are `torch.nn.RNN`, `LSTM` and `GRU`, which give their equations.
    """

    def __init__(
        self,
        forward_cell: nn.RNNBase,
        backward_cell: nn.RNNBase | None = None,
        norm: nn.Module | None = None,
        scale: nn.Module | None = None,
        dropout: float = 0.0,
        skip_scale: float = 0.0,
        branch_scale: float = 1.0,
    ) -> None:
        """Take the cells, built with `batch_first=True`, and what stands around them."""
        super().__init__()
        self.forward_cell = forward_cell
        self.backward_cell = backward_cell
        self.norm = norm
        self.scale = scale
        self.dropout = nn.Dropout(dropout)
        self.skip_scale = skip_scale
        self.branch_scale = branch_scale

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Read the real positions of `x`."""
        y = _read(self.forward_cell, x, None if mask is None else _real_first(mask))
        if self.backward_cell is not None:
            if mask is None:
                backward = self.backward_cell(x.flip(1))[0].flip(1)
            else:
                backward = _read(self.backward_cell, x, _reversed_real_first(mask))
            y = torch.cat((y, backward), dim=-1)
        y = self.dropout(apply_norm(self.norm, y, mask))
        return zero_padding(join(x, y, self.scale, self.skip_scale, self.branch_scale), mask)


class Recurrent(nn.Module):
    """Recurrent layers, each reading what the one before gives.

    Shapes: x [B, T, C] and mask [B, T] to [B, T, C'], with zeros at padded positions.

    Source: Speech Recognition with Deep Recurrent Neural Networks (Graves, Mohamed and Hinton 2013,
    arXiv:1303.5778, equation 11).
    """

    def __init__(self, layers: Stack) -> None:
        """Take the layers."""
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Send `x` through every layer in order."""
        y: Tensor = self.layers(x, mask)
        return y


def _read(cell: nn.Module, x: Tensor, order: Tensor | None) -> Tensor:
    """Outputs of `cell`, which reads the positions of `x` in `order` [B, T]; None is as given."""
    if order is None:
        y: Tensor = cell(x)[0]
        return y
    return _take(cell(_take(x, order))[0], order.argsort(dim=1))


def _take(x: Tensor, index: Tensor) -> Tensor:
    """y[b, t] = x[b, index[b, t]]."""
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))


def _real_first(mask: Tensor) -> Tensor:
    """The real positions in order, then the padded ones: [B, T] indices."""
    time = torch.arange(mask.shape[1], device=mask.device)
    return torch.where(mask, time, time + mask.shape[1]).argsort(dim=1)


def _reversed_real_first(mask: Tensor) -> Tensor:
    """The real positions from the last to the first, then the padded ones: [B, T] indices."""
    time = torch.arange(mask.shape[1], device=mask.device)
    return torch.where(mask, -time, time + 1).argsort(dim=1)
