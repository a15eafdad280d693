"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from functools import cached_property
from typing import Any

import pyarrow as pa

from seobuilder.data.files import BATCH_CHARACTERS, BATCH_ROWS, LINE, TextFile
from seobuilder.recipe.diagnostics import Diagnostic, Mark, quote


class JsonLinesFile(TextFile):
    """A cell is any JSON value, None where a row lacks the column. Empty lines are no rows.

    Batches store a cell as JSON, for the values of a column may differ in type.
    """

    stores_cells = False

    @cached_property
    def names(self) -> list[str]:
        """Keys of all rows, in the order in which they come up."""
        return list(dict.fromkeys(name for _, row, _ in self._rows([]) for name in row))

    def batches(
        self, columns: Collection[str], problems: list[Diagnostic]
    ) -> Iterator[pa.RecordBatch]:
        """All rows; a column that no row has is there too, empty."""
        wanted = list(columns)
        rows: list[list[str | None]] = []
        lines: list[int] = []
        characters = 0
        for line, row, length in self._rows(problems):
            rows.append([_stored(row.get(name)) for name in wanted])
            lines.append(line)
            characters += length
            if len(rows) == BATCH_ROWS or characters > BATCH_CHARACTERS:
                yield _batch(wanted, rows, lines)
                rows, lines, characters = [], [], 0
        if rows:
            yield _batch(wanted, rows, lines)

    def cell(self, stored: object) -> object:
        """The JSON value."""
        return json.loads(stored) if isinstance(stored, str) else None

    def mark(self, line: int, column: str) -> Mark:
        """The place of a value; the start of its row where that lacks the column."""
        begin, end = _span(self.lines[line - 1], column)
        return Mark(self.name, line, begin + 1, max(1, end - begin))

    def _rows(self, problems: list[Diagnostic]) -> Iterator[tuple[int, dict[str, object], int]]:
        """Objects with their lines, and the number of characters of each."""
        for line, content in enumerate(self.text_lines(), start=1):
            if not content.strip():
                continue
            try:
                row = _json_object(content.rstrip("\r\n"))
            except json.JSONDecodeError as error:
                mark = Mark(self.name, line, error.colno)
                problems.append(Diagnostic("D109", f"broken JSON: {error.msg}", mark))
            except (ValueError, RecursionError) as error:
                mark = Mark(self.name, line, 1)
                problems.append(Diagnostic("D109", f"broken JSON: {error}", mark))
            else:
                yield line, row, len(content)


def _batch(names: list[str], rows: list[list[str | None]], lines: list[int]) -> pa.RecordBatch:
    arrays = {LINE: pa.array(lines, pa.int64())}
    for name, cells in zip(names, zip(*rows, strict=True), strict=True):
        arrays[name] = pa.array(cells, pa.string())
    return pa.RecordBatch.from_pydict(arrays)


def _stored(value: object) -> str | None:
    # In ASCII, half of a surrogate pair, which Arrow does not hold, stays what it was.
    return None if value is None else json.dumps(value)


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


def _span(record: str, column: str) -> tuple[int, int]:
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
