"""Where in a sequence a token stands: added to embeddings, or brought into attention.

Axes: B batch, T time, C channels, H heads, D channels of one head.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seobuilder.layers.dtypes import as_dtype
from seobuilder.layers.masks import check_length


class PositionEmbedding(nn.Module):
    """A learned vector for each position.

    y[b, t] = weight[positions[b, t]].

    Shapes: positions [B, T] integer, in 0 .. length - 1, to [B, T, C]. `weight` is [length, C].

    Source: Convolutional Sequence to Sequence Learning (Gehring et al. 2017, arXiv:1705.03122,
    section 3.1).
    """

    def __init__(self, length: int, width: int) -> None:
        """Hold `length` vectors of `width` channels."""
        super().__init__()
        self.length = length
        self.weight = nn.Parameter(torch.empty(length, width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Standard normal, as `torch.nn.Embedding` has it."""
        nn.init.normal_(self.weight)

    def forward(self, positions: Tensor) -> Tensor:
        """Look the positions up."""
        return F.embedding(positions, self.weight)

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return f"{self.length}, {self.weight.shape[1]}"


class SinusoidalPositions(nn.Module):
    """A fixed vector for each position, of sines and cosines of falling frequency.

    y[p, 2 i] = sin(p / 10000^(2 i / C)) and y[p, 2 i + 1] = cos(p / 10000^(2 i / C)).

    Shapes: positions [B, T] integer, in 0 .. length - 1, to [B, T, C].

    Source: Attention Is All You Need (Vaswani et al. 2017, arXiv:1706.03762, section 3.5).
    """

    table: Tensor

    def __init__(self, length: int, width: int) -> None:
        """Tabulate `length` vectors of `width` channels."""
        super().__init__()
        self.length = length
        self.register_buffer("table", torch.empty(length, width), persistent=False)
        self.reset_buffers()

    def reset_buffers(self) -> None:
        """Compute the table on its device."""
        width = self.table.shape[1]
        angles = _angles(self.length, (width + 1) // 2, width, 10000.0, self.table.device)
        self.table[:, 0::2] = angles.sin()
        self.table[:, 1::2] = angles[:, : width // 2].cos()

    def forward(self, positions: Tensor) -> Tensor:
        """Look the positions up."""
        return F.embedding(positions, self.table)

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return f"{self.length}, {self.table.shape[1]}"


class Rotary(nn.Module):
    """Queries and keys turned by an angle that grows with the position.

    Channels i and i + D/2 form a pair that is turned by p * base^(-2 i / D) at position p:
    (a, b) to (a cos - b sin, b cos + a sin). The score of a query and a key then depends on the
    difference of their positions only, so that counting by index, padding included, is right.

    Shapes: query [B, H, T, D] and key [B, H', T, D] to the same, and no bias. D is even.

    Raises:
        ValueError: `width` is odd, or a sequence is longer than `length`.

    Source: RoFormer: Enhanced Transformer with Rotary Position Embedding (Su et al. 2021,
    arXiv:2104.09864, equation 34; the pairs are channels half a head apart, not neighbours, which
    is the same up to the order of the channels).
    """

    cosine: Tensor
    sine: Tensor

    def __init__(self, width: int, length: int, base: float = 10000.0) -> None:
        """Tabulate `length` positions for heads of `width` channels."""
        super().__init__()
        if width % 2:
            raise ValueError(f"rotary positions need an even head width, got {width}")
        self.width = width
        self.length = length
        self.base = base
        self.register_buffer("cosine", torch.empty(length, width // 2), persistent=False)
        self.register_buffer("sine", torch.empty(length, width // 2), persistent=False)
        self.reset_buffers()

    def reset_buffers(self) -> None:
        """Compute the tables on their device."""
        angles = _angles(self.length, self.width // 2, self.width, self.base, self.cosine.device)
        self.cosine.copy_(angles.cos())
        self.sine.copy_(angles.sin())

    def forward(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor, None]:
        """The turned query and key, and no bias of the scores."""
        return self._turn(query), self._turn(key), None

    def _turn(self, x: Tensor) -> Tensor:
        time = x.shape[2]
        check_length(time, self.length)
        cosine = as_dtype(self.cosine[:time], x.dtype)
        sine = as_dtype(self.sine[:time], x.dtype)
        a, b = x.chunk(2, dim=-1)
        return torch.cat((a * cosine - b * sine, b * cosine + a * sine), dim=-1)

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return f"{self.width}, {self.length}, base={self.base}"


class Alibi(nn.Module):
    """A penalty on attention scores that grows with distance.

    bias[h, i, j] = -slope[h] * |i - j|. For a power of two of heads the slopes are
    2^(-8 (h + 1) / H); for another count, those of the next lower power of two, then every second
    one of the next higher. The distance is absolute, so that both directions are served; under a
    causal mask it is the paper's.

    Shapes: query [B, H, T, D] and key [B, H', T, D] unchanged, and a bias [H, T, T].

    Raises:
        ValueError: a sequence is longer than `length`.

    Source: Train Short, Test Long: Attention with Linear Biases Enables Input Length Extrapolation
    (Press, Smith and Lewis 2022, arXiv:2108.12409, section 3; other head counts as in the authors'
    code).
    """

    slopes: Tensor

    def __init__(self, heads: int, length: int) -> None:
        """Set the slopes of `heads` heads."""
        super().__init__()
        self.heads = heads
        self.length = length
        self.register_buffer("slopes", torch.empty(heads), persistent=False)
        self.reset_buffers()

    def reset_buffers(self) -> None:
        """Compute the slopes on their device."""
        self.slopes.copy_(torch.tensor(alibi_slopes(self.heads), dtype=torch.float64))

    def forward(self, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query and key as they are, and the bias of the scores."""
        time = query.shape[2]
        check_length(time, self.length)
        index = torch.arange(time, device=query.device)
        distance = (index[:, None] - index[None, :]).abs()
        return query, key, -self.slopes[:, None, None] * distance

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return f"{self.heads}, {self.length}"


def alibi_slopes(heads: int) -> list[float]:
    """One slope for each head, a geometric series from 2^(-8/n) down to 2^-8."""
    lower = 2 ** int(math.log2(heads))
    slopes = [2.0 ** (-8 * (head + 1) / lower) for head in range(lower)]
    between = [2.0 ** (-4 * (2 * head + 1) / lower) for head in range(heads - lower)]
    return slopes + between


def _angles(length: int, pairs: int, width: int, base: float, device: torch.device) -> Tensor:
    """p * base^(-2 i / width), [length, pairs], in float64: late positions lose float32 digits."""
    position = torch.arange(length, dtype=torch.float64, device=device)
    pair = torch.arange(pairs, dtype=torch.float64, device=device)
    return position[:, None] * base ** (-2 * pair / width)
