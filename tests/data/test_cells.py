from __future__ import annotations

import math

import pytest

from seobuilder.data.cells import BadCell, category, label, label_set, number, text, vector


@pytest.mark.parametrize(
    ("cell", "expected"),
    [(None, ""), ("a b ", "a b "), (3, "3"), (0.5, "0.5"), (True, "true"), ("😀", "😀")],
)
def test_text(cell: object, expected: str) -> None:
    assert text(cell) == expected


def test_categories_count_from_one_and_anything_else_is_zero() -> None:
    read = category(["de", "at", "1"])
    assert [read(cell) for cell in ("de", "at", 1, "ch", "", None)] == [1, 2, 3, 0, 0, 0]


def test_labels_are_compared_without_spaces_around_them() -> None:
    read = label(["Buy", "know "])
    cells = ("Buy", " Buy\t", "know", "know ", "", "  ", None)
    assert [read(cell) for cell in cells] == [0, 0, 1, 1, -100, -100, -100]
    for cell in ("buy", " buy "):
        with pytest.raises(BadCell, match=r"^unknown label `buy`; did you mean `Buy`\?$"):
            read(cell)
    assert label(3)(" 2 ") == 2
    assert label_set(["a", "b"])("a | b") == (0, 1)
    assert label_set(["a", "b"])(" ") is None
    assert category(["de"])(" de") == 1


def test_spaces_count_where_they_tell_labels_apart() -> None:
    read = label(["a", " a"])
    assert [read(cell) for cell in ("a", " a", "a ")] == [0, 1, 0]


def test_label_sets() -> None:
    read = label_set(["a", "b", "c"])
    cells = ["a", "c|a", '["b", "c"]', "[]", "", None, ["a"], []]
    assert [read(cell) for cell in cells] == [(0,), (2, 0), (1, 2), (), None, None, (0,), ()]
    with pytest.raises(BadCell, match=r"^unknown label ``$"):
        read("a|")
    with pytest.raises(BadCell, match=r"^expected text, found a list$"):
        read([["a"]])


def test_label_sets_by_count() -> None:
    read = label_set(4)
    assert read("0|3") == (0, 3)
    assert read([1, 2]) == (1, 2)
    with pytest.raises(BadCell, match=r"^unknown label `4`; expected 0 to 3$"):
        read("4")


def test_vectors() -> None:
    read = vector(2, number)
    assert read("1  -2.5") == read("[1, -2.5]") == read([1, "-2.5"]) == [1.0, -2.5]
    assert all(map(math.isnan, read("")))
    assert math.isnan(read([None, 1])[0])
    with pytest.raises(BadCell, match=r"^`true` is no number: expected a number$"):
        read([True, 1])
    with pytest.raises(BadCell, match=r"^expected 2 numbers, found 3$"):
        read("1 2 3")
