"""What flows between modules: the kind and the size of a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids [B, T]; `source` is the input whose padding mask goes along."""

    length: int
    vocab_size: int
    padding_id: int
    source: str

    def __str__(self) -> str:
        return f"tokens [batch, {self.length}]"


@dataclass(frozen=True, slots=True)
class Category:
    """Value ids [B]: 0 for an unknown value, then 1 to `values`."""

    values: int

    def __str__(self) -> str:
        return "a category [batch]"


@dataclass(frozen=True, slots=True)
class Vector:
    """[B, C]."""

    width: int

    def __str__(self) -> str:
        return f"a vector [batch, {self.width}]"


@dataclass(frozen=True, slots=True)
class Sequence:
    """[B, T, C]; `source` is the input whose padding mask goes along."""

    width: int
    length: int
    source: str

    def __str__(self) -> str:
        return f"a sequence [batch, {self.length}, {self.width}]"


@dataclass(frozen=True, slots=True)
class FeatureMap:
    """[B, C, H, W]."""

    channels: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"an image [batch, {self.channels}, {self.height}, {self.width}]"


Signal = Tokens | Category | Vector | Sequence | FeatureMap
