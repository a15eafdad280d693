"""Activations by name, and the activation with the norm that stands before or after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from torch import Tensor, nn

from seobuilder.layers.residual import join

Placement = Literal["before_activation", "after_activation"]

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "identity": nn.Identity,
}


def activation_module(name: str) -> nn.Module:
    """The activation called `name`, with torch's own defaults.

    It is a module, not a function, so that hooks can watch its output.

    Raises:
        ValueError: no activation has this name.
    """
    if name not in ACTIVATIONS:
        raise ValueError(f"unknown activation {name!r}, expected one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()


def apply_norm(norm: nn.Module | None, x: Tensor, mask: Tensor | None) -> Tensor:
    """norm(x, mask), or `x` itself where no norm stands."""
    if norm is None:
        return x
    y: Tensor = norm(x, mask)
    return y


class Activated(nn.Module):
    """Base of the blocks that end in an activation, a norm around it, dropout, and a skip path.

    For what layers f give: `before_activation`, y = activation(norm(f(x))); `after_activation`,
    y = norm(activation(f(x))). Then skip_scale * x + branch_scale * scale(dropout(y)), where
    `skip_scale` 0 means no residual connection.
    """

    def __init__(
        self,
        activation: str,
        norm: nn.Module | None = None,
        placement: Placement = "before_activation",
        dropout: float = 0.0,
        scale: nn.Module | None = None,
        skip_scale: float = 0.0,
        branch_scale: float = 1.0,
    ) -> None:
        """Take the activation's name, and what stands around it."""
        super().__init__()
        if placement not in ("before_activation", "after_activation"):
            raise ValueError(f"unknown placement {placement!r}")
        self.activation = activation_module(activation)
        self.norm = norm
        self.placement = placement
        self.dropout = nn.Dropout(dropout)
        self.scale = scale
        self.skip_scale = skip_scale
        self.branch_scale = branch_scale

    def _activate(self, x: Tensor, mask: Tensor | None) -> Tensor:
        if self.placement == "before_activation":
            x = apply_norm(self.norm, x, mask)
        x = self.activation(x)
        if self.placement == "after_activation":
            x = apply_norm(self.norm, x, mask)
        return x

    def _join(self, x: Tensor, y: Tensor) -> Tensor:
        return join(x, self.dropout(y), self.scale, self.skip_scale, self.branch_scale)

    def extra_repr(self) -> str:
        """Settings, as `print(model)` shows them."""
        settings: list[str] = [] if self.norm is None else [self.placement]
        if self.skip_scale:
            settings += [f"skip_scale={self.skip_scale}", f"branch_scale={self.branch_scale}"]
        return ", ".join(settings)
