"""Tables: the columns of a data file that a recipe uses, in Arrow's memory or mapped from disk."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from hashlib import blake2b, file_digest
from pathlib import Path

import pyarrow as pa

from seobuilder.data.cache import memory_mapped
from seobuilder.data.csv_file import CsvFile
from seobuilder.data.files import LINE, DataFile, file_error, readable
from seobuilder.data.json_lines_file import JsonLinesFile
from seobuilder.data.parquet_file import ParquetFile
from seobuilder.errors import DataError
from seobuilder.recipe.diagnostics import Diagnostic, Mark, quote

MAPPED_FROM = 16 * 2**20
"""Bytes of a file from which on its table lies on disk."""
VERSION = 1
"""Of how tables are stored; another one finds no tables of this one."""

FORMATS: dict[str, type[DataFile]] = {
    ".csv": CsvFile,
    ".jsonl": JsonLinesFile,
    ".ndjson": JsonLinesFile,
    ".parquet": ParquetFile,
}


@dataclass(frozen=True)
class Table:
    """Columns of equal length. A cell is text in CSV, elsewhere any JSON value."""

    file: DataFile
    columns: dict[str, pa.ChunkedArray]
    first: int = 0
    """Rows of the file before those of the table."""

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.columns[LINE])

    def has(self, column: str) -> bool:
        """Whether the file has a column, even if every cell of it is empty."""
        stored = self.columns.get(column)
        if stored is None:
            return False
        return stored.null_count < len(stored) or column in self.file.names

    def cell(self, row: int, column: str) -> object:
        """One cell."""
        return self.file.cell(self.columns[column][row].as_py())

    def mark(self, row: int, column: str) -> Mark:
        """The place of a cell."""
        return self.file.mark(self.columns[LINE][row].as_py(), column)


def open_file(path: Path) -> DataFile:
    """A `.csv`, `.jsonl`, `.ndjson` or `.parquet` file, of which nothing is read yet.

    Raises:
        DataError: the suffix is another one.
    """
    format = FORMATS.get(path.suffix.lower())
    if format is None:
        found, supported = quote(path.suffix), ", ".join(FORMATS)
        message = f"unknown kind of file {found}; supported: {supported}"
        raise file_error(path, "D103", message)
    return format(path)


def read_table(path: Path, columns: Collection[str]) -> Table:
    """Read those of the `columns` that a file has.

    From `MAPPED_FROM` bytes on the table lies on disk and is found there again, unless the file's
    bytes have changed.

    Raises:
        DataError: the file is missing, or is not what its suffix says; all of its broken rows.
        EnvironmentProblem: the file is there but can't be read, or the disk refuses.
    """
    file = open_file(path)
    with readable(path):
        is_large = path.stat().st_size >= MAPPED_FROM
    batches = checked_batches(file, columns)
    arrow = (
        memory_mapped(_key(path, columns), batches) if is_large else pa.Table.from_batches(batches)
    )
    return _part(file, arrow, 0)


def read_blocks(
    path: Path, columns: Collection[str], rows: int, group: str | None
) -> Iterator[tuple[Table, bool]]:
    """As `read_table`, `rows` at a time, each block with whether it is the last of the file.

    No more than a block and a batch are held. A block may have one row more, so that none has a
    single one. With `group`, it ends where the cell of that column changes.

    Raises:
        DataError: the file is missing, or is not what its suffix says; its first broken rows, once
            they are reached; a group has more rows than a block.
        EnvironmentProblem: the file is there but can't be read.
    """
    file = open_file(path)
    held: pa.Table | None = None
    first = 0
    for batch in checked_batches(file, columns, at_once=True):
        more = pa.Table.from_batches([batch])
        held = more if held is None else pa.concat_tables([held, more])
        while len(held) > rows + 1:
            end = rows
            if group is not None and group in held.column_names:
                end = _end_of_group(file, held, rows, group)
            yield _part(file, held.slice(0, end), first), False
            held, first = held.slice(end), first + end
    assert held is not None, "a file without rows is told"
    yield _part(file, held, first), True


def _part(file: DataFile, arrow: pa.Table, first: int) -> Table:
    return Table(file, {name: arrow.column(name) for name in arrow.column_names}, first)


def _end_of_group(file: DataFile, held: pa.Table, rows: int, group: str) -> int:
    """Where the last group that fits into `rows` ends."""
    keys = held.column(group).slice(0, rows + 1).to_pylist()
    for end in range(rows, 0, -1):
        if keys[end] != keys[end - 1]:
            return end
    message = f"the group has more than {rows:,} rows, which is what a block of the stream holds"
    mark = _part(file, held, 0).mark(0, group)
    help = "raise `data.streaming.rows`"
    problem = Diagnostic("D214", message, mark, "data.group", help=help)
    raise DataError([problem], {file.name: file.lines})


def checked_batches(
    file: DataFile, columns: Collection[str], *, at_once: bool = False
) -> Iterator[pa.RecordBatch]:
    """The batches of a file. After the last one, or `at_once`, what is broken in it is raised.

    Raises:
        DataError: rows are broken, or there are none.
    """
    with readable(file.path):
        if file.path.is_file() and file.path.stat().st_size == 0:
            raise file_error(file.path, "D105", "the file is empty")
    problems: list[Diagnostic] = []
    rows = 0
    for batch in file.batches(columns, problems):
        rows += batch.num_rows
        if problems and at_once:
            break
        yield batch
    if not problems and not rows:
        message = "the file has no rows" if file.names else "the file is empty"
        problems.append(Diagnostic("D105", message, Mark(file.name, 1, 1)))
    if problems:
        raise DataError(problems, {file.name: file.lines})


def _key(path: Path, columns: Collection[str]) -> str:
    """Hash of what a table is made from."""
    with readable(path), path.open("rb") as content:
        made_from = [VERSION, path.suffix.lower(), file_digest(content, "sha256").hexdigest()]
    text = repr([*made_from, *sorted(columns)])
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()
