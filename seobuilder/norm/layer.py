"""Norms over the channels of one position. Padding cannot enter: no position sees another."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from seobuilder.layers.dtypes import as_dtype
from seobuilder.norm.statistics import (
    ChannelAffine,
    check_layout,
    in_blocks,
    moments,
    normalized,
    widened,
)


class LayerNorm(ChannelAffine):
    """Layer norm over the channels of every position.

    y = weight * (x - mean(x)) / sqrt(var(x) + eps) + bias, with mean and biased variance over C.

    Shapes: [B, C], [B, T, C] or [B, C, H, W] in and out; of a map, the channels at each point.

    Source: Layer Normalization (Ba, Kiros and Hinton 2016, arXiv:1607.06450, equation 4, with the
    statistics of equation 3).
    """

    def __init__(
        self, width: int, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True
    ) -> None:
        """Take `width` channels; `eps` joins the variance."""
        super().__init__(width, scale=elementwise_affine, shift=elementwise_affine and bias)
        self.eps = eps

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalize `x`; `mask` changes nothing."""
        check_layout(x, mask)
        if x.ndim == 4:
            return self._in_steps(x, 1, (-1, 1, 1))
        if not (x.is_contiguous() or torch.is_grad_enabled()):
            return self._in_steps(x, -1, (-1,))
        return F.layer_norm(x, (self.width,), self.weight, self.bias, self.eps)

    def _in_steps(self, x: Tensor, axis: int, shape: tuple[int, ...]) -> Tensor:
        """Over an axis that does not lie together in memory: the fused function would copy `x`."""

        def steps(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
            wide = widened(x)
            mean, variance, _ = moments(wide, None, axes=(axis,))
            y = normalized(wide, mean, variance, self.eps, None, None)
            # One after the other: scale and deviation of all points would multiply to a whole map.
            if weight is not None:
                y = y.mul_(weight)
            return as_dtype(y if bias is None else y.add_(bias), x.dtype)

        return in_blocks(steps, x, *self._affine(shape), axes=(axis,))

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return f"{self.width}, eps={self.eps}"


class RMSNorm(ChannelAffine):
    """Root mean square norm over the channels of every position.

    y = weight * x / sqrt(mean(x^2) + eps), with the mean over C.

    Shapes: [B, C], [B, T, C] or [B, C, H, W] in and out; of a map, the channels at each point.

    Source: Root Mean Square Layer Normalization (Zhang and Sennrich 2019, arXiv:1910.07467,
    equation 4).
    """

    def __init__(self, width: int, eps: float = 1e-6, elementwise_affine: bool = True) -> None:
        """Take `width` channels; `eps` joins the mean square."""
        super().__init__(width, scale=elementwise_affine, shift=False)
        self.eps = eps

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalize `x`; `mask` changes nothing."""
        check_layout(x, mask)
        if x.ndim == 4:
            return self._in_steps(x, 1, self._affine((-1, 1, 1))[0])
        if x.device.type == "cpu" and not torch.is_grad_enabled():
            # There the fused function takes these steps too, and keeps what each one allocates.
            return self._in_steps(x, -1, self.weight)
        return F.rms_norm(x, (self.width,), self.weight, self.eps)

    def _in_steps(self, x: Tensor, axis: int, weight: Tensor | None) -> Tensor:
        def steps(x: Tensor, weight: Tensor | None) -> Tensor:
            wide = widened(x)
            mean_square = wide.square().mean(dim=axis, keepdim=True)
            y = wide * torch.rsqrt(mean_square + self.eps)
            return as_dtype(y if weight is None else y.mul_(weight), x.dtype)

        return in_blocks(steps, x, weight, axes=(axis,))

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return f"{self.width}, eps={self.eps}"
