"""Texts that were encoded once, ahead of many batches of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from seobuilder.data.split import Indices
from seobuilder.data.tokenizer import encode_texts

if TYPE_CHECKING:
    from tokenizers import Tokenizer

AT_ONCE = 10_000
"""Texts that the tokenizer is given in one call: it holds all their encodings at once."""


@dataclass(frozen=True, slots=True)
class TokenIds:
    """The ids of N texts, one after the other: text i has those from starts[i] to starts[i + 1]."""

    ids: NDArray[np.int32]
    starts: Indices

    @property
    def lengths(self) -> Indices:
        """Number of ids of each text [N]."""
        return np.diff(self.starts)

    def padded(self, rows: Indices, padding_id: int) -> Indices:
        """Ids [B, T] of some texts, filled at their ends; T is that of the longest, at least 1."""
        starts = self.starts[rows]
        lengths = self.starts[rows + 1] - starts
        places = np.arange(max(1, lengths.max(initial=0)))
        padded = np.full((len(rows), len(places)), padding_id, dtype=np.int64)
        real = places < lengths[:, None]
        padded[real] = self.ids[(starts[:, None] + places)[real]]
        return padded


def encode_ahead(tokenizer: Tokenizer, texts: Iterable[str], max_length: int) -> TokenIds:
    """The ids of each text, cut to `max_length`, as `encode_texts` gives them."""
    parts: list[NDArray[np.int32]] = []
    lengths = [0]
    rest = iter(texts)
    while some := list(islice(rest, AT_ONCE)):
        rows = encode_texts(tokenizer, some, max_length)
        lengths += map(len, rows)
        parts.append(np.array([index for row in rows for index in row], dtype=np.int32))
    ids = np.concatenate(parts) if parts else np.empty(0, dtype=np.int32)
    return TokenIds(ids, np.cumsum(lengths, dtype=np.int64))
