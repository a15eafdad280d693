"""Norm over the batch, one mean and variance for each channel."""

from __future__ import annotations

from torch import Tensor

from seobuilder.norm.statistics import RunningNorm, check_layout


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

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalize `x`, in training from the real positions of the batch."""
        check_layout(x, mask)
        if mask is None and not self._from_running and x.numel() == self.width:
            raise ValueError(
                f"batch norm needs more than 1 value per channel when training, got {[*x.shape]}: "
                "leave out a last batch of one example, or take layer_norm"
            )
        if mask is None or self._from_running:
            return self._fused(x, training=not self._from_running)
        return self._by_statistics_of(x, mask, axes=(0, 1))
