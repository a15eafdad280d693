"""Which norm, and the layer that it is."""

from __future__ import annotations

from functools import cached_property
from math import gcd
from typing import Any, Literal, get_args

from pydantic import Field, TypeAdapter, model_validator
from torch import nn

from seobuilder.errors import InvalidArgument
from seobuilder.recipe.spec.normalization import (
    ActivationNormSpec,
    NormalizationSpec,
    ReparametrizationSpec,
)
from seobuilder.service.calls import norm_layers
from seobuilder.service.calls.config import Config, checked, unknown

_ADAPTER: TypeAdapter[Any] = TypeAdapter(NormalizationSpec)

GROUPS = 32
"""Of group norm, where no number is given and the channels allow it (Wu and He 2018)."""

METHODS = tuple(
    get_args(spec.model_fields["method"].annotation)[0]
    for spec in (*get_args(ActivationNormSpec), *get_args(ReparametrizationSpec))
)

Layout = Literal["last", "first", 1, 2, 3]
"""Where channels are: on the last axis, or on axis 1, with any number, 1, 2 or 3 axes behind it."""


class NormalizationConfig(Config):
    """A method and its arguments.

    An argument that the method doesn't have is refused; one that is left out has the method's own
    default, as docs/reference.md lists them. Group norm has 32 groups, or the most that divide both
    32 and the channels, unless `num_groups` says otherwise.
    """

    method: str = Field("layer_norm", description="one of the norms, weight_norm or spectral_norm")
    eps: float | None = Field(None, description="keeps the division finite")
    momentum: float | None = Field(None, description="weight of the newest batch, of batch_norm")
    affine: bool | None = Field(None, description="a learned scale and shift")
    elementwise_affine: bool | None = Field(None, description="the same, of layer and RMS norm")
    bias: bool | None = Field(None, description="a learned shift, of layer_norm")
    track_running_stats: bool | None = Field(None, description="keep running statistics")
    num_groups: int | None = Field(None, ge=1, description="of group_norm")
    iterations: int | None = Field(None, description="of spectral_norm, for each training step")

    @model_validator(mode="after")
    def _method_takes_these(self) -> NormalizationConfig:
        if self.method not in METHODS:
            raise InvalidArgument(unknown("unknown method", self.method, METHODS))
        _ = self.rule
        return self

    @cached_property
    def rule(self) -> ActivationNormSpec | ReparametrizationSpec:
        """What a recipe would say."""
        given: dict[str, Any] = {"match": "**", **self.model_dump(exclude_none=True)}
        if not self.is_reparametrization:
            given["placement"] = "before_activation"
        if self.method == "group_norm":
            given.setdefault("num_groups", GROUPS)
        rule: ActivationNormSpec | ReparametrizationSpec = checked(_ADAPTER, given, {})
        return rule

    @property
    def is_reparametrization(self) -> bool:
        """Whether it is attached to a weight, and no layer of its own."""
        return self.method in ("weight_norm", "spectral_norm")

    def settings(self, width: int, place: str = "") -> dict[str, Any]:
        """The norm's settings for `width` channels, in the language's words.

        Raises:
            InvalidArgument: the stated number of groups doesn't divide the width.
        """
        settings = self.rule.model_dump(exclude={*_PLACING, "method"})
        if self.method == "group_norm":
            settings["num_groups"] = self.num_groups or gcd(GROUPS, width)
            if width % settings["num_groups"]:
                divisors = [number for number in range(1, width + 1) if width % number == 0]
                at = f" of `{place}`" if place else ""
                raise InvalidArgument(
                    f"{self.num_groups} groups do not divide the {width} channels{at}; "
                    f"{min(divisors, key=lambda each: abs(each - settings['num_groups']))} do, or "
                    "leave `num_groups` out"
                )
        return settings


_PLACING = ("match", "exclude", "optional", "expect", "placement", "embedding", "final")


class AdvancedNormalization:
    """Makes norms."""

    @staticmethod
    def create_normalization_layer(
        config: NormalizationConfig, num_features: int, *, layout: Layout | None = None
    ) -> nn.Module:
        """A layer that normalizes `num_features` channels: one of PyTorch's, or derived from it.

        Args:
            config: its method and arguments.
            num_features: channels.
            layout: where they are: `"last"` takes [B, C] and [B, ..., C], `"first"` [B, C] and
                [B, C, ...]; 1, 2 and 3 are [B, C, T], [B, C, H, W] and [B, C, D, H, W]. Without it,
                as PyTorch's: layer and RMS norm read the last axis, and the others axis 1.

        Raises:
            InvalidArgument: weight_norm and spectral_norm are no layers, or the groups don't divide
                the channels.
        """
        if config.is_reparametrization:
            raise InvalidArgument(
                f"{config.method} is attached to a weight: `apply_normalization` does so, and "
                "`WeightNormLinear` and `SpectralNorm` are layers that have it"
            )
        if layout is None:
            layout = "last" if config.method in ("layer_norm", "rms_norm") else "first"
        return make_norm(config, num_features, layout)


def make_norm(
    config: NormalizationConfig, width: int, layout: Layout, place: str = ""
) -> nn.Module:
    """The norm over `width` channels in a layout; `place` names where it goes, for errors."""
    settings = config.settings(width, place)
    match config.method, layout:
        case "layer_norm" | "rms_norm", "last":
            kind: Any = nn.LayerNorm if config.method == "layer_norm" else nn.RMSNorm
        case "layer_norm", _:
            kind = norm_layers.ChannelLayerNorm
        case "rms_norm", _:
            kind = norm_layers.ChannelRMSNorm
        case "group_norm", "last":
            settings["num_channels"] = width
            return norm_layers.GroupNorm(**settings)
        case "group_norm", _:
            return nn.GroupNorm(num_channels=width, **settings)
        case method, "last" | "first":
            kind = norm_layers.BatchNorm if method == "batch_norm" else norm_layers.InstanceNorm
            settings["channels_last"] = layout == "last"
        case method, rank:
            assert isinstance(rank, int)
            kind = PLAIN[method][rank - 1]
    made: nn.Module = kind(width, **settings)
    return made


PLAIN: dict[str, tuple[type[nn.Module], ...]] = {
    "batch_norm": (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d),
    "instance_norm": (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
}
"""PyTorch's norms of one to three axes of positions."""
