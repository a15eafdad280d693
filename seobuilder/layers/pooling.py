"""Sequences and maps to vectors.

Axes: B batch, T time, C channels, H height, W width.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Method = Literal["mean", "max", "first", "last"]


class Pool(nn.Module):
    """One vector from the real positions of a sequence, or from the points of a map.

    mean: sum of x / number of real positions. max: the greatest of each channel. first, last: the
    vector at the first or last real position. A row without a real position gives zeros.

    `last` of a recurrent layer is the forward direction's final state; of a bidirectional one it is
    the last real position of both directions, where the backward one has read a single position.

    Shapes: x [B, T, C] and mask [B, T] to [B, C]; mean and max also [B, C, H, W] to [B, C].

    Raises:
        ValueError: the method is unknown, or is `first` or `last` and `x` is a map.

    Source: mean and max, Supervised Learning of Universal Sentence Representations from Natural
    Language Inference Data (Conneau et al. 2017, arXiv:1705.02364, section 3.2); first, BERT:
    Pre-training of Deep Bidirectional Transformers (Devlin et al. 2018, arXiv:1810.04805, 3.2).
    """

    def __init__(self, method: Method) -> None:
        """Pool by `method`."""
        super().__init__()
        if method not in ("mean", "max", "first", "last"):
            raise ValueError(f"unknown pooling {method!r}, expected mean, max, first or last")
        self.method = method

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pool `x` over its real positions."""
        if x.ndim == 4:
            return self._pool_map(x)
        if mask is None:
            return self._pool_whole(x)
        real = mask[..., None]
        if self.method == "mean":
            return x.where(real, 0).sum(dim=1) / real.sum(dim=1).clamp(min=1)
        if self.method == "max":
            greatest = x.where(real, -torch.inf).amax(dim=1)
            return greatest.masked_fill(~real.any(dim=1), 0)
        time = torch.arange(x.shape[1], device=x.device)
        rank = -time if self.method == "first" else time
        index = torch.where(mask, rank, -x.shape[1]).argmax(dim=1)
        chosen = x.take_along_dim(index[:, None, None], dim=1).squeeze(1)
        return chosen.masked_fill(~mask.any(dim=1, keepdim=True), 0)

    def _pool_whole(self, x: Tensor) -> Tensor:
        if self.method == "mean":
            return x.mean(dim=1)
        if self.method == "max":
            return x.amax(dim=1)
        return x[:, 0 if self.method == "first" else -1]

    def _pool_map(self, x: Tensor) -> Tensor:
        if self.method == "mean":
            return x.mean(dim=(2, 3))
        if self.method == "max":
            return x.amax(dim=(2, 3))
        raise ValueError(f"a map has no {self.method} position")

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return self.method


class AttentionPool(nn.Module):
    """The mean of a sequence's real positions, weighted by a learned score.

    y = sum over t of a[t] x[t], with a = softmax of score(x[t]) over the real t. A row without a
    real position gives zeros.

    Shapes: x [B, T, C] and mask [B, T] to [B, C]. `score` gives [B, T, 1].

    Source: A Structured Self-attentive Sentence Embedding (Lin et al. 2017, arXiv:1703.03130,
    equations 5 and 6, with a linear score).
    """

    def __init__(self, score: nn.Module) -> None:
        """Take the map from a position to its score."""
        super().__init__()
        self.score = score

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Weigh the real positions of `x` by their scores."""
        scores: Tensor = self.score(x).squeeze(-1)
        if mask is None:
            weights = scores.softmax(dim=1)
        else:
            # The lowest finite score, not -inf: the softmax of a row of padding stays defined.
            lowest = torch.finfo(scores.dtype).min
            weights = scores.masked_fill(~mask, lowest).softmax(dim=1).masked_fill(~mask, 0)
        return (weights[:, None] @ x).squeeze(1)
