"""Mean and variance over real positions, and the state that norms with running statistics share.

Axes: B batch, T time, C channels, H height, W width. Masks are [B, T], true at real positions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seobuilder.layers.dtypes import as_dtype

HALF_PRECISION = (torch.float16, torch.bfloat16)

BLOCK = 1 << 16
"""Elements of half precision that are normalized at once, or all of them over PARTS if more."""

PARTS = 32


def check_layout(x: Tensor, mask: Tensor | None) -> None:
    """Refuse a tensor that is neither vectors, a sequence nor a map, and a mask that does not fit.

    Raises:
        ValueError: `x` has not 2 to 4 axes, or `mask` is given and `x` is not [B, T, C] over it.
    """
    if not 2 <= x.ndim <= 4:
        raise ValueError(f"expected [B, C], [B, T, C] or [B, C, H, W], got {x.ndim} axes")
    if mask is not None and (x.ndim != 3 or mask.ndim != 2):
        raise ValueError(
            f"a mask [B, T] goes with a sequence [B, T, C], got {mask.ndim} and {x.ndim} axes"
        )


def widened(x: Tensor) -> Tensor:
    """`x` in float32 at least: sums of half-precision squares overflow or lose digits."""
    return x.float() if x.dtype in HALF_PRECISION else x


def moments(x: Tensor, real: Tensor | None, axes: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Mean, biased variance and count of the real elements, each with `axes` kept as size 1.

    mean = sum(real * x) / n and variance = sum(real * (x - mean)^2) / n with n = max(sum(real), 1),
    so that no real element gives 0 and 0. `real` is boolean and broadcasts against `x`; None takes
    every element. The count is exact: it is 0 where nothing is real.
    """
    axes = tuple(axes)
    if real is None:
        mean = x.mean(dim=axes, keepdim=True)
        variance = (x - mean).square_().mean(dim=axes, keepdim=True)
        return mean, variance, mean.new_full((), prod([x.shape[axis] for axis in axes]))
    repeats = prod([x.shape[axis] // real.shape[axis] for axis in axes])
    count = real.sum(dim=axes, keepdim=True) * repeats
    divisor = count.clamp(min=1)
    # Filling, not multiplying: an infinite or undefined value at a padded position stays out.
    # One copy of `x` serves every step, so that evaluation holds no second one.
    scratch = x.masked_fill(~real, 0)
    mean = scratch.sum(dim=axes, keepdim=True) / divisor
    squares = scratch.sub_(mean).masked_fill_(~real, 0).square_()
    return mean, squares.sum(dim=axes, keepdim=True) / divisor, count


def unbiased(variance: Tensor, count: Tensor) -> Tensor:
    """`variance` times n / (n - 1); where n < 2 it is undefined and left as it is."""
    return variance * (count / (count - 1).clamp(min=1))


def normalized(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    eps: float,
    weight: Tensor | None,
    bias: Tensor | None,
) -> Tensor:
    """weight * (x - mean) / sqrt(variance + eps) + bias, every argument broadcast against `x`."""
    scale = torch.rsqrt(variance + eps)
    if weight is not None:
        scale = scale * weight
    # In place, so that evaluation allocates the result alone.
    y = (x - mean).mul_(scale)
    return y if bias is None else y.add_(bias)


def standardized(
    x: Tensor,
    real: Tensor | None,
    weight: Tensor | None,
    bias: Tensor | None,
    *,
    axes: Sequence[int],
    eps: float,
    observe: Callable[[Tensor, Tensor, Tensor], None] | None = None,
) -> Tensor:
    """weight * (x - mean) / sqrt(variance + eps) + bias, with the moments over `axes` of `real`.

    Sums are in float32 at least, the result is in the dtype of `x`. `real`, `weight` and `bias`
    broadcast against `x`; `observe` is called with mean, biased variance and count.
    """
    wide = widened(x)
    mean, variance, count = moments(wide, real, axes)
    if observe is not None:
        observe(mean, variance, count)
    return as_dtype(normalized(wide, mean, variance, eps, weight, bias), x.dtype)


def in_blocks(
    steps: Callable[..., Tensor], x: Tensor, *others: Tensor | None, axes: Sequence[int]
) -> Tensor:
    """steps(x, *others), in evaluation without a whole copy of a half-precision `x` in float32.

    Such an `x` is cut along an axis that is not in `axes`, those that statistics go over, and with
    it whatever in `others` has that axis; each is None or broadcasts against `x`. It is the first
    axis that gives PARTS parts, for what lies together is fast to read, or else the longest.
    """
    if x.dtype not in HALF_PRECISION or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return steps(x, *others)
    taken = {axis % x.ndim for axis in axes}
    free = [axis - x.ndim for axis in range(x.ndim) if axis not in taken]
    axis = max(free, key=lambda axis: min(x.shape[axis], PARTS))
    length = x.shape[axis]
    size = max(1, length * BLOCK // max(1, x.numel()), length // PARTS)
    y = torch.empty_like(x)
    for start in range(0, length, size):
        part = partial(_part, axis=axis, start=start, size=min(size, length - start))
        part(y).copy_(steps(part(x), *(None if each is None else part(each) for each in others)))
    return y


def _part(x: Tensor, axis: int, start: int, size: int) -> Tensor:
    """Indices `start` and on of `axis`, where `x` has it and does not broadcast along it."""
    return x.narrow(axis, start, size) if x.ndim >= -axis and x.shape[axis] > 1 else x


def as_map(x: Tensor) -> Tensor:
    """A sequence [B, T, C] as a map [B, C, 1, T] in the same memory; anything else as it is.

    Torch's fused norms take channels on axis 1. They read a map whose channels lie together in
    memory as it lies, and would copy a sequence [B, C, T] that does.
    """
    return x.transpose(1, 2).unsqueeze(2) if x.ndim == 3 else x


def as_given(y: Tensor, x: Tensor) -> Tensor:
    """What a fused norm made of `as_map(x)`, with the axes of `x`."""
    return y.squeeze(2).transpose(1, 2) if x.ndim == 3 else y


class ChannelAffine(nn.Module):
    """A learnable scale `weight` [C] and shift `bias` [C], or neither."""

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(self, width: int, scale: bool, shift: bool) -> None:
        """Hold a scale, a shift, both or none for `width` channels."""
        super().__init__()
        self.width = width
        self.register_parameter("weight", nn.Parameter(torch.empty(width)) if scale else None)
        self.register_parameter("bias", nn.Parameter(torch.empty(width)) if shift else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale 1 and shift 0."""
        if self.weight is not None:
            nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def _affine(self, shape: tuple[int, ...]) -> tuple[Tensor | None, Tensor | None]:
        """Scale and shift, viewed so that they broadcast."""
        weight = None if self.weight is None else self.weight.view(shape)
        bias = None if self.bias is None else self.bias.view(shape)
        return weight, bias


class RunningNorm(ChannelAffine):
    """Base of the norms that can keep running statistics: `running_mean` and `running_var` [C].

    running = (1 - momentum) * running + momentum * observed, with the unbiased variance, as
    `torch.nn.BatchNorm1d` has it.
    """

    running_mean: Tensor | None
    running_var: Tensor | None

    def __init__(
        self,
        width: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        """Take `width` channels; `eps` joins the variance, `momentum` weighs the newest batch."""
        super().__init__(width, scale=affine, shift=affine)
        self.eps = eps
        self.momentum = momentum
        self.track_running_stats = track_running_stats
        self.register_buffer("running_mean", torch.empty(width) if track_running_stats else None)
        self.register_buffer("running_var", torch.empty(width) if track_running_stats else None)
        self.reset_buffers()

    def reset_buffers(self) -> None:
        """Forget what was observed: mean 0 and variance 1."""
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1)

    @property
    def _from_running(self) -> bool:
        return self.track_running_stats and not self.training

    def _by_statistics_of(self, x: Tensor, mask: Tensor | None, axes: tuple[int, ...]) -> Tensor:
        """Normalize `x` by its own moments over `axes`; in training, observe them."""
        real = None if mask is None else mask[..., None]
        affine = self._affine((-1, 1, 1) if x.ndim == 4 else (-1,))
        steps = partial(standardized, axes=axes, eps=self.eps)
        if self.training and self.track_running_stats:
            return steps(x, real, *affine, observe=self._observe)
        return in_blocks(steps, x, real, *affine, axes=axes)

    @torch.no_grad()
    def _observe(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Move the running statistics towards the mean of those on axis 0 that have a variance."""
        assert self.running_mean is not None and self.running_var is not None
        rows = mean.shape[0]
        informative = (count >= 2).reshape(-1, 1).expand(rows, 1)
        means, _, counted = moments(mean.reshape(rows, -1), informative, axes=(0,))
        spread = unbiased(variance, count).reshape(rows, -1)
        variances, _, _ = moments(spread, informative, axes=(0,))
        step = self.momentum * (counted.flatten() > 0).to(self.running_mean.dtype)
        self.running_mean.lerp_(means.flatten().to(self.running_mean.dtype), step)
        self.running_var.lerp_(variances.flatten().to(self.running_var.dtype), step)

    def _fused(self, x: Tensor, *, training: bool) -> Tensor:
        """Torch's own batch norm, by running statistics unless `training`."""
        # The input may be narrower than the rest, and the rest is of one dtype.
        wide = x.dtype if self.running_mean is None else self.running_mean.dtype
        y = F.batch_norm(
            as_map(x),
            self.running_mean,
            self.running_var,
            None if self.weight is None else self.weight.to(wide),
            None if self.bias is None else self.bias.to(wide),
            training=training,
            momentum=self.momentum,
            eps=self.eps,
        )
        return as_given(y, x)

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return (
            f"{self.width}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.weight is not None}, track_running_stats={self.track_running_stats}"
        )
