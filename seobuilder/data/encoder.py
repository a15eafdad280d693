"""Texts, numbers and images from Python, as the tensors that a model takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seobuilder.data.batches import make_batch
from seobuilder.data.cells import BadCell, category, number, required_number, text, vector
from seobuilder.data.encode import Examples
from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.spec.inputs import ImageInput

if TYPE_CHECKING:
    from tokenizers import Tokenizer

T = TypeVar("T")


class Encoder:
    """Encodes rows that Python holds just as rows of a recipe's data are encoded.

    Called with one list for each of the recipe's inputs, all of the same length, it gives their
    tensors by name, ready for `model(**encode(query=["buy red shoes"]))`. A row of a tokens or a
    category input is a text; a row of features or of an embedding is as many numbers as the input's
    size, None where a feature is missing; a row of an image is an array [C, H, W] of uint8, or of
    fractions. An array or a tensor of B rows does as well as a list.
    """

    def __init__(self, recipe: Recipe, tokenizers: Mapping[str, Tokenizer]) -> None:
        """Encode for this recipe; `tokenizers` are by name of input."""
        self._inputs = recipe.inputs
        self._tokenizers = tokenizers
        kept = {name: spec for name, spec in recipe.inputs.items() if spec.kind != "image"}
        self._recipe = recipe.model_copy(update={"inputs": kept, "outputs": {}})

    def __call__(self, **columns: Any) -> dict[str, Tensor]:
        """The batch.

        Raises:
            TypeError: an input is missing or unknown, or its rows are no list.
            ValueError: a row is not what its input takes, or the lists differ in length.
        """
        rows = self._rows(columns)
        count = len(next(iter(rows.values())))
        every = np.arange(count, dtype=np.int64)
        examples = Examples(train=every, test=every[:0])
        images: dict[str, Tensor] = {}
        for name, spec in self._inputs.items():
            if spec.kind == "tokens":
                self._require_tokenizer(name)
                examples.texts[name] = _read(name, rows[name], _of_plain(text))
            elif spec.kind == "image":
                pixels = np.array(_read(name, rows[name], _pixels(spec)), dtype=np.float32)
                shape = (count, spec.channels, spec.height, spec.width)
                images[name] = torch.from_numpy(pixels.reshape(shape))
            elif spec.kind == "category":
                ids = _read(name, rows[name], _of_plain(category(spec.values)))
                examples.numbers[name] = np.array(ids, dtype=np.int64)
            else:
                may_lack = spec.kind == "features" and spec.missing != "error"
                read = vector(spec.size, number if may_lack else required_number)
                values = np.array(_read(name, rows[name], _of_plain(read)), dtype=np.float64)
                examples.numbers[name] = values.reshape(count, spec.size)
        batch = make_batch(examples, every, self._recipe, self._tokenizers)
        return {name: (images | batch.inputs)[name] for name in self._inputs}

    def _rows(self, columns: Mapping[str, Any]) -> dict[str, list[Any]]:
        missing = [f"missing {name}" for name in self._inputs if name not in columns]
        unknown = [f"unknown {name}" for name in columns if name not in self._inputs]
        if missing or unknown:
            problems = ", ".join(missing + unknown)
            raise TypeError(f"{problems}; the inputs are {', '.join(self._inputs)}")
        rows = {name: _as_list(name, columns[name]) for name in self._inputs}
        if len({len(each) for each in rows.values()}) > 1:
            lengths = ", ".join(f"{name} has {len(each)}" for name, each in rows.items())
            raise ValueError(f"the inputs differ in their number of rows: {lengths}")
        return rows

    def _require_tokenizer(self, name: str) -> None:
        if name not in self._tokenizers:
            raise ValueError(
                f"{name} has no tokenizer: the recipe names none, and no data to train one on"
            )


def _as_list(name: str, rows: Any) -> list[Any]:
    is_array = isinstance(rows, np.ndarray | Tensor) and rows.ndim > 0
    if is_array or (isinstance(rows, Sequence) and not isinstance(rows, str | bytes)):
        return list(rows)
    found = type(rows).__name__
    raise TypeError(f"{name}: expected a list with one item for each row, found {found}")


def _read(name: str, rows: Sequence[Any], read: Callable[[Any], T]) -> list[T]:
    values = []
    for index, row in enumerate(rows):
        try:
            values.append(read(row))
        except BadCell as error:
            raise ValueError(f"{name}[{index}]: {error}") from None
    return values


def _of_plain(read: Callable[[object], T]) -> Callable[[Any], T]:
    """`read`, which takes what JSON can hold, for rows that may be arrays and tensors too."""
    return lambda row: read(_plain(row))


def _plain(row: Any) -> object:
    if isinstance(row, np.ndarray | np.generic | Tensor):
        return row.tolist()
    if isinstance(row, list | tuple):
        return [_plain(part) for part in row]
    if row is None or isinstance(row, str | int | float):
        return row
    raise BadCell("D204", f"a {type(row).__name__} is neither text nor a number")


def _pixels(spec: ImageInput) -> Callable[[Any], NDArray[np.float32]]:
    """Reader of an image [C, H, W], whose bytes are divided by 255."""
    expected = (spec.channels, spec.height, spec.width)

    def read(row: Any) -> NDArray[np.float32]:
        if isinstance(row, Tensor):
            row = (row.float() if row.is_floating_point() else row).numpy(force=True)
        try:
            image = np.asarray(row)
        except ValueError as error:
            raise BadCell("D206", f"unreadable image: {error}") from None
        if image.shape != expected:
            raise BadCell("D206", f"shape {list(image.shape)}, expected {list(expected)}")
        if image.dtype != np.uint8 and image.dtype.kind != "f":
            message = f"numbers of type {image.dtype}, expected uint8 or a float type"
            raise BadCell("D206", message)
        pixels = image.astype(np.float32)
        return pixels / np.float32(255) if image.dtype == np.uint8 else pixels

    return read
