"""The header of a safetensors file: what it holds, read without a tensor.

The format: eight bytes with the header's length N, little endian; N bytes of JSON; then the tensors
without a gap. https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from seobuilder.recipe.diagnostics import quote

MAX_HEADER_BYTES = 100_000_000
"""The format's own bound."""

LENGTH_BYTES = 8
MAX_AXES = 64
"""PyTorch's own bound."""

FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
"""Dtypes that weights are read from."""

_BITS = {
    "F4": 4,
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0"), 8),
    **dict.fromkeys(("F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """A tensor of the file: its dtype in the format's words, and its shape."""

    dtype: str
    shape: tuple[int, ...]


def read_header(path: Path) -> dict[str, TensorEntry]:
    """The tensors of a safetensors file by name, every length and place in it checked.

    Raises:
        ValueError: the file can't be read, or is not a whole safetensors file; says why.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header, rest = _read_json(file, size)
    except OSError as error:
        raise ValueError(error.strerror or "it can't be read") from None
    tensors: dict[str, TensorEntry] = {}
    places: list[tuple[int, int, str]] = []
    for name, value in header.items():
        if name == "__metadata__":
            continue
        tensors[name], begin, end = _entry(name, value)
        places.append((begin, end, name))
    _check_places(places, rest)
    return tensors


def _read_json(file: BinaryIO, size: int) -> tuple[dict[str, Any], int]:
    """The header, and how many bytes come after it."""
    length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    if size < LENGTH_BYTES:
        raise ValueError("it is too short for a safetensors file")
    if length > MAX_HEADER_BYTES:
        raise ValueError(
            f"its header would have {length:,} bytes, more than {MAX_HEADER_BYTES:,}; it is no "
            "safetensors file"
        )
    if length > size - LENGTH_BYTES:
        raise ValueError(f"it ends within its header of {length:,} bytes")
    try:
        header = json.loads(file.read(length).decode("utf-8"), object_pairs_hook=_distinct)
    except UnicodeDecodeError:
        raise ValueError("its header is not UTF-8; it is no safetensors file") from None
    except _TwiceNamed:
        raise ValueError("its header names a key twice") from None
    except (ValueError, RecursionError):
        raise ValueError("its header is not JSON; it is no safetensors file") from None
    if not isinstance(header, dict):
        raise ValueError("its header is not a JSON object; it is no safetensors file")
    return header, size - LENGTH_BYTES - length


class _TwiceNamed(Exception):
    """A key stands twice in one object."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise _TwiceNamed
    return content


def _entry(name: str, value: Any) -> tuple[TensorEntry, int, int]:
    """A tensor, and the bytes where it begins and ends."""
    if not isinstance(value, dict):
        raise ValueError(f"its header says nothing usable of its tensor {quote(name)}")
    dtype, shape = value.get("dtype"), _counts(value.get("shape"))
    place = _counts(value.get("data_offsets"))
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise ValueError(f"its tensor {quote(name)} has an unknown dtype")
    if shape is None:
        raise ValueError(f"its tensor {quote(name)} has no usable shape")
    if place is None or len(place) != 2 or place[0] > place[1]:
        raise ValueError(f"its tensor {quote(name)} has no usable place")
    have, need = place[1] - place[0], -(-_BITS[dtype] * prod(shape) // 8)
    if have != need:
        raise ValueError(
            f"its tensor {quote(name)} has {have:,} bytes, and its shape needs {need:,}"
        )
    return TensorEntry(dtype, tuple(shape)), place[0], place[1]


def _counts(value: Any) -> list[int] | None:
    """Sizes or offsets; None if the value is no list of such, or one that no tensor has."""
    if not isinstance(value, list) or len(value) > MAX_AXES:
        return None
    return value if all(type(each) is int and 0 <= each < 2**63 for each in value) else None


def _check_places(places: list[tuple[int, int, str]], rest: int) -> None:
    """Tensors follow each other without gap or overlap, up to the file's end."""
    reached = 0
    for begin, end, name in sorted(places):
        if begin != reached:
            word = "overlaps another tensor" if begin < reached else "comes after a gap"
            raise ValueError(f"its tensor {quote(name)} {word}")
        reached = end
    if reached != rest:
        raise ValueError(f"its tensors need {reached:,} bytes, and {rest:,} are there")
