"""What one cell means to an input or an output.

Each function turns a cell, which is text or a JSON value, into a value, or raises `BadCell`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cache

from seobuilder.data.numbers import parse_number
from seobuilder.recipe.diagnostics import quote, suggest

UNLABELLED = -100
"""Class index that torch's cross-entropy leaves out of the loss."""


class BadCell(Exception):
    """A cell that can't be used: a diagnostic's code and message, without the place."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code beside the message."""
        super().__init__(message)
        self.code = code


def text(cell: object) -> str:
    """Text of a cell, empty where it is missing; a number or a truth value as JSON writes it."""
    if cell is None:
        return ""
    if isinstance(cell, list | dict):
        kind = "a list" if isinstance(cell, list) else "an object"
        raise BadCell("D204", f"expected text, found {kind}")
    written = cell if isinstance(cell, str) else json.dumps(cell)
    if not written.isascii() and any("\ud800" <= character <= "\udfff" for character in written):
        raise BadCell("D204", "half of a surrogate pair is no text")
    return written


def number(cell: object) -> float:
    """A number, NaN where the cell is empty."""
    try:
        return parse_number(cell)
    except ValueError as error:
        shown = quote(cell) if isinstance(cell, str) else quote(json.dumps(cell))
        raise BadCell("D203", f"{shown} is no number: {error}") from None


def required_number(cell: object) -> float:
    """A number, where nothing may stand in for it."""
    value = number(cell)
    if math.isnan(value):
        raise BadCell("D205", "the cell is empty, and nothing stands in for a missing number")
    return value


def rate(cell: object) -> float:
    """A number from 0 to 1, NaN where the cell is empty."""
    value = number(cell)
    if value < 0 or value > 1:
        raise BadCell("D213", f"{value:g} is no rate from 0 to 1; 3.2 % is 0.032 or `3.2%`")
    return value


def row_weight(cell: object) -> float:
    """How much a row counts: a number that is not negative."""
    value = required_number(cell)
    if value < 0:
        raise BadCell("D213", f"{value:g} is negative, and no row counts less than nothing")
    return value


def vector(size: int, read: Callable[[object], float]) -> Callable[[object], list[float]]:
    """`size` numbers of one cell: a JSON list, or text with spaces between. Empty: all missing."""

    def numbers(cell: object) -> list[float]:
        parts = _parts(cell, None)
        if not parts:
            parts = [None] * size
        if len(parts) != size:
            raise BadCell("D204", f"expected {size} numbers, found {len(parts)}")
        return [read(part) for part in parts]

    return numbers


def label(labels: Sequence[str] | int) -> Callable[[object], int]:
    """Class index; `UNLABELLED` where the cell is empty.

    With a count of labels, the cell is the index itself, from 0. Spaces around a label don't
    matter, unless they tell two labels apart.
    """
    find = _finder(labels)

    def index(cell: object) -> int:
        name = text(cell)
        return UNLABELLED if not name.strip() else find(name)

    return index


def label_set(labels: Sequence[str] | int) -> Callable[[object], tuple[int, ...] | None]:
    """Indices of all labels that apply; None where the cell is empty.

    Labels stand in a JSON list, or are separated by `|`. The list `[]` says that none applies.
    """
    find = _finder(labels)

    def indices(cell: object) -> tuple[int, ...] | None:
        if cell is None or (isinstance(cell, str) and not cell.strip()):
            return None
        return tuple(find(text(part)) for part in _parts(cell, "|"))

    return indices


def category(values: Sequence[str]) -> Callable[[object], int]:
    """Id of a known value, from 1; 0 for any other. Spaces count as they do in a label."""
    ids = _spaced({value: index for index, value in enumerate(values, start=1)})

    def id_of(cell: object) -> int:
        name = text(cell)
        return ids[name] if name in ids else ids.get(name.strip(), 0)

    return id_of


def _parts(cell: object, separator: str | None) -> list[object]:
    if isinstance(cell, list):
        return cell
    written = text(cell)
    if written.startswith("["):
        try:
            parts = json.loads(written)
        except (ValueError, RecursionError):
            raise BadCell("D204", f"{quote(written)} is no JSON list") from None
        assert isinstance(parts, list)
        return parts
    return list(written.split(separator))


def _finder(labels: Sequence[str] | int) -> Callable[[str], int]:
    if isinstance(labels, int):
        return lambda name: _class_index(name, labels)
    indices = _spaced({name: index for index, name in enumerate(labels)})

    # A wrong label is often wrong in thousands of rows.
    @cache
    def unknown(name: str) -> str:
        near = suggest(name, indices)
        return f"unknown label {quote(name)}" + (f"; did you mean {quote(near)}?" if near else "")

    def find(name: str) -> int:
        if name in indices:
            return indices[name]
        trimmed = name.strip()
        if trimmed not in indices:
            raise BadCell("D202", unknown(trimmed))
        return indices[trimmed]

    return find


def _spaced(indices: dict[str, int]) -> dict[str, int]:
    """The names as they are, and, where they differ without spaces around them, also so."""
    return {name.strip(): index for name, index in indices.items()} | indices


def _class_index(name: str, count: int) -> int:
    name = name.strip()
    if not (name.isascii() and name.isdecimal() and len(name) < 20 and int(name) < count):
        raise BadCell("D202", f"unknown label {quote(name)}; expected 0 to {count - 1}")
    return int(name)
