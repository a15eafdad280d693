"""Norm over the positions of one example, one mean and variance for each channel."""

from __future__ import annotations

from torch import Tensor

from seobuilder.norm.statistics import RunningNorm, check_layout


class InstanceNorm(RunningNorm):
    """Instance norm whose statistics see real positions only.

    y = weight * (x - mean) / sqrt(var + eps) + bias, with mean and biased variance of each channel
    of each example over its real positions. With `track_running_stats`, evaluation takes running
    averages of these statistics over the examples seen in training, the variance unbiased, as
    `torch.nn.InstanceNorm1d` does; an example with fewer than two positions is left out of them.

    Shapes: [B, T, C] (mask [B, T]) or [B, C, H, W] in and out. An example with one position has
    variance 0 and gives `bias`.

    Raises:
        ValueError: `x` is [B, C]: a vector has no positions to take statistics over.

    Source: Instance Normalization: The Missing Ingredient for Fast Stylization (Ulyanov, Vedaldi
    and Lempitsky 2016, arXiv:1607.08022, equation 4).
    """

    def __init__(
        self,
        width: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = False,
    ) -> None:
        """Take `width` channels; `eps` joins the variance, `momentum` weighs the newest batch."""
        super().__init__(width, eps, momentum, affine, track_running_stats)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Normalize each example of `x` by its own real positions."""
        check_layout(x, mask)
        if x.ndim == 2:
            raise ValueError("instance norm needs positions: [B, T, C] or [B, C, H, W], got [B, C]")
        if self._from_running:
            return self._fused(x, training=False)
        return self._by_statistics_of(x, mask, axes=(2, 3) if x.ndim == 4 else (1,))
