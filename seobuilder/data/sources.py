"""A recipe's data files, found in its folder and read as one run of rows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from seobuilder.data.tables import Table, read_table
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
class Rows:
    """Rows of several tables, numbered on from one table to the next."""

    tables: tuple[Table, ...]

    def __len__(self) -> int:
        """Number of rows."""
        return sum(map(len, self.tables))

    def cells(self, column: str) -> Iterator[object]:
        """Cells of a column that every table has."""
        for table in self.tables:
            yield from table.columns[column]

    def find(self, row: int) -> tuple[Table, int]:
        """The table that holds a row, and the row's number in it, from 0."""
        ends = list(accumulate(map(len, self.tables)))
        index = bisect_right(ends, row)
        return self.tables[index], row - (ends[index - 1] if index else 0)

    def lacking(self, column: str, path: str) -> Iterator[Diagnostic]:
        """One problem for each table that lacks the column; `path` is where the recipe names it."""
        for table in self.tables:
            if column not in table.columns:
                near = suggest(column, table.columns)
                hint = f"did you mean {quote(near)}?" if near else _list(table.columns)
                message = f"no column {quote(column)}; {hint}"
                yield Diagnostic("D201", message, Mark(table.file, 1, 1), path)


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


def read_rows(data: DataSpec, folder: Path) -> Rows:
    """Read all files of a recipe in `folder`.

    Raises:
        DataError: every problem of every file.
        EnvironmentProblem: a file is there but can't be read.
    """
    tables: list[Table] = []
    problems: list[Diagnostic] = []
    lines: dict[str, tuple[str, ...]] = {}
    for path, name in data_files(data).items():
        try:
            tables.append(read_table(inside_or_diagnostic(folder, name, path)))
        except DataError as error:
            problems.extend(error.diagnostics)
            lines.update({file: tuple(text) for file, text in error.sources.items()})
    if problems:
        raise DataError(problems, lines)
    return Rows(tuple(tables))
