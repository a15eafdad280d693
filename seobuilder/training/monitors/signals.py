"""Numbers of a signal that stays on its device: nothing here waits for an accelerator.

Axes: B examples, T time, C channels, H and W of a map.
"""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor, nn

from seobuilder.health.probes.signals import attention_numbers
from seobuilder.layers import Attention

EXAMPLES = 64
"""Examples of a batch that are looked at: what a number costs must not grow with the batch."""

ATTENDED = 16
"""The same for attention, whose weights are T times T for each."""


def variance(signal: Tensor, mask: Tensor | None) -> Tensor:
    """Variance of all elements at real positions, a scalar.

    Taken are [B], [B, C], sequences [B, T, C] with their mask [B, T], and maps [B, C, H, W].
    """
    x = _some(signal)
    real = _real(x, mask)
    if real is None:
        return x.var(correction=0)
    count = real.sum() * prod(x.shape[2:])
    mean = (x * real).sum() / count
    return ((x - mean).square() * real).sum() / count


def dead_share(signal: Tensor, mask: Tensor | None) -> Tensor:
    """Share of the units that are zero at all real positions, a scalar, of [B, C] and more axes."""
    x = _some(signal)
    alive = x != 0
    if (real := _real(x, mask)) is not None:
        alive &= real.bool()
    units = 1 if x.ndim == 4 else x.ndim - 1
    axes = [axis for axis in range(x.ndim) if axis != units]
    return 1 - alive.any(dim=axes).float().mean()


def attention(module: Attention, x: Tensor, mask: Tensor | None = None) -> Tensor:
    """Standard deviation and size of the scores, and entropies: see `attention_numbers`.

    In evaluation mode meanwhile: norms of queries, and spectral norms, must not be moved on.
    """
    modes: list[tuple[nn.Module, bool]] = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            some = None if mask is None else mask[:ATTENDED]
            return attention_numbers(module, x.detach()[:ATTENDED], some)
    finally:
        for each, mode in modes:
            each.training = mode


def _some(signal: Tensor) -> Tensor:
    x = signal.detach()[:EXAMPLES]
    return x if x.dtype == torch.float64 else x.float()


def _real(x: Tensor, mask: Tensor | None) -> Tensor | None:
    """The mask as factors [B, T, 1], where it is one of this signal."""
    if mask is None or x.ndim != 3 or mask[:EXAMPLES].shape != x.shape[:2]:
        return None
    return mask[:EXAMPLES, :, None].to(x.dtype)
