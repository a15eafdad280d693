"""Norm over the batch, one mean and variance for each channel."""

from __future__ import annotations

from torch import Tensor

from seobuilder.layers.dtypes import as_dtype
from seobuilder.norm.statistics import (
    RunningNorm,
    check_layout,
    moments,
    normalized,
    unbiased,
    widened,
)


class BatchNorm(RunningNorm):
    """Batch norm whose statistics see real positions only.

    y = weight * (x - mean) / sqrt(var + eps) + bias. In training, mean and biased variance of each
    channel over the batch's real positions; in evaluation, the running statistics, unless
    `track_running_stats` is false. Without a mask it is `torch.nn.BatchNorm1d` or `BatchNorm2d`.

    Fewer than two real positions have no unbiased variance: such a masked batch leaves the running
    statistics as they were.

    Shapes: [B, C], [B, T, C] (mask [B, T]) or [B, C, H, W] in and out. Padded positions are
    normalized by the same statistics.

    Raises:
        ValueError: in training without a mask, a batch has a single value for each channel.

    Source: Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
    Shift (Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1). Statistics over real positions:
    as for the sequence-wise form of Batch Normalized Recurrent Neural Networks (Laurent et al.
    2015, arXiv:1510.01378, section 4).
    """

    def __init__(
        self,
        width: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        """Take `width` channels; `eps` joins the variance, `momentum` weighs the newest batch."""
        super().__init__(width, eps, momentum, affine, track_running_stats)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalize `x`, in training from the real positions of the batch."""
        check_layout(x, mask)
        if mask is None or self._from_running:
            return self._fused(x, training=not self._from_running)
        wide = widened(x)
        mean, variance, count = moments(wide, mask[..., None], axes=(0, 1))
        self._observe(mean.flatten(), unbiased(variance, count).flatten(), (count >= 2).flatten())
        y = normalized(wide, mean, variance, self.eps, self.weight, self.bias)
        return as_dtype(y, x.dtype)
