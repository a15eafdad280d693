"""Data files: their rows as Arrow batches, and the place of every cell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from seobuilder.errors import DataError, EnvironmentProblem
from seobuilder.recipe.diagnostics import Diagnostic, Mark, quote, split_lines

LINE = ""
"""Column of a batch with the line on which each row begins; columns of a recipe have a name."""
BATCH_ROWS = 8192
BATCH_CHARACTERS = 2**24


class DataFile(ABC):
    """A table in a file. Its rows are not kept: a place is worked out from the file again, which
    happens only for a diagnostic.
    """

    stores_cells: ClassVar[bool] = True
    """Whether batches hold the cells themselves."""

    def __init__(self, path: Path) -> None:
        """Read nothing yet."""
        self.path = path
        self.name = str(path)

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Names of the columns."""

    @abstractmethod
    def batches(
        self, columns: Collection[str], problems: list[Diagnostic]
    ) -> Iterator[pa.RecordBatch]:
        """All rows in order, of those `columns` that the file has, and `LINE`.

        What is broken is added to `problems`, and left out.
        """

    @abstractmethod
    def mark(self, line: int, column: str) -> Mark:
        """The place of a cell of the row that begins on a line."""

    def cell(self, stored: object) -> object:
        """The text or the JSON value that a batch stores."""
        return stored

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines of the file, without line breaks; none where it isn't text."""
        return ()


class TextFile(DataFile):
    """A file of UTF-8 text. A byte order mark, which spreadsheets write, is skipped."""

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines of the file, without line breaks."""
        return split_lines(read_text(self.path))

    def text_lines(self) -> Iterator[str]:
        """The lines with their breaks, read as they are needed.

        Raises:
            DataError: there is no such file, or it isn't UTF-8.
            EnvironmentProblem: it can't be read.
        """
        with readable(self.path), self.path.open(encoding="utf-8-sig", newline="") as file:
            try:
                yield from file
            except UnicodeDecodeError:
                read_text(self.path)  # says where
                raise


def read_text(path: Path) -> str:
    """A file's text, without a byte order mark.

    Raises:
        DataError: the file is missing, or isn't UTF-8.
        EnvironmentProblem: it is there but can't be read.
    """
    with readable(path):
        raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec counts from behind the byte order mark where there is one.
        body = raw.removeprefix(b"\xef\xbb\xbf")
        good = split_lines(body[: error.start].decode())
        mark = Mark(str(path), len(good), len(good[-1]) + 1)
        message = f"byte 0x{body[error.start]:02x} is not UTF-8"
        raise DataError([Diagnostic("D104", message, mark)]) from None


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Tell what the operating system says about a file.

    Raises:
        DataError: it is missing.
        EnvironmentProblem: it is there but can't be read.
    """
    try:
        yield
    except FileNotFoundError:
        raise file_error(path, "D101", "no such file") from None
    except OSError as error:
        raise EnvironmentProblem(f"{path}: {error.strerror or error}") from None


def file_error(path: Path, code: str, message: str) -> DataError:
    """A problem with a file as a whole."""
    return DataError([Diagnostic(code, message, Mark(str(path), 1, 1))])


def repeated(names: list[str]) -> Iterator[tuple[int, str]]:
    """Index and message of each column whose name is there already."""
    for index, name in enumerate(names):
        if name in names[:index]:
            yield index, f"the column {quote(name)} is there twice"
