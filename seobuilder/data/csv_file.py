"""CSV as RFC 4180 describes it, with a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice

import pyarrow as pa

from seobuilder.data.files import BATCH_CHARACTERS, BATCH_ROWS, LINE, TextFile, repeated
from seobuilder.recipe.diagnostics import Diagnostic, Mark

_CELL = re.compile(r'"(?:[^"]|"")*"|[^,\r\n]*')
_LONGEST_CELL = 2**31 - 1
RUN = 1000


class CsvFile(TextFile):
    """Every cell is text. Empty lines are no rows."""

    @cached_property
    def names(self) -> list[str]:
        """The header."""
        return next((cells for _, cells in self._records([])), [])

    def batches(
        self, columns: Collection[str], problems: list[Diagnostic]
    ) -> Iterator[pa.RecordBatch]:
        """Rows as long as the header."""
        header: list[str] = []
        rows: list[list[str]] = []
        lines: list[int] = []
        characters = 0
        for line, cells in self._records(problems):
            if not header:
                header = cells
                problems.extend(self._repeated_names(line, header))
            elif len(cells) != len(header):
                message = f"the row has {_cells(len(cells))}, the header {_cells(len(header))}"
                problems.append(Diagnostic("D107", message, Mark(self.name, line, 1)))
            else:
                rows.append(cells)
                lines.append(line)
                characters += sum(map(len, cells))
                if len(rows) == BATCH_ROWS or characters > BATCH_CHARACTERS:
                    yield _batch(header, columns, rows, lines)
                    rows, lines, characters = [], [], 0
        if rows:
            yield _batch(header, columns, rows, lines)

    def mark(self, line: int, column: str) -> Mark:
        """The place of a cell, quotes included."""
        record = self._record(line)
        begin, end = _span(record, self.names.index(column))
        above, _, before = record[:begin].rpartition("\n")
        line += above.count("\n") + 1 if "\n" in record[:begin] else 0
        length = len(record[begin:end].partition("\n")[0])
        return Mark(self.name, line, len(before) + 1, max(1, length))

    def _records(self, problems: list[Diagnostic]) -> Iterator[tuple[int, list[str]]]:
        """Records with the line on which each begins."""
        records = self._numbered(problems)
        while True:
            # A whole run of them, for the limit must not be left changed while others read.
            with _any_cell_length():
                run = list(islice(records, RUN))
            yield from run
            if len(run) < RUN:
                return

    def _numbered(self, problems: list[Diagnostic]) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(self.text_lines(), strict=True)
        line = 1
        try:
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            message = f"broken CSV: {error}"
            problems.append(Diagnostic("D108", message, Mark(self.name, line, 1)))

    def _record(self, line: int) -> str:
        """The text of the row that begins on a line, which goes on where a quote is open."""
        record = self.lines[line - 1]
        for following in self.lines[line:] if record.count('"') % 2 else ():
            record = f"{record}\n{following}"
            if following.count('"') % 2:
                break
        return record

    def _repeated_names(self, line: int, header: list[str]) -> Iterator[Diagnostic]:
        for index, message in repeated(header):
            begin, end = _span(self._record(line), index)
            mark = Mark(self.name, line, begin + 1, max(1, end - begin))
            yield Diagnostic("D106", message, mark)


def _batch(
    header: list[str], columns: Collection[str], rows: list[list[str]], lines: list[int]
) -> pa.RecordBatch:
    arrays = {LINE: pa.array(lines, pa.int64())}
    for name, cells in zip(header, zip(*rows, strict=True), strict=True):
        if name in columns:
            arrays[name] = pa.array(cells, pa.string())
    return pa.RecordBatch.from_pydict(arrays)


@contextmanager
def _any_cell_length() -> Iterator[None]:
    """Pages are longer than the limit that `csv` sets for the whole process."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"


def _span(record: str, index: int) -> tuple[int, int]:
    """Begin and end of one cell in the text of a row, quotes included."""
    begin = 0
    for _ in range(index):
        match = _CELL.match(record, begin)
        assert match is not None
        begin = match.end() + 1
    match = _CELL.match(record, begin)
    assert match is not None
    return begin, match.end()
