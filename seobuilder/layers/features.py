"""Numeric features to a scale that a network can use.

Axes: N examples of the training split, B batch, S features.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from seobuilder.layers.dtypes import as_dtype


class FeatureScaler(nn.Module):
    """Features shifted and scaled by statistics of the training split.

    standard: y = (x - mean) / std. log1p: the same of sign(x) log(1 + |x|). none: y = x. A missing
    value is NaN: `mean` puts the training mean in its place and `zero` a zero, both before
    shifting; `error` refuses it. Inside a compiled or exported graph nothing can be refused: there,
    under `error`, it stays NaN and so shows in every output.

    `mean`, `std` and `fill` are persistent buffers [S], in the unit after log1p. Until `fit` they
    are 0, 1 and 0.

    Shapes: [B, S] to [B, S], in the buffers' dtype.

    Raises:
        ValueError: `scale` or `missing` is unknown; under `error`, a value is missing.
    """

    mean: Tensor
    std: Tensor
    fill: Tensor

    def __init__(
        self,
        size: int,
        scale: Literal["standard", "log1p", "none"],
        missing: Literal["error", "mean", "zero"],
    ) -> None:
        """Scale `size` features."""
        super().__init__()
        if scale not in ("standard", "log1p", "none"):
            raise ValueError(f"unknown scale {scale!r}, expected standard, log1p or none")
        if missing not in ("error", "mean", "zero"):
            raise ValueError(f"unknown way with missing values {missing!r}")
        self.size = size
        self.scale = scale
        self.missing = missing
        self.register_buffer("mean", torch.empty(size))
        self.register_buffer("std", torch.empty(size))
        self.register_buffer("fill", torch.empty(size))
        self.reset_buffers()

    def reset_buffers(self) -> None:
        """Forget the fit: mean 0, standard deviation 1, fill 0."""
        self.mean.zero_()
        self.std.fill_(1)
        self.fill.zero_()

    @torch.no_grad()
    def fit(self, values: Tensor) -> None:
        """Take the statistics of `values` [N, S]; NaN is ignored.

        The standard deviation is the population's. A constant feature has 1, a feature without a
        single value mean 0 and standard deviation 1.

        Raises:
            ValueError: `values` is not [N, S].
        """
        if values.ndim != 2 or values.shape[1] != self.size:
            raise ValueError(f"expected [N, {self.size}], got {list(values.shape)}")
        values = self._unit(values.double())
        present = ~values.isnan()
        count = present.sum(dim=0).clamp(min=1)
        mean = values.masked_fill(~present, 0).sum(dim=0) / count
        spread = (values - mean).masked_fill(~present, 0)
        std = (spread.square().sum(dim=0) / count).sqrt()
        # Rounding leaves a constant column a spread of about its size times the float64 epsilon.
        constant = std <= 1e-12 * mean.abs()
        self.reset_buffers()
        if self.scale != "none":
            self.mean.copy_(mean)
            self.std.copy_(std.masked_fill(constant, 1))
        if self.missing == "mean":
            self.fill.copy_(mean)

    def forward(self, x: Tensor) -> Tensor:
        """Scale `x`."""
        if self.missing == "error":
            self._refuse_missing(x)
        x = self._unit(as_dtype(x, torch.promote_types(x.dtype, torch.float32)))
        if self.missing != "error":
            x = torch.where(x.isnan(), as_dtype(self.fill, x.dtype), x)
        return as_dtype((x - self.mean) / self.std, self.mean.dtype)

    def _unit(self, x: Tensor) -> Tensor:
        return x.sign() * x.abs().log1p() if self.scale == "log1p" else x

    def _refuse_missing(self, x: Tensor) -> None:
        if torch.compiler.is_compiling() or x.is_meta:
            return
        columns = x.isnan().any(dim=0)
        if columns.any():
            where = ", ".join(str(index) for index in columns.nonzero().flatten().tolist())
            raise ValueError(f"features must not be missing here, NaN in column {where} (from 0)")

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        return f"{self.size}, scale={self.scale}, missing={self.missing}"
