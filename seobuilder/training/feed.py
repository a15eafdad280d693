"""A recipe's rows as the training loop takes them: every text encoded once, ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seobuilder.data.batches import Batch, make_batch
from seobuilder.data.encode import Examples
from seobuilder.data.split import Indices
from seobuilder.data.stream import RowStream
from seobuilder.data.token_ids import TokenIds, encode_ahead
from seobuilder.planning.single_row import batch_of_one
from seobuilder.recipe.spec import Recipe
from seobuilder.stages import Building

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Feed:
    """Rows of data, and how long each is: `lengths` [N] counts the tokens of all inputs."""

    recipe: Recipe
    examples: Examples
    tokens: Mapping[str, TokenIds]
    lengths: Indices

    def batch(self, rows: Indices) -> Batch:
        """Some rows as tensors."""
        return make_batch(self.examples, rows, self.recipe, self.tokens)


def make_feed(recipe: Recipe, examples: Examples, tokenizers: Mapping[str, Tokenizer]) -> Feed:
    """Encode the texts of all rows."""
    tokens = {
        name: encode_ahead(tokenizers[name], examples.texts[name], spec.max_length)
        for name, spec in recipe.token_inputs.items()
    }
    lengths = np.zeros(len(examples), dtype=np.int64)
    for ids in tokens.values():
        lengths += ids.lengths
    return Feed(recipe, examples, tokens, np.maximum(lengths, 1))


@dataclass(frozen=True)
class Block:
    """Training rows that are in memory together: all of an epoch's, unless they are streamed.

    `rows` are those of the feed that are trained on; an epoch ends with the block that `is_last`.
    """

    feed: Feed
    rows: Indices
    is_last: bool = True


Blocks = Callable[[int], Iterator[Block]]
"""The blocks of an epoch, from the one of a number on; in every epoch the same."""


class StreamedBlocks:
    """Blocks of rows that are streamed: `Blocks` that are read and encoded as they are asked for.

    `rows` is how many rows a pass has read so far, at most.
    """

    def __init__(self, building: Building, first: Block) -> None:
        """The blocks of a recipe's data; `first` is encoded already."""
        loaded = building.loaded
        self._building = building
        self._first = first
        self._stream = RowStream(loaded.recipe, loaded.folder, first.feed.examples)
        self.rows = 0

    def __call__(self, start: int) -> Iterator[Block]:
        """Blocks from the one of this number on; those before are read, but not encoded.

        Raises:
            DataError: at the block in which something is wrong.
        """
        read = 0
        for number, (rows, is_last) in enumerate(self._stream.read()):
            read += len(rows)
            self.rows = max(self.rows, read)
            if number < start:
                continue
            if number == 0:
                yield Block(self._first.feed, self._first.rows, is_last)
            else:
                yield self._encoded(self._stream.encode(rows), is_last=is_last)

    def _encoded(self, examples: Examples, *, is_last: bool) -> Block:
        building = self._building
        if len(examples) == 1 and (
            problems := batch_of_one(building.loaded, building.plan, "the last file has one row")
        ):
            raise building.loaded.fail(problems)
        feed = make_feed(building.loaded.recipe, examples, building.tokenizers)
        return Block(feed, examples.train, is_last)
