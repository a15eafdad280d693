from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seobuilder.recipe.scalars import OutOfRange, resolve


def same(value, expected):
    return type(value) is type(expected) and value == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, None) for text in ("", "~", "null", "Null", "NULL")),
        *((text, True) for text in ("true", "True", "TRUE")),
        *((text, False) for text in ("false", "False", "FALSE")),
        ("0", 0),
        ("-0", 0),
        ("+12", 12),
        ("-7", -7),
        ("0o17", 15),
        ("0xfF", 255),
        ("9223372036854775807", 2**63 - 1),
        ("-9223372036854775808", -(2**63)),
        ("1e-5", 1e-5),
        ("1E5", 1e5),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("-2.5e+3", -2500.0),
        ("0.0", 0.0),
        ("0e9", 0.0),
        ("5e-324", 5e-324),
    ],
)
def test_core_schema(text, value):
    assert same(resolve(text), value)


@pytest.mark.parametrize(
    "text",
    [
        *("no", "No", "NO", "yes", "on", "off", "y", "n", "tRUE", "nULL", "none", "None"),
        *("010", "-010", "007", "00", "00.5", "01e3", "0b11", "0o8", "0xg", "0O17", "0X1f"),
        *("1:30", "12:30:45", "2024-01-31", "2001-12-14t21:59:43.10-05:00"),
        *(
            "1_000",
            "1e",
            "e5",
            ".",
            "+",
            "-",
            "1.2.3",
            "--1",
            "1 ",
            " 1",
            "1\n",
            "\u0661",
            "\uff11",
        ),
        *("inf", "nan", "Infinity", ".iNF", "-.nan", "=", "<<"),
    ],
)
def test_everything_else_stays_a_string(text):
    assert same(resolve(text), text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *((t, "a number must be finite") for t in (".inf", "-.inf", "+.INF", ".Inf", ".nan")),
        ("1e999", "the number is too large for a 64-bit float"),
        ("-1e999", "the number is too large for a 64-bit float"),
        ("1e-999", "the number is too close to zero for a 64-bit float"),
        ("9223372036854775808", "an integer must lie between -2**63 and 2**63 - 1"),
        ("-9223372036854775809", "an integer must lie between -2**63 and 2**63 - 1"),
        ("0x8000000000000000", "an integer must lie between -2**63 and 2**63 - 1"),
        ("1" * 5000, "an integer must lie between -2**63 and 2**63 - 1"),
    ],
)
def test_numbers_out_of_range(text, message):
    with pytest.raises(OutOfRange) as caught:
        resolve(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("digit", ["9", "0x" + "f", "0o" + "7", "1." + "9"])
def test_a_mebibyte_of_digits_takes_no_time(digit):
    began = time.perf_counter()
    with contextlib.suppress(OutOfRange):
        resolve(digit + digit[-1] * 2**20)
    assert time.perf_counter() - began < 1


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_round_trip(value):
    assert same(resolve(str(value)), value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_round_trip(value):
    assert same(resolve(repr(value)), value)
