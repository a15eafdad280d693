"""Transformer blocks and their chain.

Axes: B batch, T time, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from seobuilder.layers.activation import apply_norm
from seobuilder.layers.stack import Stack


class ResidualScale(nn.Module):
    """A learned factor on the branch of a residual connection.

    y = weight * x, with one weight for each channel (LayerScale), or one for all (ReZero).

    Shapes: [..., C] to [..., C]. `weight` is [C] or [1].

    Source: Going deeper with Image Transformers (Touvron et al. 2021, arXiv:2103.17239, equation
    4); ReZero is All You Need (Bachlechner et al. 2020, arXiv:2003.04887, equation 2).
    """

    def __init__(self, width: int) -> None:
        """Hold `width` factors."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Factors of 1: the branch as it is."""
        nn.init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Scale `x`."""
        return x * self.weight

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return str(self.weight.shape[0])


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
        branch = self.dropout(branch)
        if scale is not None:
            branch = scale(branch)
        if self.branch_scale != 1.0:
            branch = self.branch_scale * branch
        if self.skip_scale == 0.0:
            return branch
        if self.skip_scale != 1.0:
            skip = self.skip_scale * skip
        return skip + branch

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
