"""Numbers as search consoles and spreadsheets write them."""

from __future__ import annotations

import math
import re

# Digits are ASCII: float() alone would also take Arabic-Indic ones, underscores, nan and inf.
_NUMBER = re.compile(
    r"(?P<digits>[+-]?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?:[eE][+-]?[0-9]+)?)(?P<percent> ?%)?"
)
_FLOAT32_MAX = (2 - 2**-23) * 2.0**127


def parse_number(cell: object) -> float:
    """The number in a cell, NaN where the cell is empty.

    `3.2%` is 0.032. A comma separates thousands and nothing else: `1,234` is 1234, and `0,5` is
    refused, because it may be half or five. Spaces around a number don't matter. Besides text,
    the numbers and the null of JSON are taken.

    Raises:
        ValueError: the cell is no finite number that float32 can hold; the text says why.
    """
    if cell is None:
        return math.nan
    if isinstance(cell, str):
        value = _parse_text(cell.strip())
    elif isinstance(cell, int | float) and not isinstance(cell, bool):
        value = _as_float(cell)
    else:
        raise ValueError("expected a number")
    if abs(value) > _FLOAT32_MAX:
        raise ValueError("the number is too large for float32")
    return value


def _parse_text(text: str) -> float:
    if not text:
        return math.nan
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError("expected a number such as 0.5, 1,234 or 3.2%")
    value = float(match["digits"].replace(",", ""))
    return value / 100 if match["percent"] else value


def _as_float(number: int | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf
