"""A recipe's rows as the training loop takes them: every text encoded once, ahead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from seobuilder.data.batches import Batch, make_batch
from seobuilder.data.encode import Examples
from seobuilder.data.split import Indices
from seobuilder.data.token_ids import TokenIds, encode_ahead
from seobuilder.recipe.spec import Recipe

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
