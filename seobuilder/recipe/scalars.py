"""What a plain scalar means: the core schema of YAML 1.2, with two refusals.

Source: YAML 1.2.2, section 10.3.2. `no`, `on`, `yes`, `1:30`, `1_000` and dates are strings there,
unlike in YAML 1.1. Two things differ, so that no value is changed silently: a number with leading
zeros (`010`, a product or postal code) stays a string, and a number that cannot be held exactly as
what it is (`.inf`, `1e999`, an integer beyond 64 bits) is an error.
"""

from __future__ import annotations

import math
import re
from typing import TypeAlias

ScalarValue: TypeAlias = str | int | float | bool | None

_WORDS: dict[str, ScalarValue] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_OCTAL = re.compile(r"0o([0-7]+)")
_HEXADECIMAL = re.compile(r"0x([0-9a-fA-F]+)")
_FLOAT = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class OutOfRange(ValueError):
    """The scalar is a number that has no finite 64-bit value."""


def resolve(text: str) -> ScalarValue:
    """The value of a plain (unquoted) scalar.

    Integers are those of 64 bits with a sign, floats are finite and only zero if written as zero.

    Raises:
        OutOfRange: the scalar is a number outside of that.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _DECIMAL.fullmatch(text):
        # Python refuses to convert very long integers, and takes quadratic time for long ones.
        return _integer(int(text)) if len(text) <= 20 else _integer(2**64)
    if match := _OCTAL.fullmatch(text):
        return _integer(int(match[1], 8))
    if match := _HEXADECIMAL.fullmatch(text):
        return _integer(int(match[1], 16))
    if match := _FLOAT.fullmatch(text):
        return _float(text)
    if _SPECIAL.fullmatch(text):
        raise OutOfRange("a number must be finite")
    return text


def _integer(value: int) -> int:
    if not -(2**63) <= value < 2**63:
        raise OutOfRange("an integer must lie between -2**63 and 2**63 - 1")
    return value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise OutOfRange("the number is too large for a 64-bit float")
    if value == 0 and re.search("[1-9]", re.split("[eE]", text)[0]):
        raise OutOfRange("the number is too close to zero for a 64-bit float")
    return value
