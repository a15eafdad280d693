"""Transformer blocks and their chain.

Axes: B batch, T time, C channels.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from seobuilder.layers.activation import apply_norm
from seobuilder.layers.residual import join
from seobuilder.layers.stack import Stack


class TransformerBlock(nn.Module):
    """Attention, then a feed-forward network, each on a residual connection.

    For each branch f in turn:
    x = residual_norm(skip_scale * x + branch_scale * scale(dropout(output_norm(f(input_norm(x))))))
    and what is not given is left out. `skip_scale` 0 means no residual connection.

    Shapes: x [B, T, C] and mask [B, T] to [B, T, C].

    Source: Attention Is All You Need (Vaswani et al. 2017, arXiv:1706.03762, sections 3.1 and 5.4);
    the places of the norms: On Layer Normalization in the Transformer Architecture (Xiong et al.
    2020, arXiv:2002.04745, table 1); scaled connections: DeepNet: Scaling Transformers to 1,000
    Layers (Wang et al. 2022, arXiv:2203.00555, section 3).
    """

    def __init__(
        self,
        attention: nn.Module,
        ffn: nn.Module,
        attention_input_norm: nn.Module | None = None,
        attention_output_norm: nn.Module | None = None,
        attention_residual_norm: nn.Module | None = None,
        ffn_input_norm: nn.Module | None = None,
        ffn_output_norm: nn.Module | None = None,
        ffn_residual_norm: nn.Module | None = None,
        attention_scale: nn.Module | None = None,
        ffn_scale: nn.Module | None = None,
        skip_scale: float = 1.0,
        branch_scale: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        """Take the two branches and what stands around them."""
        super().__init__()
        self.attention = attention
        self.ffn = ffn
        self.attention_input_norm = attention_input_norm
        self.attention_output_norm = attention_output_norm
        self.attention_residual_norm = attention_residual_norm
        self.ffn_input_norm = ffn_input_norm
        self.ffn_output_norm = ffn_output_norm
        self.ffn_residual_norm = ffn_residual_norm
        self.attention_scale = attention_scale
        self.ffn_scale = ffn_scale
        self.skip_scale = skip_scale
        self.branch_scale = branch_scale
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Send `x` through both branches."""
        branch = self.attention(apply_norm(self.attention_input_norm, x, mask), mask)
        branch = apply_norm(self.attention_output_norm, branch, mask)
        x = self._join(x, branch, self.attention_scale)
        x = apply_norm(self.attention_residual_norm, x, mask)

        branch = self.ffn(apply_norm(self.ffn_input_norm, x, mask))
        branch = apply_norm(self.ffn_output_norm, branch, mask)
        x = self._join(x, branch, self.ffn_scale)
        return apply_norm(self.ffn_residual_norm, x, mask)

    def _join(self, skip: Tensor, branch: Tensor, scale: nn.Module | None) -> Tensor:
        return join(skip, self.dropout(branch), scale, self.skip_scale, self.branch_scale)

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return f"skip_scale={self.skip_scale}, branch_scale={self.branch_scale}"


class Transformer(nn.Module):
    """Transformer blocks, with a norm before the first and after the last where given.

    Shapes: x [B, T, C] and mask [B, T] to [B, T, C].

    Source: Attention Is All You Need (Vaswani et al. 2017, arXiv:1706.03762, section 3.1);
    gradient checkpointing: Training Deep Nets with Sublinear Memory Cost (Chen et al. 2016,
    arXiv:1604.06174, section 4).
    """

    def __init__(
        self,
        blocks: Stack,
        input_norm: nn.Module | None = None,
        final_norm: nn.Module | None = None,
        gradient_checkpointing: bool = False,
    ) -> None:
        """Take the blocks; with checkpointing, training computes each block's inside twice."""
        super().__init__()
        self.blocks = blocks
        self.input_norm = input_norm
        self.final_norm = final_norm
        self.gradient_checkpointing = gradient_checkpointing

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Send `x` through every block in order."""
        x = apply_norm(self.input_norm, x, mask)
        if self.gradient_checkpointing and self.training:
            for block in self.blocks:
                x = checkpoint(block, x, mask, use_reentrant=False)
        else:
            x = self.blocks(x, mask)
        return apply_norm(self.final_norm, x, mask)

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return "gradient_checkpointing=True" if self.gradient_checkpointing else ""
