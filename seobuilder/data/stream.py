"""Training rows that are streamed, encoded a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seobuilder.data.classes import balanced_weights, class_counts
from seobuilder.data.encode import Examples, encode_rows, weight_columns
from seobuilder.data.sources import Rows, streamed
from seobuilder.errors import DataError
from seobuilder.recipe.diagnostics import Diagnostic, quote
from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.spec.outputs import Classification, OutputSpec


class RowStream:
    """The training rows of a recipe whose data is streamed.

    What is fitted to rows is fitted to the first block alone, so that every block is encoded alike.
    """

    def __init__(self, recipe: Recipe, folder: Path, first: Examples) -> None:
        """Nothing is read yet; `first` has the first block as its training rows.

        Raises:
            DataError: the first block lacks a class that is to be weighed by its rows.
        """
        assert recipe.data is not None
        self._data = recipe.data
        self._folder = folder
        outputs = {name: _weighed(name, spec, first) for name, spec in recipe.outputs.items()}
        self.recipe = recipe.model_copy(update={"outputs": outputs})

    def read(self) -> Iterator[tuple[Rows, bool]]:
        """The blocks of one pass, not yet encoded, each with whether it is the last."""
        return streamed(self._data, self._folder, weight_columns(self.recipe))

    def encode(self, rows: Rows) -> Examples:
        """A block as training rows.

        Raises:
            DataError: every problem of every cell.
        """
        data = self._data.model_copy(update={"split": None})
        return encode_rows(self.recipe, data, self._folder, rows)


def _weighed(name: str, spec: OutputSpec, first: Examples) -> OutputSpec:
    """An output with the class weights that `balanced` means, where it says so."""
    if not isinstance(spec, Classification) or spec.loss.class_weights != "balanced":
        return spec
    counts = class_counts(first, name, spec)
    absent = np.flatnonzero(counts == 0).tolist()
    if absent:
        labels = spec.labels if isinstance(spec.labels, tuple) else range(len(counts))
        message = (
            f"{quote(str(labels[absent[0]]))} has no row in the first block of the stream, from "
            "which `balanced` takes its weights"
        )
        help = "mix the rows of the file, raise `data.streaming.rows`, or list the weights"
        path = f"outputs.{name}.loss.class_weights"
        raise DataError([Diagnostic("D215", message, path=path, help=help)])
    weights = tuple(balanced_weights(counts).tolist())
    loss = spec.loss.model_copy(update={"class_weights": weights})
    return spec.model_copy(update={"loss": loss})
