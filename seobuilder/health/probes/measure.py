"""Numbers of one signal: size, similarity, dead units.

Axes: N rows (the real positions of all examples), C units, B examples.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.special import log_ndtr
from torch import Tensor

MOST_ROWS = 4096
"""Rows that dead units and similarities are looked for in, evenly spread; all where fewer."""


def rows_of(signal: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """A signal as rows [N, C] of real positions in float64, and the example [N] of each.

    Taken are [B], [B, C], sequences [B, T, C] with their mask [B, T], and maps [B, C, H, W].
    """
    signal = signal.detach().to(torch.float64)
    if signal.ndim == 1:
        signal = signal[:, None]
    if signal.ndim == 4:
        signal = signal.permute(0, 2, 3, 1)
    rows = signal.reshape(-1, signal.shape[-1])
    examples = torch.arange(len(signal)).repeat_interleave(len(rows) // max(1, len(signal)))
    if mask is not None and signal.ndim == 3 and mask.shape == signal.shape[:2]:
        real = mask.reshape(-1)
        return rows[real], examples[real]
    return rows, examples


def similarity(rows: Tensor, examples: Tensor, *, within: bool) -> float | None:
    """Mean cosine of two rows [N, C]: of one example where `within`, else of any two.

    From |sum of n unit vectors|² = n + n (n - 1) c. None where no two rows are to be compared, and
    for rows of zeros.
    """
    lengths = rows.norm(dim=1, keepdim=True)
    alive = lengths[:, 0] > 0
    units, owners = rows[alive] / lengths[alive], examples[alive]
    if not within:
        owners = torch.zeros_like(owners)
    if not len(owners) or rows.shape[1] < 2:
        return None
    numbers, owners = torch.unique(owners, return_inverse=True)
    counts = torch.bincount(owners, minlength=len(numbers)).to(rows.dtype)
    sums = torch.zeros(len(numbers), rows.shape[1], dtype=rows.dtype).index_add_(0, owners, units)
    several = counts > 1
    if not several.any():
        return None
    n, squares = counts[several], sums[several].square().sum(dim=1)
    return float(((squares - n) / (n * (n - 1))).mean())


def thinned(rows: Tensor) -> Tensor:
    """At most `MOST_ROWS` rows, evenly spread."""
    if len(rows) <= MOST_ROWS:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, MOST_ROWS).long()]


def dead_share(rows: Tensor) -> float | None:
    """Share of the units (columns of [N, C]) that are zero in all rows; None without rows."""
    return float((rows == 0).all(dim=0).double().mean()) if len(rows) else None


def expected_dead(similarity: float, rows: int) -> float:
    """Share of ReLU units that are zero on all rows although nothing is wrong with them.

    Before the activation a unit is taken to be normal around 0, with the same correlation c
    between any two rows, so that x_i = sqrt(c) z + sqrt(1 - c) e_i and
    P(all <= 0) = E_z[Phi(-sqrt(c / (1 - c)) z)^rows]. As depth makes rows alike, c goes to 1 and
    this to 1/2.
    """
    c = min(max(similarity, 0.0), 1.0)
    if c == 1.0:
        return 0.5
    nodes, weights = _NORMAL
    # No matrix product, for its sums are split by thread, and their last digits with them.
    return float(np.sum(weights * np.exp(rows * log_ndtr(-np.sqrt(c / (1 - c)) * nodes))))


def _normal() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of a standard normal's quadrature; an even grid, for the power is steep."""
    nodes = np.linspace(-9.0, 9.0, 20_001)
    weights = np.exp(-nodes * nodes / 2)
    return nodes, weights / weights.sum()


_NORMAL = _normal()
