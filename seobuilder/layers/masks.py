"""Padding masks: [B, T] boolean, true at real positions, None where every position is real."""

from __future__ import annotations

from torch import Tensor


def zero_padding(x: Tensor, mask: Tensor | None) -> Tensor:
    """`x` [B, T, C] with zeros at padded positions."""
    return x if mask is None else x.where(mask[..., None], 0)


def check_length(time: int, length: int) -> None:
    """Refuse a sequence of more positions than a layer was built for.

    Raises:
        ValueError: `time` exceeds `length`.
    """
    if time > length:
        raise ValueError(f"a sequence of {time} positions exceeds the {length} that were built")
