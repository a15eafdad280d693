from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seobuilder.data.numbers import parse_number


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0", 0.0),
        (" 12 ", 12.0),
        ("-3.5", -3.5),
        ("+.5", 0.5),
        ("5.", 5.0),
        ("1e-3", 0.001),
        ("3.2%", 0.032),
        ("3.2 %", 0.032),
        ("1,234", 1234.0),
        ("-1,234,567.5", -1234567.5),
        ("1,200%", 12.0),
        (7, 7.0),
        (0.25, 0.25),
    ],
)
def test_numbers_are_read(cell: object, value: float) -> None:
    assert parse_number(cell) == value


@pytest.mark.parametrize("cell", ["", "  ", None])
def test_an_empty_cell_is_missing(cell: object) -> None:
    assert math.isnan(parse_number(cell))


@pytest.mark.parametrize(
    "cell",
    [
        *("0,5", "1,23", "12,3456", "1,234,56", ",123", "1 234", "1_000", "1,234 x", "--1"),
        *("nan", "inf", "n/a", "-", ".", "%", "3%%", "0x10", "٣"),
    ],
)
def test_everything_else_is_refused(cell: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a number such as 0\.5, 1,234 or 3\.2%$"):
        parse_number(cell)


@pytest.mark.parametrize("cell", [True, [1], {}])
def test_other_json_values_are_refused(cell: object) -> None:
    with pytest.raises(ValueError, match=r"^expected a number$"):
        parse_number(cell)


@pytest.mark.parametrize("cell", ["1e39", "1e999", 10**400, -1e39])
def test_numbers_beyond_float32_are_refused(cell: object) -> None:
    with pytest.raises(ValueError, match=r"^the number is too large for float32$"):
        parse_number(cell)


@given(st.floats(allow_nan=False, width=32, allow_infinity=False))
def test_what_python_writes_is_read_back(value: float) -> None:
    assert parse_number(repr(value)) == value


@given(st.integers(-(10**15), 10**15))
def test_thousands_separators_change_nothing(value: int) -> None:
    assert parse_number(f"{value:,}") == value
