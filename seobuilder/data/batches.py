"""Batches of tensors: of a recipe's data, or of seeded numbers that stand in for it.

B rows, T tokens, K labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from seobuilder.data.encode import Examples
from seobuilder.data.images import read_image
from seobuilder.data.split import Indices, pick
from seobuilder.data.token_ids import TokenIds
from seobuilder.data.tokenizer import encode_texts
from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.spec.inputs import InputSpec, TokensInput
from seobuilder.recipe.spec.outputs import OutputSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer

GROUP_SIZE = 4
"""Rows of one query in a seeded batch."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What a model is given, and what it is held against, by name of input or output.

    Inputs: token ids [B, T], features and embeddings [B, size], category ids [B], images
    [B, C, H, W]. Targets: class indices [B] (-100: unlabelled), label sets [B, K] of 0 and 1,
    regression [B], or [B, size] from size 2, and relevance [B] (NaN: unlabelled). An embedding
    output has no target. `group` [B] numbers the queries whose rows are ranked together. `weights`
    [B] are by name of output: how much a row counts in its loss, where rows differ in that.

    Fractions are float32, or float64 in a float64 recipe; embeddings and images have the recipe's
    own dtype.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    group: Tensor | None = None
    weights: dict[str, Tensor] = field(default_factory=dict)

    def distinct(self, most: int) -> Batch:
        """The first rows whose inputs no row before them has, at most so many."""
        values = [tensor.contiguous().view(torch.uint8) for tensor in self.inputs.values()]
        flat = torch.cat([each.reshape(len(self), -1) for each in values], dim=1).numpy()
        first: dict[bytes, int] = {}
        for index, row in enumerate(flat):
            first.setdefault(row.tobytes(), index)
        rows = torch.tensor(list(first.values())[:most])
        inputs, targets, weights = (
            {name: tensor[rows] for name, tensor in part.items()}
            for part in (self.inputs, self.targets, self.weights)
        )
        return Batch(inputs, targets, None if self.group is None else self.group[rows], weights)

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        if device.type == "cpu":
            return self
        inputs, targets, weights = (
            {name: tensor.to(device, non_blocking=True) for name, tensor in part.items()}
            for part in (self.inputs, self.targets, self.weights)
        )
        group = None if self.group is None else self.group.to(device)
        return Batch(inputs, targets, group, weights)


def make_batch(
    examples: Examples,
    indices: Sequence[int] | Indices,
    recipe: Recipe,
    tokenizers: Mapping[str, Tokenizer | TokenIds],
) -> Batch:
    """The rows `indices` of the data, token rows padded to the longest of them.

    `tokenizers` are by name of input; or, where all texts were encoded ahead, their ids.

    Raises:
        DataError: an image file can't be read any more.
    """
    rows = np.asarray(indices, dtype=np.int64)
    inputs = {
        name: _input(examples, rows, name, spec, recipe, tokenizers)
        for name, spec in recipe.inputs.items()
    }
    targets = {
        name: _target(examples, rows, name, spec, recipe)
        for name, spec in recipe.outputs.items()
        if spec.kind != "embedding"
    }
    group = None if examples.groups is None else torch.from_numpy(examples.groups[rows])
    weights = {
        name: torch.from_numpy(each[rows]).to(_wide(recipe))
        for name, each in examples.weights.items()
        if name in targets
    }
    return Batch(inputs, targets, group, weights)


def seeded_batch(recipe: Recipe, rows: int = 8) -> Batch:
    """Inputs and targets of every kind that the recipe declares, drawn from its seed.

    Each input and output has a stream of its own, keyed by the seed and its name, so that one more
    of them changes none of the others. Token rows have lengths from 1 to the longest, which the
    first row has. Features and embeddings are standard normal, pixels uniform from 0 to 1.
    Relevance is 0 to 3, in groups of 4 rows.
    """
    inputs = {
        name: _seeded_input(_generator(recipe.seed, name), spec, rows, recipe)
        for name, spec in recipe.inputs.items()
    }
    targets = {
        name: _seeded_target(_generator(recipe.seed, name), spec, rows, recipe)
        for name, spec in recipe.outputs.items()
        if spec.kind != "embedding"
    }
    ranked = any(spec.kind == "ranking" for spec in recipe.outputs.values())
    return Batch(inputs, targets, torch.arange(rows) // GROUP_SIZE if ranked else None)


def sample_rows(examples: Examples, count: int, seed: int) -> Indices:
    """Training rows for a probe: at least `count` where there are so many, whole groups only."""
    return pick(examples.train, count, seed, examples.groups)


def feature_matrix(examples: Examples, name: str) -> Tensor:
    """Training rows [N, size] of a features input in float64, NaN where a number is missing."""
    return torch.from_numpy(examples.numbers[name][examples.train])


def _input(
    examples: Examples,
    rows: Indices,
    name: str,
    spec: InputSpec,
    recipe: Recipe,
    tokenizers: Mapping[str, Tokenizer | TokenIds],
) -> Tensor:
    if spec.kind == "tokens":
        encoded = tokenizers[name]
        if isinstance(encoded, TokenIds):
            return torch.from_numpy(encoded.padded(rows, spec.padding_id))
        texts = [examples.texts[name][row] for row in rows]
        ids = encode_texts(encoded, texts, spec.max_length)
        return _padded(ids, spec.padding_id)
    if spec.kind == "image":
        pixels = [read_image(examples.images[name][row], spec) for row in rows]
        shape = (len(rows), spec.channels, spec.height, spec.width)
        return torch.from_numpy(np.array(pixels).reshape(shape)).to(_dtype(recipe))
    values = torch.from_numpy(examples.numbers[name][rows])
    if spec.kind == "category":
        return values
    return values.to(_wide(recipe) if spec.kind == "features" else _dtype(recipe))


def _target(
    examples: Examples, rows: Indices, name: str, spec: OutputSpec, recipe: Recipe
) -> Tensor:
    if spec.kind == "multilabel":
        sets = [examples.label_sets[name][row] for row in rows]
        return _indicators(sets, _label_count(spec.labels)).to(_wide(recipe))
    values = torch.from_numpy(examples.targets[name][rows])
    if spec.kind == "classification":
        return values
    if spec.kind == "regression" and spec.size == 1:
        values = values.squeeze(1)
    return values.to(_wide(recipe))


def _padded(rows: Sequence[Sequence[int]], padding_id: int) -> Tensor:
    """Rows of ids as one tensor [B, T], filled at their ends; T is at least 1."""
    width = max(1, *map(len, rows)) if rows else 1
    ids = torch.full((len(rows), width), padding_id, dtype=torch.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row, dtype=torch.int64)
    return ids


def _indicators(sets: Sequence[tuple[int, ...] | None], count: int) -> Tensor:
    """1 where a label applies, 0 where it doesn't, NaN in a row without labels; [B, K]."""
    values = torch.zeros(len(sets), count)
    for index, labels in enumerate(sets):
        values[index, slice(None) if labels is None else list(labels)] = (
            float("nan") if labels is None else 1.0
        )
    return values


def _label_count(labels: tuple[str, ...] | int | str) -> int:
    assert not isinstance(labels, str), "label files are read with the recipe"
    return labels if isinstance(labels, int) else len(labels)


def _dtype(recipe: Recipe) -> torch.dtype:
    dtype = getattr(torch, recipe.dtype)
    assert isinstance(dtype, torch.dtype)
    return dtype


def _wide(recipe: Recipe) -> torch.dtype:
    # A count of impressions overflows float16, and a loss in bfloat16 loses most of its digits.
    return torch.float64 if recipe.dtype == "float64" else torch.float32


def _generator(seed: int, name: str) -> np.random.Generator:
    digest = blake2b(f"batch/{seed}/{name}".encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def _seeded_input(
    generator: np.random.Generator, spec: InputSpec, rows: int, recipe: Recipe
) -> Tensor:
    if spec.kind == "tokens":
        return _padded(_seeded_ids(generator, spec, rows), spec.padding_id)
    if spec.kind == "category":
        return torch.from_numpy(generator.integers(0, len(spec.values) + 1, rows))
    if spec.kind == "image":
        pixels = generator.random((rows, spec.channels, spec.height, spec.width))
        return torch.from_numpy(pixels).to(_dtype(recipe))
    values: NDArray[np.float64] = generator.standard_normal((rows, spec.size))
    dtype = _wide(recipe) if spec.kind == "features" else _dtype(recipe)
    return torch.from_numpy(values).to(dtype)


def _seeded_ids(generator: np.random.Generator, spec: TokensInput, rows: int) -> list[list[int]]:
    lengths = generator.integers(1, spec.max_length + 1, rows)
    lengths[:1] = spec.max_length
    ids = []
    for length in lengths:
        row = generator.integers(0, spec.vocab_size - 1, length)
        ids.append((row + (row >= spec.padding_id)).tolist())
    return ids


def _seeded_target(
    generator: np.random.Generator, spec: OutputSpec, rows: int, recipe: Recipe
) -> Tensor:
    if spec.kind == "classification":
        return torch.from_numpy(generator.integers(0, _label_count(spec.labels), rows))
    if spec.kind == "multilabel":
        values = generator.integers(0, 2, (rows, _label_count(spec.labels)))
    elif spec.kind == "ranking":
        values = generator.integers(0, 4, rows)
    else:
        assert spec.kind == "regression"
        shape = (rows,) if spec.size == 1 else (rows, spec.size)
        return torch.from_numpy(generator.standard_normal(shape)).to(_wide(recipe))
    return torch.from_numpy(values).to(_wide(recipe))
