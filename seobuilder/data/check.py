"""A look at a recipe's data before anything is built or trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seobuilder.data.classes import class_counts
from seobuilder.data.encode import Examples, load_examples
from seobuilder.data.stream import RowStream
from seobuilder.data.tokenizer import tokenizer_problems
from seobuilder.errors import DataError
from seobuilder.recipe.diagnostics import Diagnostic, quote
from seobuilder.recipe.load import LoadedRecipe

SHOWN = 5


@dataclass(frozen=True)
class DataCheck:
    """How many rows either split has, and what may be an oversight."""

    train: int
    test: int
    warnings: tuple[Diagnostic, ...]


def check_data(loaded: LoadedRecipe) -> DataCheck:
    """Read and check everything that training would read. No tokenizer is trained.

    Raises:
        DataError: every problem of every file and cell, and of the tokenizers.
        EnvironmentProblem: a file is there but can't be read, or wants a package.
    """
    tokenizers = list(tokenizer_problems(loaded.recipe, loaded.folder, loaded.given))
    rows = test = 0
    counts: dict[str, NDArray[np.int64]] = {}
    try:
        for examples in _training_rows(loaded):
            rows += len(examples.train)
            test += len(examples.test)
            for name, each in _counts(loaded, examples):
                counts[name] = each + counts.get(name, 0)
    except DataError as error:
        raise DataError([*tokenizers, *error.diagnostics], error.sources) from None
    if tokenizers:
        raise DataError(tokenizers)
    return DataCheck(rows, test, tuple(_labels_without_rows(loaded, counts)))


def _training_rows(loaded: LoadedRecipe) -> Iterator[Examples]:
    """All rows together; where they are streamed, block by block, and test rows with the first."""
    recipe = loaded.recipe
    first = load_examples(recipe, loaded.folder)
    yield first
    if recipe.data is not None and recipe.data.streaming is not None:
        stream = RowStream(recipe, loaded.folder, first)
        for number, (rows, _) in enumerate(stream.read()):
            if number:
                yield stream.encode(rows)


def _counts(loaded: LoadedRecipe, examples: Examples) -> Iterator[tuple[str, NDArray[np.int64]]]:
    for name, spec in loaded.recipe.outputs.items():
        if spec.kind == "classification" or spec.kind == "multilabel":
            yield name, class_counts(examples, name, spec)


def _labels_without_rows(
    loaded: LoadedRecipe, counts: Mapping[str, NDArray[np.int64]]
) -> Iterator[Diagnostic]:
    for name, spec in loaded.recipe.outputs.items():
        if spec.kind not in ("classification", "multilabel"):
            continue
        absent = np.flatnonzero(counts[name] == 0).tolist()
        if absent:
            labels = spec.labels if isinstance(spec.labels, tuple) else range(len(counts[name]))
            shown = ", ".join(quote(str(labels[index])) for index in absent[:SHOWN])
            more = f" and {len(absent) - SHOWN:,} more" if len(absent) > SHOWN else ""
            yield Diagnostic(
                "D212",
                f"no training row has the label {shown}{more}",
                loaded.mark("outputs", name, "labels"),
                f"outputs.{name}.labels",
                "warning",
                help="add rows, or take it out of the list",
            )
