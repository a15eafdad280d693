"""Cells to values: every row of a recipe's data, encoded and split, with all problems at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from seobuilder.data.cells import (
    UNLABELLED,
    BadCell,
    category,
    label,
    label_set,
    number,
    rate,
    required_number,
    row_weight,
    text,
    vector,
)
from seobuilder.data.classes import balanced_weights, class_counts
from seobuilder.data.images import image_path
from seobuilder.data.numbers import plain_numbers
from seobuilder.data.sources import Chunk, Rows, read_rows
from seobuilder.data.split import Indices, split_by_share
from seobuilder.errors import DataError
from seobuilder.recipe.diagnostics import Diagnostic, quote
from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.spec.data import DataSpec, FileSplit, ShareSplit
from seobuilder.recipe.spec.inputs import InputSpec
from seobuilder.recipe.spec.losses import LogLoss
from seobuilder.recipe.spec.outputs import Classification, OutputSpec

T = TypeVar("T")
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows of data by name of input or output; axis 0 is the row.

    `texts` (perhaps on disk) and `images` (files, read with each batch) hold token and image
    inputs, `numbers`
    features and embeddings [N, size] with NaN for a missing number, and categories [N].
    `targets` holds class indices [N] (-100: unlabelled), regression [N, size] and relevance [N]
    (NaN: unlabelled), `label_sets` the indices that apply (None: unlabelled). `weights` [N] says
    how much each row counts in an output's loss, for outputs whose rows differ in that.
    `groups` [N] numbers the queries whose rows are ranked together. `train` and `test` are the
    rows of either split, ascending.
    """

    train: Indices
    test: Indices
    groups: Indices | None = None
    texts: dict[str, Sequence[str]] = field(default_factory=dict)
    images: dict[str, list[Path]] = field(default_factory=dict)
    numbers: dict[str, Numbers | Indices] = field(default_factory=dict)
    targets: dict[str, Numbers | Indices] = field(default_factory=dict)
    label_sets: dict[str, list[tuple[int, ...] | None]] = field(default_factory=dict)
    weights: dict[str, Numbers] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.train) + len(self.test)


def load_examples(recipe: Recipe, folder: Path) -> Examples:
    """Read, encode and split the data of a recipe that lies in `folder`.

    Of training rows that are streamed, these are the first block.

    Raises:
        DataError: every problem of every file and cell.
        EnvironmentProblem: a file is there but can't be read, or wants a package.
    """
    if recipe.data is None:
        raise DataError([Diagnostic("D100", "the recipe names no data", path="data")])
    rows = read_rows(recipe.data, folder, weight_columns(recipe))
    return encode_rows(recipe, recipe.data, folder, rows)


def encode_rows(recipe: Recipe, data: DataSpec, folder: Path, rows: Rows) -> Examples:
    """Encode and split rows that were read.

    Raises:
        DataError: every problem of every cell.
        EnvironmentProblem: an image wants a package.
    """
    encoder = _Encoder(rows, data, folder)
    groups, group_keys = encoder.groups()
    train, test = encoder.split(recipe.seed, groups, group_keys)
    examples = Examples(train, test, groups)
    for name, source in recipe.inputs.items():
        encoder.add_input(examples, name, source)
    for name, target in recipe.outputs.items():
        encoder.add_output(examples, name, target)
    encoder.raise_problems()
    return examples


class _Encoder:
    """Reads columns, and collects the problems of all of them."""

    def __init__(self, rows: Rows, data: DataSpec, folder: Path) -> None:
        self.rows = rows
        self.data = data
        self.folder = folder
        self.problems: list[Diagnostic] = []

    def add_input(self, examples: Examples, name: str, spec: InputSpec) -> None:
        """Encode the columns of one input."""
        if spec.kind == "tokens":
            examples.texts[name] = self.texts(name)
        elif spec.kind == "category":
            examples.numbers[name] = self.indices(name, category(spec.values))
        elif spec.kind == "image":
            files = self.column(name, image_path(self.folder, spec), Path())
            examples.images[name] = list(files)
        elif spec.kind == "features" and spec.missing != "error":
            examples.numbers[name] = self.vectors(name, spec.size, number)
        else:
            examples.numbers[name] = self.vectors(name, spec.size, required_number)

    def add_output(self, examples: Examples, name: str, spec: OutputSpec) -> None:
        """Encode the columns of one output. An embedding is compared to another: it has none."""
        if spec.kind == "embedding":
            if name in self.data.columns:
                message = f"{quote(name)} is an embedding output, which no column feeds"
                self.problems.append(Diagnostic("D207", message, path=f"data.columns.{name}"))
        elif spec.kind == "regression":
            read = rate if spec.is_rate else number
            examples.targets[name] = self.vectors(name, spec.size, read)
            if isinstance(spec.loss, LogLoss) and spec.loss.weight is not None:
                examples.weights[name] = self.row_weights(name, spec.loss.weight)
        elif spec.kind == "ranking":
            examples.targets[name] = self.vectors(name, 1, number)[:, 0]
        else:
            assert not isinstance(spec.labels, str), "label files are read with the recipe"
            if spec.kind == "multilabel":
                examples.label_sets[name] = list(self.column(name, label_set(spec.labels), None))
            else:
                examples.targets[name] = self.indices(name, label(spec.labels))
                if spec.loss.class_weights is not None and not self.problems:
                    examples.weights[name] = _class_weights(examples, name, spec)

    def row_weights(self, name: str, column: str) -> Numbers:
        """How much each row counts: the numbers of a column."""
        path = f"outputs.{name}.loss.weight"
        missing = list(self.rows.lacking(column, path))
        self.problems.extend(missing)
        values = () if missing else self.values(column, row_weight, 1.0, path)
        return np.fromiter(values, dtype=np.float64)

    def texts(self, name: str) -> Sequence[str]:
        """Texts of an input, which stay in the table."""
        column = self.only_column(name)
        if column is None:
            return ()
        for chunk in self.rows.chunks(column):
            for _ in () if chunk.is_text else self.read(chunk, text, "", f"data.columns.{name}"):
                pass  # a cell that is no text is told
        return self.rows.texts(column)

    def indices(self, name: str, read: Callable[[object], int]) -> Indices:
        """Indices [N] of an input or output that has one column, of few different cells."""
        column = self.only_column(name)
        chunks = () if column is None else self.rows.chunks(column)
        parts = [self.chunk_indices(chunk, read, f"data.columns.{name}") for chunk in chunks]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts])

    def chunk_indices(self, chunk: Chunk, read: Callable[[object], int], path: str) -> Indices:
        """An index for each cell of a chunk, each different cell being read once."""
        if not pa.types.is_nested(chunk.stored.type):
            different, numbers = chunk.distinct()
            try:
                values = [read(cell) for cell in different.cells()]
                return np.array(values, dtype=np.int64)[numbers]
            except BadCell:
                pass  # and now cell by cell, for each bad one is told
        return np.fromiter(self.read(chunk, read, 0, path), dtype=np.int64)

    def column(self, name: str, read: Callable[[object], T], blank: T) -> Iterator[T]:
        """Values of an input or output that has one column."""
        column = self.only_column(name)
        if column is not None:
            yield from self.values(column, read, blank, f"data.columns.{name}")

    def only_column(self, name: str) -> str | None:
        """The column that feeds an input or output, None if there is a problem with it."""
        columns = self.columns_of(name)
        if len(columns) > 1:
            message = f"expected one column, found {len(columns)}"
            self.problems.append(Diagnostic("D208", message, path=f"data.columns.{name}"))
        return columns[0] if len(columns) == 1 else None

    def vectors(self, name: str, size: int, read: Callable[[object], float]) -> Numbers:
        """Values [N, size] of one column per component, or of one column that holds them all."""
        columns = self.columns_of(name)
        path = f"data.columns.{name}"
        if len(columns) not in (0, 1, size):
            message = f"expected {size} columns, or one that holds {size} numbers in each cell"
            message = message if size > 1 else "expected one column"
            self.problems.append(Diagnostic("D208", f"{message}; found {len(columns)}", path=path))
            return np.empty((0, size))
        if len(columns) == 1 and size > 1:
            lists = self.values(columns[0], vector(size, read), [0.0] * size, path)
            return np.fromiter(lists, dtype=np.dtype((np.float64, size)))
        values = np.empty((len(self.rows) if columns else 0, size))
        for index, column in enumerate(columns):
            parts = (self.numbers(chunk, read, path) for chunk in self.rows.chunks(column))
            np.concatenate(list(parts), out=values[:, index])
        return values

    def columns_of(self, name: str) -> tuple[str, ...]:
        """Columns that feed an input or output, none if there is a problem with them."""
        path = f"data.columns.{name}"
        columns = self.data.columns_of(name)
        if not columns:
            message = f"no column is named for {quote(name)}"
            self.problems.append(Diagnostic("D208", message, path=path))
            return ()
        missing = [problem for column in columns for problem in self.rows.lacking(column, path)]
        self.problems.extend(missing)
        return () if missing else columns

    def numbers(self, chunk: Chunk, read: Callable[[object], float], path: str) -> Numbers:
        """A number for each cell; those that Arrow reads as `read` would are read by it."""
        plain = plain_numbers(chunk.stored)
        if plain is not None and (read is not rate or _are_rates(plain)):
            return plain
        return np.fromiter(self.read(chunk, read, 0.0, path), dtype=np.float64)

    def values(self, column: str, read: Callable[[object], T], blank: T, path: str) -> Iterator[T]:
        """One value for each row."""
        for chunk in self.rows.chunks(column):
            yield from self.read(chunk, read, blank, path)

    def read(self, chunk: Chunk, read: Callable[[object], T], blank: T, path: str) -> Iterator[T]:
        """One value for each cell; one that can't be read is a problem, and `blank`."""
        for index, cell in enumerate(chunk.cells()):
            try:
                yield read(cell)
            except BadCell as error:
                row = chunk.table.first + chunk.first + index + 1
                message = f"row {row}, column {quote(chunk.column)}: {error}"
                self.problems.append(Diagnostic(error.code, message, chunk.mark(index), path))
                yield blank

    def groups(self) -> tuple[Indices | None, list[str]]:
        """Number of each row's group, and the text that stands for each group.

        Files that are split already often count their queries from 1 again, so there the same
        text in both of them is two groups.
        """
        column = self.data.group
        if column is None:
            return None, []
        missing = list(self.rows.lacking(column, "data.group"))
        self.problems.extend(missing)
        if missing:
            return None, []
        numbers: dict[tuple[int, str], int] = {}
        rows = []
        first_test_row = self.first_test_row()
        for row, key in enumerate(self.values(column, _group_key, "", "data.group")):
            part = int(first_test_row is not None and row >= first_test_row)
            rows.append(numbers.setdefault((part, key), len(numbers)))
        return np.array(rows, dtype=np.int64), [key for _, key in numbers]

    def first_test_row(self) -> int | None:
        """Where the test file begins, if the recipe names one."""
        return len(self.rows.tables[0]) if isinstance(self.data.split, FileSplit) else None

    def split(
        self, seed: int, groups: Indices | None, group_keys: list[str]
    ) -> tuple[Indices, Indices]:
        """Training and test rows."""
        everything = np.arange(len(self.rows), dtype=np.int64)
        if isinstance(self.data.split, ShareSplit):
            try:
                share = self.data.split.test
                return split_by_share(len(everything), share, seed, groups, group_keys)
            except ValueError as error:
                self.problems.append(Diagnostic("D209", str(error), path="data.split"))
        first = self.first_test_row()
        if first is None:
            return everything, everything[:0]
        return everything[:first], everything[first:]

    def raise_problems(self) -> None:
        """Raise all that was collected, with the lines of the files that they point into."""
        files = {problem.mark.file for problem in self.problems if problem.mark}
        if self.problems:
            tables = (table.file for table in self.rows.tables)
            sources = {file.name: file.lines for file in tables if file.name in files}
            raise DataError(self.problems, sources)


def _class_weights(examples: Examples, name: str, spec: Classification) -> Numbers:
    """How much each row counts, by its label; 1 where it has none."""
    stated = spec.loss.class_weights
    if isinstance(stated, tuple):
        factors = np.array(stated, dtype=np.float64)
    else:
        factors = balanced_weights(class_counts(examples, name, spec))
    target = examples.targets[name]
    known = target != UNLABELLED
    weights: Numbers = np.where(known, factors[np.where(known, target, 0)], 1.0)
    return weights


def weight_columns(recipe: Recipe) -> Iterator[str]:
    """Columns that say how much a row counts in an output's loss."""
    for spec in recipe.outputs.values():
        weight = getattr(getattr(spec, "loss", None), "weight", None)
        if weight is not None:
            yield weight


def _are_rates(numbers: Numbers) -> bool:
    return bool(((numbers >= 0) & (numbers <= 1)).all())


def _group_key(cell: object) -> str:
    key = text(cell)
    if not key:
        raise BadCell("D205", "the cell is empty, so that the row's group is unknown")
    return key
