from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from seobuilder.data import tables
from seobuilder.data.tables import Table, read_table
from seobuilder.errors import DataError, EnvironmentProblem


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder where tables are kept, however small their files are."""
    monkeypatch.setattr(tables, "MAPPED_FROM", 0)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path / "cache" / "seobuilder"


def queries(table: Table) -> list[object]:
    return [table.cell(row, "q") for row in range(len(table))]


def test_a_table_is_written_once_and_found_again(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("q,n\nred,1\nblue,2\n")
    assert queries(read_table(file, ["q"])) == ["red", "blue"]
    (written,) = cache.iterdir()
    before = written.stat().st_mtime_ns
    monkeypatch.setattr(tables.CsvFile, "batches", None)
    table = read_table(file, ["q"])
    assert queries(table) == ["red", "blue"]
    assert (table.mark(1, "q").line, table.has("n")) == (3, False)
    assert written.stat().st_mtime_ns == before


def test_other_bytes_columns_or_formats_are_another_table(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("q\nred\n")
    read_table(file, ["q"])
    file.write_text("q\nblue\n")
    assert queries(read_table(file, ["q"])) == ["blue"]
    read_table(file, ["q", "n"])
    file.rename(tmp_path / "moved.csv")
    read_table(tmp_path / "moved.csv", ["q"])
    assert len(list(cache.iterdir())) == 3


def test_every_format_is_mapped(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"q": "red", "n": [1]}\n{"n": {"a": "\\ud800"}}\n')
    table = read_table(tmp_path / "a.jsonl", ["q", "n", "z"])
    assert queries(table) == ["red", None]
    assert table.cell(1, "n") == {"a": "\ud800"}
    assert (table.has("q"), table.has("z")) == (True, False)


def test_a_broken_file_leaves_nothing_behind(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("q,n\nred,1\nblue\n")
    with pytest.raises(DataError, match="D107 the row has 1 cell"):
        read_table(file, ["q"])
    assert list(cache.iterdir()) == []


def test_a_folder_that_cannot_be_written(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("q\nred\n")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", file)
    with pytest.raises(EnvironmentProblem, match="HF_DATASETS_CACHE may name another folder"):
        read_table(file, ["q"])


def test_no_connection_is_opened(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> Iterator[None]:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    file = tmp_path / "a.csv"
    file.write_text("q\nred\n")
    assert queries(read_table(file, ["q"])) == ["red"]


SCRIPT = """
import sys
from pathlib import Path
from seobuilder.data import tables
tables.MAPPED_FROM = 0
table = tables.read_table(Path(sys.argv[1]), ["q"])
print(len(table), table.cell(len(table) - 1, "q"))
"""


def test_processes_that_read_at_once(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("q\n" + "".join(f"query {row}\n" for row in range(20_000)))
    environment = os.environ | {"HF_DATASETS_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", SCRIPT, str(file)]
    running = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [each.communicate()[0] for each in running] == ["20000 query 19999\n"] * 2
    assert len(list((tmp_path / "cache" / "seobuilder").iterdir())) == 1
