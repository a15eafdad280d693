"""What a model's outputs are read from.

Axes: B batch, C channels, K classes or values.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def unit_vectors(x: Tensor) -> Tensor:
    """x / |x| along the last axis.

    A vector shorter than 1e-12 stays as it is: the gradient at zero is then that of x, where
    dividing by a small constant would blow it up.
    """
    length: Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / length.masked_fill(length < 1e-12, 1)


class Head(nn.Module):
    """Logits, values or scores from a vector: y = linear(dropout(x)), or x as it is.

    Shapes: [B, C] to [B, K]; with `squeeze`, [B, 1] to [B].

    Source: dropout before the last layer, Convolutional Neural Networks for Sentence Classification
    (Kim 2014, arXiv:1408.5882, section 2.1).
    """

    def __init__(
        self, linear: nn.Module | None = None, squeeze: bool = False, dropout: float = 0.0
    ) -> None:
        """Take the linear map, if any; `squeeze` drops the last axis, of size 1."""
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = linear
        self.squeeze = squeeze

    def forward(self, x: Tensor) -> Tensor:
        """Read the output from `x`."""
        y: Tensor = x if self.linear is None else self.linear(self.dropout(x))
        return y.squeeze(-1) if self.squeeze else y

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return "squeeze=True" if self.squeeze else ""


class EmbeddingHead(nn.Module):
    """An embedding from a vector: y = linear(x), or x as it is, scaled to length 1.

    A zero vector stays zero, with a finite gradient.

    Shapes: [B, C] to [B, K].

    Source: FaceNet: A Unified Embedding for Face Recognition and Clustering (Schroff et al. 2015,
    arXiv:1503.03832, section 3.1).
    """

    def __init__(self, linear: nn.Module | None = None, normalize: bool = True) -> None:
        """Take the linear map, if any; `normalize` scales to length 1."""
        super().__init__()
        self.linear = linear
        self.normalize = normalize

    def forward(self, x: Tensor) -> Tensor:
        """Read the embedding from `x`."""
        y: Tensor = x if self.linear is None else self.linear(x)
        return unit_vectors(y) if self.normalize else y

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return f"normalize={self.normalize}"
