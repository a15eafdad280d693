"""Casts that leave no trace where there is nothing to cast."""

from __future__ import annotations

import torch
from torch import Tensor


def as_dtype(x: Tensor, dtype: torch.dtype) -> Tensor:
    """`x` in `dtype`.

    A cast that changes nothing would still stand in an exported graph, and torch.export cannot
    write one down where an input is called `device`.
    """
    return x if x.dtype == dtype else x.to(dtype)
