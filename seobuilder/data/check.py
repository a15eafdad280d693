"""A look at a recipe's data before anything is built or trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seobuilder.data.classes import class_counts
from seobuilder.data.encode import Examples, load_examples
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
    try:
        examples = load_examples(loaded.recipe, loaded.folder)
    except DataError as error:
        raise DataError([*tokenizers, *error.diagnostics], error.sources) from None
    if tokenizers:
        raise DataError(tokenizers)
    warnings = tuple(_labels_without_rows(loaded, examples))
    return DataCheck(len(examples.train), len(examples.test), warnings)


def _labels_without_rows(loaded: LoadedRecipe, examples: Examples) -> Iterator[Diagnostic]:
    for name, spec in loaded.recipe.outputs.items():
        if spec.kind not in ("classification", "multilabel"):
            continue
        counts = class_counts(examples, name, spec)
        absent = np.flatnonzero(counts == 0).tolist()
        if absent:
            labels = spec.labels if isinstance(spec.labels, tuple) else range(len(counts))
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
