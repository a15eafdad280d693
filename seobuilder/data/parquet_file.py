"""Parquet: typed columns, which have rows and no lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from seobuilder.data.files import BATCH_ROWS, LINE, DataFile, readable, repeated
from seobuilder.recipe.diagnostics import Diagnostic, Mark, quote


class ParquetFile(DataFile):
    """A cell is text, a number, a truth value or a list of them; None where it is null or NaN,
    which is how some tools write a missing number. A date is text, `2026-11-25`.

    The `line` of a place is the number of the row, from 1, its column that of the column.
    """

    @cached_property
    def names(self) -> list[str]:
        """The fields of the schema."""
        with self._opened() as file:
            return list(file.schema_arrow.names)

    def batches(
        self, columns: Collection[str], problems: list[Diagnostic]
    ) -> Iterator[pa.RecordBatch]:
        """All rows, each column of one of the types above."""
        try:
            with self._opened() as file:
                names = list(file.schema_arrow.names)
                if twice := list(repeated(names)):
                    marks = ((Mark(self.name, 1, index + 1), text) for index, text in twice)
                    problems += [Diagnostic("D106", text, mark) for mark, text in marks]
                    return
                wanted = [name for name in names if name in columns]
                kept = [name for name in wanted if self._is_usable(file, name, problems)]
                first = 1
                for batch in file.iter_batches(BATCH_ROWS, columns=kept or names[:1]):
                    batch.validate(full=True)  # that text is UTF-8, among others
                    lines = pa.array(range(first, first + batch.num_rows), pa.int64())
                    arrays = {name: _plain(batch.column(name)) for name in kept}
                    yield pa.RecordBatch.from_pydict({LINE: lines} | arrays)
                    first += batch.num_rows
        except (pa.ArrowException, _Broken) as error:
            reason = str(error).partition("\n")[0]
            problems.append(Diagnostic("D110", f"broken Parquet: {reason}", Mark(self.name, 1, 1)))

    def mark(self, line: int, column: str) -> Mark:
        """Row and column."""
        return Mark(self.name, line, self.names.index(column) + 1)

    def _is_usable(self, file: pq.ParquetFile, name: str, problems: list[Diagnostic]) -> bool:
        field = file.schema_arrow.field(name)
        if _is_plain(field.type):
            return True
        index = file.schema_arrow.get_field_index(name)
        message = f"the column {quote(name)} holds {field.type}, which is neither text nor numbers"
        problems.append(Diagnostic("D111", message, Mark(self.name, 1, index + 1)))
        return False

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        with readable(self.path):
            source = self.path.open("rb")
        with source:
            try:
                yield pq.ParquetFile(source)
            except OSError as error:  # what Arrow raises where it can't decompress
                raise _Broken(error) from None


class _Broken(Exception):
    """The bytes are not what they should be."""


def _is_plain(type: pa.DataType) -> bool:
    """Whether values are text, numbers, truth values, dates, or lists of them."""
    types: Any = pa.types
    if types.is_dictionary(type):
        return _is_plain(type.value_type)
    if types.is_list(type) or types.is_large_list(type) or types.is_fixed_size_list(type):
        return _is_plain(type.value_type) and not types.is_nested(type.value_type)
    return any(
        is_kind(type)
        for is_kind in (
            *(types.is_string, types.is_large_string, types.is_string_view),
            *(types.is_integer, types.is_floating, types.is_decimal, types.is_boolean),
            *(types.is_date, types.is_timestamp, types.is_time, types.is_null),
        )
    )


def _plain(array: pa.Array) -> pa.Array:
    """The array with values of a JSON type."""
    types, type = pa.types, array.type
    if types.is_dictionary(type):
        return _plain(array.dictionary_decode())
    if types.is_decimal(type):
        return pc.cast(array, pa.float64())
    if types.is_floating(type):
        wide = pc.cast(array, pa.float64())
        return pc.if_else(pc.is_nan(wide), pa.scalar(None, pa.float64()), wide)
    if types.is_date(type) or types.is_timestamp(type) or types.is_time(type):
        return pc.cast(array, pa.string())
    return pc.cast(array, pa.large_string()) if types.is_string_view(type) else array
