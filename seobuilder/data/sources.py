"""A recipe's data files, found in its folder and read as one run of rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seobuilder.data.cells import text
from seobuilder.data.files import readable
from seobuilder.data.tables import Table, open_file, read_blocks, read_table
from seobuilder.errors import DataError
from seobuilder.recipe.diagnostics import Diagnostic, Mark, quote, suggest
from seobuilder.recipe.spec.data import DataSpec, FileSplit


def inside(folder: Path, name: str) -> Path:
    """The file `name`, relative to `folder`, once links are known to stay in that folder's tree.

    Raises:
        ValueError: the name leads elsewhere.
    """
    file = folder / name
    try:
        stays = file.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:  # links that form a ring
        raise ValueError(f"{quote(name)} can't be followed: {error}") from None
    if not stays:
        raise ValueError(f"{quote(name)} leads out of the recipe's folder")
    return file


def inside_or_diagnostic(folder: Path, name: str, path: str) -> Path:
    """As `inside`; `path` is where the recipe names the file.

    Raises:
        DataError: the name leads elsewhere.
    """
    try:
        return inside(folder, name)
    except ValueError as error:
        raise DataError([Diagnostic("D102", str(error), path=path)]) from None


@dataclass(frozen=True)
class Chunk:
    """A part of a table's column, from the row `first` of the table on."""

    table: Table
    column: str
    first: int
    stored: pa.Array

    def cells(self) -> Iterator[object]:
        """Text, or JSON values."""
        return map(self.table.file.cell, self.stored.to_pylist())

    @property
    def is_text(self) -> bool:
        """Whether every cell is text, or missing."""
        return self.table.file.stores_cells and pa.types.is_string(self.stored.type)

    def distinct(self) -> tuple[Chunk, NDArray[np.int64]]:
        """The cells that differ, and for each cell the number of the one that equals it."""
        coded = self.stored.dictionary_encode(null_encoding="encode")
        different = replace(self, stored=coded.dictionary)
        return different, coded.indices.to_numpy().astype(np.int64)

    def mark(self, index: int) -> Mark:
        """The place of one of the cells."""
        return self.table.mark(self.first + index, self.column)


@dataclass(frozen=True)
class Rows:
    """Rows of several tables, numbered on from one table to the next."""

    tables: tuple[Table, ...]

    def __len__(self) -> int:
        """Number of rows."""
        return self._ends[-1]

    def chunks(self, column: str) -> Iterator[Chunk]:
        """A column that every table has, part by part."""
        for table in self.tables:
            first = 0
            for stored in table.columns[column].chunks:
                yield Chunk(table, column, first, stored)
                first += len(stored)

    def texts(self, column: str) -> Sequence[str]:
        """Texts of a column that every table has, taken from it when they are asked for."""
        return _Texts(self, column)

    def find(self, row: int) -> tuple[Table, int]:
        """The table that holds a row, and the row's number in it, from 0."""
        index = bisect_right(self._ends, row)
        return self.tables[index], row - (self._ends[index - 1] if index else 0)

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(map(len, self.tables)))

    def lacking(self, column: str, path: str) -> Iterator[Diagnostic]:
        """One problem for each table that lacks the column; `path` is where the recipe names it."""
        for table in self.tables:
            if not table.has(column):
                names = table.file.names
                near = suggest(column, names)
                hint = f"did you mean {quote(near)}?" if near else _list(names)
                message = f"no column {quote(column)}; {hint}"
                yield Diagnostic("D201", message, Mark(table.file.name, 1, 1), path)


class _Texts(Sequence[str]):
    """A column of text that stays where it is: in Arrow's memory, or on disk."""

    def __init__(self, rows: Rows, column: str) -> None:
        self._rows = rows
        self._column = column

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        for chunk in self._rows.chunks(self._column):
            yield from map(text, chunk.cells())

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[index] for index in range(*row.indices(len(self)))]
        if not 0 <= row < len(self):
            raise IndexError(row)
        table, index = self._rows.find(int(row))
        return text(table.cell(index, self._column))


def _list(names: Iterable[str]) -> str:
    shown = [quote(name) for name in names]
    more = f" and {len(shown) - 10} more" if len(shown) > 10 else ""
    return f"there are {', '.join(shown[:10])}{more}"


def data_files(data: DataSpec) -> dict[str, str]:
    """Place in the recipe to file name, in the order of reading; the test file comes last."""
    if isinstance(data.split, FileSplit):
        return {"data.split.train": data.split.train, "data.split.test": data.split.test}
    if isinstance(data.files, str):
        return {"data.files": data.files}
    return {f"data.files[{index}]": name for index, name in enumerate(data.files or ())}


def read_rows(data: DataSpec, folder: Path, also: Iterable[str] = ()) -> Rows:
    """Read the columns of a recipe, and `also` some others, from all its files in `folder`.

    Of rows that are streamed it is the first block; `streamed` goes through all of them.

    Raises:
        DataError: every problem of every file.
        EnvironmentProblem: a file is there but can't be read.
    """
    columns = _columns(data, also)
    tables: list[Table] = []
    problems: list[Diagnostic] = []
    lines: dict[str, tuple[str, ...]] = {}
    for path, name in data_files(data).items():
        try:
            file = inside_or_diagnostic(folder, name, path)
            if data.streaming is None or path == "data.split.test":
                tables.append(read_table(file, columns))
            elif tables:
                _require(file)
            else:
                rows = read_blocks(file, columns, data.streaming.rows, data.group)
                tables.append(next(rows)[0])
        except DataError as error:
            problems.extend(error.diagnostics)
            lines.update({file: tuple(text) for file, text in error.sources.items()})
    if problems:
        raise DataError(problems, lines)
    return Rows(tuple(tables))


def streamed(data: DataSpec, folder: Path, also: Iterable[str] = ()) -> Iterator[tuple[Rows, bool]]:
    """The training rows of a recipe, a block at a time, each with whether it is the last.

    Columns are as in `read_rows`. A block ends with its file. A group that comes up again after its
    block is told; for that, a number is kept for each group.

    Raises:
        DataError: a file is missing, rows are broken, or a group is torn, once that is reached.
        EnvironmentProblem: a file is there but can't be read.
    """
    assert data.streaming is not None
    columns = _columns(data, also)
    groups: set[int] = set()
    paths = [path for path in data_files(data) if path != "data.split.test"]
    for path in paths:
        file = inside_or_diagnostic(folder, data_files(data)[path], path)
        for table, ends_file in read_blocks(file, columns, data.streaming.rows, data.group):
            if data.group is not None and table.has(data.group):
                _require_whole_groups(table, data.group, groups)
            yield Rows((table,)), ends_file and path == paths[-1]


def _columns(data: DataSpec, also: Iterable[str]) -> set[str]:
    """The columns that a recipe reads."""
    columns = {column for name in data.columns for column in data.columns_of(name)}
    return {*columns, *also, *([data.group] if data.group else ())}


def _require(file: Path) -> None:
    """See that a file is there, which is read later."""
    open_file(file)
    with readable(file):
        file.stat()


def _require_whole_groups(table: Table, column: str, earlier: set[int]) -> None:
    """See that no group of a block is `earlier`, and add its own to them."""
    cells = (cell for chunk in Rows((table,)).chunks(column) for cell in chunk.cells())
    rows: dict[int, int] = {}
    for row, cell in enumerate(cells):
        rows.setdefault(hash(str(cell)), row)
    for key, row in rows.items():
        if key in earlier:
            place = f"row {table.first + row + 1}, column {quote(column)}"
            message = f"{place}: the group goes on after others, so that a stream tears it"
            help = f"sort the rows by {quote(column)}, or don't stream them"
            problem = Diagnostic("D214", message, table.mark(row, column), "data.group", help=help)
            raise DataError([problem], {table.file.name: table.file.lines})
    earlier.update(rows)
