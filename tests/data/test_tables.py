from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seobuilder.data.files import LINE
from seobuilder.data.tables import Table, read_blocks, read_table
from seobuilder.errors import DataError, EnvironmentProblem
from seobuilder.recipe.diagnostics import Mark


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


ANY = ("a", "b", "c", "n", "page", "q", "query", "intent", "tags")


def stored(table: Table) -> dict[str, list[object]]:
    names = (name for name in table.columns if name != LINE)
    return {name: [table.cell(row, name) for row in range(len(table))] for name in names}


def lines(table: Table) -> list[int]:
    return [int(line) for line in table.columns[LINE].to_pylist()]


def problems(path: Path) -> list[str]:
    with pytest.raises(DataError) as caught:
        read_table(path, ANY)
    return [
        f"{Path(d.mark.file).name}:{d.mark.line}:{d.mark.column} {d.code} {d.message}"
        for d in caught.value.diagnostics
        if d.mark
    ]


def test_csv_with_quotes_and_line_breaks_in_a_cell(tmp_path: Path) -> None:
    text = 'query,intent\r\n"red, ""big"" shoes",buy\r\n"two\r\nlines",know\r\n\r\nlast,\r\n'
    table = read_table(write(tmp_path, "a.csv", text), ANY)
    assert stored(table) == {
        "query": ['red, "big" shoes', "two\r\nlines", "last"],
        "intent": ["buy", "know", ""],
    }
    assert lines(table) == [2, 3, 6]
    assert len(table) == 3


def test_places_in_csv_count_quoted_cells_and_line_breaks(tmp_path: Path) -> None:
    text = 'a,b,c\n"x, ""y""",22,3\n"one\ntwo",bb,"c\nd"\n'
    table = read_table(write(tmp_path, "a.csv", text), ANY)
    file = table.file.name
    assert table.mark(0, "a") == Mark(file, 2, 1, 10)
    assert table.mark(0, "b") == Mark(file, 2, 12, 2)
    assert table.mark(1, "a") == Mark(file, 3, 1, 4)
    assert table.mark(1, "b") == Mark(file, 4, 6, 2)
    assert table.mark(1, "c") == Mark(file, 4, 9, 2)


def test_json_lines_fill_absent_keys_with_none(tmp_path: Path) -> None:
    text = '{"q": "é", "n": 3}\n\n{"q": null, "tags": ["x"]}\r\n'
    for suffix in (".jsonl", ".ndjson", ".JSONL"):
        table = read_table(write(tmp_path, f"a{suffix}", text), ("q", "n", "tags", "z"))
        assert stored(table) == {
            "q": ["é", None],
            "n": [3, None],
            "tags": [None, ["x"]],
            "z": [None, None],
        }
        assert lines(table) == [1, 3]
        assert [table.has(name) for name in ("q", "tags", "z", "y")] == [True, True, False, False]


def test_places_in_json_lines_are_those_of_the_values(tmp_path: Path) -> None:
    text = '\n {"b": {"a": 1}, "a" :  "x\\"y", "c":2}\n{}\n'
    table = read_table(write(tmp_path, "a.jsonl", text), ANY)
    assert table.mark(0, "a") == Mark(table.file.name, 2, 25, 6)
    assert table.mark(0, "b") == Mark(table.file.name, 2, 8, 8)
    assert table.mark(0, "c") == Mark(table.file.name, 2, 37, 1)
    assert table.mark(1, "a") == Mark(table.file.name, 3, 1, 1)


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.csv", b"\xef\xbb\xbfq,n\nshoes,1\n"), ANY)
    assert table.file.names == ["q", "n"]
    assert table.mark(0, "n").column == 7


def test_a_cell_may_be_longer_than_the_limit_of_the_csv_module(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    page = "x" * (before + 1)
    table = read_table(write(tmp_path, "a.csv", f"page\n{page}\n"), ANY)
    assert stored(table) == {"page": [page]}
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", "", ["a.csv:1:1 D105 the file is empty"]),
        ("a.jsonl", " \n\n", ["a.jsonl:1:1 D105 the file is empty"]),
        ("a.csv", "q,n\n", ["a.csv:1:1 D105 the file has no rows"]),
        ("a.csv", b"q\nab\xffc\n", ["a.csv:2:3 D104 byte 0xff is not UTF-8"]),
        ("a.csv", b"\xef\xbb\xbfq\xff\n", ["a.csv:1:2 D104 byte 0xff is not UTF-8"]),
        ("a.csv", '"q",n,"q"\n1,2,3\n', ["a.csv:1:7 D106 the column `q` is there twice"]),
        (
            "a.csv",
            "q,n\n1\n1,2\n1,2,3\n",
            [
                "a.csv:2:1 D107 the row has 1 cell, the header 2 cells",
                "a.csv:4:1 D107 the row has 3 cells, the header 2 cells",
            ],
        ),
        ("a.csv", 'q\nx\n"open\n', ["a.csv:3:1 D108 broken CSV: unexpected end of data"]),
        ("a.csv", 'q\n"x"y\n', ["a.csv:2:1 D108 broken CSV: ',' expected after '\"'"]),
        (
            "a.jsonl",
            '{"q": 1}\n{"q" 1}\n[1]\n{"q": NaN}\n{"q": 1, "q": 2}\n',
            [
                "a.jsonl:2:6 D109 broken JSON: Expecting ':' delimiter",
                'a.jsonl:3:1 D109 broken JSON: a line must hold an object, such as {"query": '
                '"shoes"}',
                "a.jsonl:4:1 D109 broken JSON: NaN is not JSON; write null for a missing number",
                "a.jsonl:5:1 D109 broken JSON: the key `q` is there twice",
            ],
        ),
        (
            "a.xlsx",
            "PK",
            [
                "a.xlsx:1:1 D103 unknown kind of file `.xlsx`; supported: .csv, .jsonl, .ndjson, "
                ".parquet"
            ],
        ),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: str | bytes, expected: list[str]) -> None:
    assert problems(write(tmp_path, name, content)) == expected


def test_a_missing_file(tmp_path: Path) -> None:
    assert problems(tmp_path / "a.csv") == ["a.csv:1:1 D101 no such file"]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(EnvironmentProblem, match=r"a\.csv: Is a directory"):
        read_table(tmp_path / "a.csv", ANY)


def test_deeply_nested_json_is_a_problem_of_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"q": ' + "[" * 200_000 + "\n")
    (problem,) = problems(path)
    assert problem.startswith("a.jsonl:1:")
    assert " D109 broken JSON: " in problem


def test_the_text_of_an_error_shows_the_line(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "q,n\nonly one\n")
    with pytest.raises(DataError) as caught:
        read_table(path, ANY)
    assert str(caught.value).splitlines()[1] == "    2 | only one"


characters = st.characters(codec="utf-8", exclude_characters="\r\0")
cells = st.text(characters, max_size=6)
names = st.text(characters, min_size=1, max_size=6)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=5))
def test_what_the_csv_module_writes_is_read_back_with_places(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    path = write(tmp_path_factory.mktemp("table"), "t.csv", buffer.getvalue())
    table = read_table(path, ANY)
    read = stored(table)
    assert list(zip(read["a"], read["b"], strict=True)) == rows
    for index, row in enumerate(rows):
        mark = table.mark(index, "b")
        line = table.file.lines[mark.line - 1]
        raw = '"' + row[1].replace('"', '""') + '"'
        assert line[mark.column - 1 :][: mark.length] == raw.split("\n")[0]


@given(st.lists(st.dictionaries(names, cells, min_size=1, max_size=3), min_size=1, max_size=4))
def test_what_the_json_module_writes_is_read_back_with_places(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    text = "\n".join(json.dumps(row) for row in rows)
    path = write(tmp_path_factory.mktemp("table"), "t.jsonl", text)
    table = read_table(path, {name for row in rows for name in row})
    for index, row in enumerate(rows):
        for name, value in row.items():
            assert table.cell(index, name) == value
            mark = table.mark(index, name)
            raw = table.file.lines[mark.line - 1][mark.column - 1 :][: mark.length]
            assert json.loads(raw) == value


def test_real_queries_of_a_search_console(shared_file: Callable[[str], Path]) -> None:
    table = read_table(shared_file("gsc_export/Queries_first100.csv"), ["CTR"])
    assert table.file.names == ["Top queries", "Clicks", "Impressions", "CTR", "Position"]
    assert len(table) == 100
    assert table.cell(0, "CTR") == "4.17%"


def test_real_banking_queries(shared_file: Callable[[str], Path]) -> None:
    table = read_table(shared_file("banking77/train.csv"), ["text", "category"])
    assert len(table) == 10003
    read = stored(table)
    assert len(set(read["category"])) == 77
    assert any("\n" in str(text) for text in read["text"])


def block_lengths(path: Path, rows: int, group: str | None = None) -> list[int]:
    blocks = list(read_blocks(path, ANY, rows, group))
    assert [is_last for _, is_last in blocks] == [False] * (len(blocks) - 1) + [True]
    tables = [table for table, _ in blocks]
    assert [table.first for table in tables] == [lines(table)[0] - 2 for table in tables]
    return [len(table) for table in tables]


@pytest.mark.parametrize(
    ("rows", "lengths"), [(4, [4, 4, 2]), (3, [3, 3, 4]), (9, [10]), (10, [10]), (8, [8, 2])]
)
def test_blocks_of_a_file_of_which_none_has_one_row(
    tmp_path: Path, rows: int, lengths: list[int]
) -> None:
    path = write(tmp_path, "a.csv", "n\n" + "".join(f"{n}\n" for n in range(10)))
    assert block_lengths(path, rows) == lengths
    cells = [cell for table, _ in read_blocks(path, ANY, rows, None) for cell in stored(table)["n"]]
    assert cells == [str(n) for n in range(10)]


def test_blocks_end_where_groups_do(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "q\n" + "a\na\na\nb\nb\nc\nd\nd\n")
    assert block_lengths(path, 3, "q") == [3, 3, 2]
    assert block_lengths(path, 4, "q") == [3, 5]
    assert block_lengths(path, 5, "q") == [5, 3]
    with pytest.raises(DataError) as caught:
        block_lengths(path, 2, "q")
    assert str(caught.value).replace(f"{tmp_path}/", "") == (
        "a.csv:2:1 D214 data.group: the group has more than 2 rows, which is what a block of the "
        "stream holds\n    2 | a\n      | ^\n  help: raise `data.streaming.rows`"
    )


def test_a_broken_row_is_told_when_its_block_is_reached(tmp_path: Path) -> None:
    good = "".join(f"{n}\n" for n in range(20_000))
    blocks = read_blocks(write(tmp_path, "a.csv", f"n\n{good}1,2\n{good}"), ANY, 6_000, None)
    assert [len(next(blocks)[0]) for _ in range(2)] == [6_000, 6_000]
    with pytest.raises(DataError, match=r"a.csv:20002:1 D107 the row has 2 cells"):
        next(blocks)
