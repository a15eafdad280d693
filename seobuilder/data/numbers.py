"""Numbers as search consoles and spreadsheets write them."""

from __future__ import annotations

import math
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# Digits are ASCII: float() alone would also take Arabic-Indic ones, underscores, nan and inf.
_NUMBER = re.compile(
    r"(?P<digits>[+-]?(?:(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?:[eE][+-]?[0-9]+)?)(?P<percent> ?%)?"
)
_PLAIN = r"^-?[0-9]+(\.[0-9]+)?$"
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


def plain_numbers(stored: pa.Array) -> NDArray[np.float64] | None:
    """What `parse_number` makes of each value, a hundred times faster.

    None where a value is not a plain decimal number: the values have to be parsed one by one.
    """
    if stored.null_count:
        return None
    if pa.types.is_string(stored.type):
        if not pc.all(pc.match_substring_regex(stored, _PLAIN)).as_py():
            return None
    elif not (pa.types.is_integer(stored.type) or pa.types.is_floating(stored.type)):
        return None
    values: NDArray[np.float64] = pc.cast(stored, pa.float64(), safe=False).to_numpy()
    return values if (np.abs(values) <= _FLOAT32_MAX).all() else None


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
