"""Self-attention with grouped key and value heads.

Axes: B batch, T time, C channels, H heads, H' key and value heads, D channels of one head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seobuilder.layers.dtypes import as_dtype
from seobuilder.layers.positions import Alibi, Rotary


class Attention(nn.Module):
    """Multi-head self-attention.

    head = softmax(scale * query(x) key(x)^T + bias) value(x), and y = output(heads side by side).
    Query heads h * H / H' .. share key and value head h. Scores of padded keys, and of later keys
    where `causal`, are -inf. `scale` is 1 / sqrt(D) unless given. `query_norm` and `key_norm` act
    on the D channels of each head.

    A row of padding alone attends to its padding, and a padded query under a causal mask to itself,
    so that every output is finite; no real position sees it.

    Shapes: x [B, T, C] and mask [B, T] to [B, T, C]. `query` gives H * D channels, `key` and
    `value` H' * D, and `output` takes H * D.

    Raises:
        ValueError: `kv_heads` does not divide `heads`.

    Source: Attention Is All You Need (Vaswani et al. 2017, arXiv:1706.03762, equation 1 and section
    3.2.2); GQA: Training Generalized Multi-Query Transformer Models from Multi-Head Checkpoints
    (Ainslie et al. 2023, arXiv:2305.13245, section 2.2); Query-Key Normalization for Transformers
    (Henry et al. 2020, arXiv:2010.04245).
    """

    def __init__(
        self,
        query: nn.Module,
        key: nn.Module,
        value: nn.Module,
        output: nn.Module,
        heads: int,
        kv_heads: int,
        query_norm: nn.Module | None = None,
        key_norm: nn.Module | None = None,
        positions: Rotary | Alibi | None = None,
        causal: bool = False,
        dropout: float = 0.0,
        scale: float | None = None,
    ) -> None:
        """Take the four projections; `dropout` acts on the attention weights."""
        super().__init__()
        if heads % kv_heads:
            raise ValueError(f"{kv_heads} key and value heads do not divide {heads} heads")
        self.query = query
        self.key = key
        self.value = value
        self.output = output
        self.heads = heads
        self.kv_heads = kv_heads
        self.query_norm = query_norm
        self.key_norm = key_norm
        self.positions = positions
        self.causal = causal
        self.dropout = dropout
        self.scale = scale

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Let every position of `x` attend to the real ones."""
        query, key, value, bias = self.project(x)
        allowed = self._allowed(x.shape[1], x.device, mask, bias)
        heads = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=allowed,
            dropout_p=self.dropout if self.training else 0.0,
            is_causal=self.causal and allowed is None,
            scale=self.scale,
            enable_gqa=self.kv_heads != self.heads,
        )
        y: Tensor = self.output(heads.transpose(1, 2).flatten(2))
        return y

    def scores(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Scores [B, H, T, T] of each query and key, and whether the query sees the key.

        The second is boolean and broadcasts to the first, which is -inf where it is false. The
        softmax of the scores over their last axis are the weights that `forward` uses.
        """
        query, key, _, bias = self.project(x)
        key = key.repeat_interleave(self.heads // self.kv_heads, dim=1)
        scale = query.shape[-1] ** -0.5 if self.scale is None else self.scale
        scores = scale * query @ key.mT
        allowed = self._allowed(x.shape[1], x.device, mask, bias)
        if allowed is None:
            allowed = torch.ones(scores.shape[-2:], dtype=torch.bool, device=x.device)
            allowed = allowed.tril() if self.causal else allowed
        if allowed.dtype != torch.bool:
            return scores + allowed, allowed > -torch.inf
        return scores.masked_fill(~allowed, -torch.inf), allowed

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Query [B, H, T, D], key and value [B, H', T, D], and the bias of the scores, if any.

        Norms and positions are applied, so that scale * query key^T + bias are the scores.
        """
        query = self._split(self.query(x), self.heads, self.query_norm)
        key = self._split(self.key(x), self.kv_heads, self.key_norm)
        value = self._split(self.value(x), self.kv_heads, None)
        if self.positions is None:
            return query, key, value, None
        query, key, bias = self.positions(query, key)
        return query, key, value, None if bias is None else as_dtype(bias, query.dtype)

    def _split(self, x: Tensor, heads: int, norm: nn.Module | None) -> Tensor:
        """[B, T, heads * D] to [B, heads, T, D]."""
        x = x.reshape(*x.shape[:2], heads, -1)
        if norm is not None:
            # Norms read the meaning of axes off their number: [B, T * heads, D] is a sequence.
            x = norm(x.flatten(1, 2)).view_as(x)
        return x.transpose(1, 2)

    def _allowed(
        self, time: int, device: torch.device, mask: Tensor | None, bias: Tensor | None
    ) -> Tensor | None:
        """Which keys each query sees, boolean or as a bias; None if the causal flag says it all."""
        if mask is None and bias is None:
            return None
        allowed = None
        if mask is not None:
            allowed = mask[:, None, None, :]
        if self.causal:
            index = torch.arange(time, device=device)
            past = index[:, None] >= index
            # A padded query may have no real key before it: then it sees itself.
            itself = index[:, None] == index
            allowed = past if allowed is None else (past & allowed) | itself
        elif allowed is not None:
            allowed = allowed | ~allowed.any(dim=-1, keepdim=True)
        if bias is None:
            return allowed
        return bias[None] if allowed is None else torch.where(allowed, bias, -torch.inf)

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return (
            f"heads={self.heads}, kv_heads={self.kv_heads}, causal={self.causal}, "
            f"dropout={self.dropout}, scale={self.scale}"
        )
