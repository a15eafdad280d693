"""Tables in files: CSV and JSON lines, with the place of every cell.

A table is read into columns. Its text is not kept: a place is worked out from the file again,
which happens only for a diagnostic.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from seobuilder.errors import DataError, EnvironmentProblem
from seobuilder.recipe.diagnostics import Diagnostic, Mark, quote, split_lines

_CSV_CELL = re.compile(r'"(?:[^"]|"")*"|[^,\r\n]*')
_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_LONGEST_CELL = 2**31 - 1


@dataclass(frozen=True)
class Table:
    """Columns of equal length, and the line of the file on which each row begins.

    A cell is text in CSV, and any JSON value in JSON lines. There, a row without one of the
    columns has None in it.
    """

    file: str
    columns: dict[str, list[object]]
    lines: list[int]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.lines)

    def mark(self, row: int, column: str) -> Mark:
        """The place of a cell; the start of its row where a JSON line lacks the column."""
        start = self.lines[row]
        stop = self.lines[row + 1] if row + 1 < len(self) else None
        record = "\n".join(self.source[start - 1 : stop and stop - 1])
        if Path(self.file).suffix.lower() == ".csv":
            begin, end = _csv_span(record, list(self.columns).index(column))
        else:
            begin, end = _json_span(record, column)
        above, _, before = record[:begin].rpartition("\n")
        line = start + (above.count("\n") + 1 if "\n" in record[:begin] else 0)
        length = len(record[begin:end].partition("\n")[0])
        return Mark(self.file, line, len(before) + 1, max(1, length))

    @cached_property
    def source(self) -> tuple[str, ...]:
        """The lines of the file, without line breaks."""
        return split_lines(read_text(Path(self.file)))


def read_table(path: Path) -> Table:
    """Read a `.csv` file (RFC 4180 with a header) or a `.jsonl` or `.ndjson` file, in UTF-8.

    Empty lines are no rows. A byte order mark, which spreadsheets write, is skipped.

    Raises:
        DataError: the file is missing, or is not what its suffix says; all of its broken rows.
        EnvironmentProblem: the file is there but can't be read.
    """
    read = READERS.get(path.suffix.lower())
    if read is None:
        supported = ", ".join(READERS)
        raise _error(
            path, "D103", f"unknown kind of file {quote(path.suffix)}; supported: {supported}"
        )
    text = read_text(path)
    if not text.strip():
        raise _error(path, "D105", "the file is empty")
    problems: list[Diagnostic] = []
    table = read(str(path), text, problems)
    if not problems and not len(table):
        problems.append(Diagnostic("D105", "the file has no rows", Mark(table.file, 1, 1)))
    if problems:
        raise DataError(problems, {table.file: split_lines(text)})
    return table


def read_text(path: Path) -> str:
    """A file's text, without a byte order mark.

    Raises:
        DataError: the file is missing, or isn't UTF-8.
        EnvironmentProblem: it is there but can't be read.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise _error(path, "D101", "no such file") from None
    except OSError as error:
        raise EnvironmentProblem(f"{path}: {error.strerror or error}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec counts from behind the byte order mark where there is one.
        body = raw.removeprefix(b"\xef\xbb\xbf")
        good = split_lines(body[: error.start].decode())
        mark = Mark(str(path), len(good), len(good[-1]) + 1)
        message = f"byte 0x{body[error.start]:02x} is not UTF-8"
        raise DataError([Diagnostic("D104", message, mark)]) from None


def _error(path: Path, code: str, message: str) -> DataError:
    return DataError([Diagnostic(code, message, Mark(str(path), 1, 1))])


def _read_csv(file: str, text: str, problems: list[Diagnostic]) -> Table:
    header: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, cells in _csv_records(file, text, problems):
        if not header:
            header = cells
            problems.extend(_repeated_names(file, line, header, text))
        elif len(cells) != len(header):
            message = f"the row has {_cells(len(cells))}, the header {_cells(len(header))}"
            problems.append(Diagnostic("D107", message, Mark(file, line, 1)))
        else:
            rows.append(cells)
            lines.append(line)
    columns: dict[str, list[object]] = {
        name: [row[index] for row in rows] for index, name in enumerate(header)
    }
    return Table(file, columns, lines)


def _csv_records(
    file: str, text: str, problems: list[Diagnostic]
) -> Iterator[tuple[int, list[str]]]:
    """Records with the line on which each begins."""
    with _any_cell_length():
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        line = 1
        try:
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            problems.append(Diagnostic("D108", f"broken CSV: {error}", Mark(file, line, 1)))


@contextmanager
def _any_cell_length() -> Iterator[None]:
    """Pages are longer than the limit that `csv` sets for the whole process."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _repeated_names(file: str, line: int, header: list[str], text: str) -> Iterator[Diagnostic]:
    for index, name in enumerate(header):
        if name in header[:index]:
            record = split_lines(text)[line - 1]
            begin, end = _csv_span(record, index)
            mark = Mark(file, line, begin + 1, max(1, end - begin))
            yield Diagnostic("D106", f"the column {quote(name)} is there twice", mark)


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"


def _csv_span(record: str, index: int) -> tuple[int, int]:
    """Begin and end of one cell in the text of a row, quotes included."""
    begin = 0
    for _ in range(index):
        match = _CSV_CELL.match(record, begin)
        assert match is not None
        begin = match.end() + 1
    match = _CSV_CELL.match(record, begin)
    assert match is not None
    return begin, match.end()


def _read_json_lines(file: str, text: str, problems: list[Diagnostic]) -> Table:
    rows: list[dict[str, object]] = []
    lines: list[int] = []
    for line, content in enumerate(split_lines(text), start=1):
        if not content.strip():
            continue
        try:
            rows.append(_json_object(content))
            lines.append(line)
        except json.JSONDecodeError as error:
            mark = Mark(file, line, error.colno)
            problems.append(Diagnostic("D109", f"broken JSON: {error.msg}", mark))
        except (ValueError, RecursionError) as error:
            problems.append(Diagnostic("D109", f"broken JSON: {error}", Mark(file, line, 1)))
    names = dict.fromkeys(name for row in rows for name in row)
    return Table(file, {name: [row.get(name) for row in rows] for name in names}, lines)


def _json_object(text: str) -> dict[str, object]:
    row = json.loads(text, object_pairs_hook=_distinct_keys, parse_constant=_refuse_constant)
    if not isinstance(row, dict):
        raise ValueError('a line must hold an object, such as {"query": "shoes"}')
    return row


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {quote(twice)} is there twice")
    return row


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON; write null for a missing number")


def _json_span(record: str, column: str) -> tuple[int, int]:
    """Begin and end of one value in the text of an object that is known to be valid."""
    decoder = json.JSONDecoder()
    position = record.index("{") + 1
    while (position := _skip(record, position, " \t\n,")) < len(record):
        if record[position] == "}":
            break
        key, position = decoder.raw_decode(record, position)
        begin = _skip(record, position, " \t\n:")
        _, position = decoder.raw_decode(record, begin)
        if key == column:
            return begin, position
    return 0, 1


def _skip(text: str, position: int, characters: str) -> int:
    while position < len(text) and text[position] in characters:
        position += 1
    return position


Reader = Callable[[str, str, list[Diagnostic]], Table]

READERS: dict[str, Reader] = {
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
}
