from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seobuilder.data.encode import load_examples
from seobuilder.data.files import LINE
from seobuilder.data.tables import Table, read_table
from seobuilder.errors import DataError
from seobuilder.recipe.diagnostics import Mark
from seobuilder.recipe.spec import Recipe

MakeRecipe = Callable[..., Recipe]


def write(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def cells(table: Table, name: str) -> list[object]:
    return [table.cell(row, name) for row in range(len(table))]


def complaints(path: Path, *columns: str) -> list[str]:
    with pytest.raises(DataError) as caught:
        read_table(path, columns)
    return [
        f"{d.mark.line}:{d.mark.column} {d.code} {d.message}"
        for d in caught.value.diagnostics
        if d.mark
    ]


def test_cells_are_json_values(tmp_path: Path) -> None:
    day = datetime.date(2026, 11, 25)
    columns = {
        "text": pa.array(["é", None]),
        "coded": pa.array(["a", "b"]).dictionary_encode(),
        "large": pa.array(["a", None], pa.large_string()),
        "whole": pa.array([1, None], pa.int32()),
        "half": pa.array([np.float16(0.5), None], pa.float16()),
        "missing": pa.array([float("nan"), 2.0]),
        "money": pa.array([Decimal("1.50"), None]),
        "day": pa.array([day, None]),
        "truth": pa.array([True, None]),
        "many": pa.array([[1, 2], None]),
        "nothing": pa.nulls(2),
    }
    table = read_table(write(tmp_path / "a.parquet", **columns), columns)
    assert {name: cells(table, name) for name in columns} == {
        "text": ["é", None],
        "coded": ["a", "b"],
        "large": ["a", None],
        "whole": [1, None],
        "half": [0.5, None],
        "missing": [None, 2.0],
        "money": [1.5, None],
        "day": ["2026-11-25", None],
        "truth": [True, None],
        "many": [[1, 2], None],
        "nothing": [None, None],
    }
    assert table.columns[LINE].to_pylist() == [1, 2]
    assert table.has("nothing") and not table.has("other")
    assert table.mark(1, "large") == Mark(table.file.name, 2, 3)


def test_rows_are_numbered_over_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": list(range(20_000))}), path, row_group_size=6_000)
    table = read_table(path, ["n"])
    assert cells(table, "n")[-1] == 19_999
    assert table.mark(19_999, "n").line == 20_000


def test_broken_files(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"")
    assert complaints(path) == ["1:1 D105 the file is empty"]
    path.write_bytes(b"q,n\nshoes,1\n")
    (problem,) = complaints(path)
    assert problem.startswith("1:1 D110 broken Parquet: ")
    whole = write(path, q=["shoes"] * 1000).read_bytes()
    path.write_bytes(whole[:200] + bytes(100) + whole[300:])
    (problem,) = complaints(path, "q")
    assert problem.startswith("1:1 D110 broken Parquet: ")
    write(path, q=pa.array([], pa.string()))
    assert complaints(path, "q") == ["1:1 D105 the file has no rows"]


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    broken = pa.array([b"ok", b"\xff"]).view(pa.string())
    (problem,) = complaints(write(tmp_path / "a.parquet", q=broken), "q")
    assert problem.startswith("1:1 D110 broken Parquet: ")


def test_columns_that_hold_something_else(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", q=["x"], raw=[b"x"], deep=[{"a": 1}])
    assert complaints(path, "q", "raw", "deep") == [
        "1:2 D111 the column `raw` holds binary, which is neither text nor numbers",
        "1:3 D111 the column `deep` holds struct<a: int64>, which is neither text nor numbers",
    ]
    assert cells(read_table(path, ["q"]), "q") == ["x"]


def test_columns_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["n", "n"]), path)
    assert complaints(path, "n") == ["1:2 D106 the column `n` is there twice"]


def test_a_recipe_on_parquet(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(
        inputs={
            "query": {"kind": "tokens", "vocab_size": 300, "max_length": 8},
            "page": {"kind": "features", "size": 3, "missing": "zero"},
        },
        outputs={"grade": {"kind": "classification", "from": "query", "labels": 3}},
        data={
            "files": "a.parquet",
            "columns": {"query": "q", "page": ["ctr", "f_<1-2>"], "grade": "grade"},
        },
    )
    columns = {"q": ["a", None], "ctr": ["3.2%", "4%"], "f_1": [1, 2], "f_2": [0.5, None]}
    write(tmp_path / "a.parquet", **columns, grade=[2, None])
    examples = load_examples(recipe, tmp_path)
    assert list(examples.texts["query"]) == ["a", ""]
    expected = [[0.032, 1, 0.5], [0.04, 2, np.nan]]
    np.testing.assert_array_equal(examples.numbers["page"], expected)
    assert examples.targets["grade"].tolist() == [2, -100]
    write(tmp_path / "a.parquet", **(columns | {"f_1": ["one", "2"]}), grade=[[2], [7]])
    with pytest.raises(DataError) as caught:
        load_examples(recipe, tmp_path)
    assert str(caught.value).replace(f"{tmp_path}/", "") == (
        "a.parquet:1:3 D203 data.columns.page: row 1, column `f_1`: `one` is no number: expected "
        "a number such as 0.5, 1,234 or 3.2%\n"
        "a.parquet:1:5 D204 data.columns.grade: row 1, column `grade`: expected text, found a "
        "list\n"
        "a.parquet:2:5 D204 data.columns.grade: row 2, column `grade`: expected text, found a list"
    )
