"""Normalization rules: which blocks get an activation norm, which weights are reparametrized."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from seobuilder.recipe.spec.base import Exact, PatternText, Spec

Placement = Literal[
    "pre",
    "post",
    "sandwich",
    "peri",
    "output",
    "deepnorm",
    "before_activation",
    "after_activation",
]
Epsilon = Annotated[float, Field(gt=0.0, le=1.0, description="keeps the division finite")]
Momentum = Annotated[
    float, Field(gt=0.0, le=1.0, description="weight of the newest batch in the running statistics")
]


class NormalizationSelector(Spec):
    """Which blocks, or for weight and spectral norm which parameters, a rule speaks of."""

    match: PatternText = Field(description="a glob over names, such as encoder.blocks.*")
    exclude: PatternText | None = Field(None, description="names that the rule leaves alone")
    optional: bool = Field(False, description="the rule may decide nothing")
    expect: int | None = Field(None, ge=0, description="how many it must decide")


class ActivationNorm(NormalizationSelector):
    """What every activation norm says: where it stands, and whether a stack closes with one."""

    placement: Placement = Field(description="where it stands in the block")
    embedding: Annotated[Literal["auto", True, False], Exact] = Field(
        "auto", description="a norm before the first block, as BERT has one; auto adds it for peri"
    )
    final: Annotated[Literal["auto", True, False], Exact] = Field(
        "auto", description="a norm after the last block; auto adds it where the placement needs it"
    )


class LayerNorm(ActivationNorm):
    """Over the channels of each position (Ba et al. 2016, arXiv:1607.06450)."""

    method: Literal["layer_norm"]
    eps: Epsilon = 1e-5
    elementwise_affine: bool = Field(True, description="a learned scale, and with `bias` a shift")
    bias: bool = Field(True, description="a learned shift")


class RMSNorm(ActivationNorm):
    """Root mean square over the channels (Zhang and Sennrich 2019, arXiv:1910.07467)."""

    method: Literal["rms_norm"]
    eps: Epsilon = 1e-6
    elementwise_affine: bool = Field(True, description="a learned scale")


class BatchNorm(ActivationNorm):
    """Over the batch, channel by channel (Ioffe and Szegedy 2015, arXiv:1502.03167)."""

    method: Literal["batch_norm"]
    eps: Epsilon = 1e-5
    momentum: Momentum = 0.1
    affine: bool = Field(True, description="a learned scale and shift")
    track_running_stats: bool = Field(
        True, description="keep running statistics, and use them outside of training"
    )


class InstanceNorm(ActivationNorm):
    """Over the positions of one example (Ulyanov et al. 2016, arXiv:1607.08022)."""

    method: Literal["instance_norm"]
    eps: Epsilon = 1e-5
    momentum: Momentum = 0.1
    affine: bool = Field(True, description="a learned scale and shift")
    track_running_stats: bool = Field(
        False, description="keep running statistics, and use them outside of training"
    )


class GroupNorm(ActivationNorm):
    """Over the positions and a group of channels (Wu and He 2018, arXiv:1803.08494)."""

    method: Literal["group_norm"]
    num_groups: int = Field(ge=1, description="groups of channels; they divide the width")
    eps: Epsilon = 1e-5
    affine: bool = Field(True, description="a learned scale and shift")


class NoNorm(NormalizationSelector):
    """These blocks have no norm."""

    method: Literal["none"]


class WeightNorm(NormalizationSelector):
    """weight = g v / |v| (Salimans and Kingma 2016, arXiv:1602.07868, equation 2)."""

    method: Literal["weight_norm"]


class SpectralNorm(NormalizationSelector):
    """weight / sigma(weight) (Miyato et al. 2018, arXiv:1802.05957)."""

    method: Literal["spectral_norm"]
    iterations: int = Field(1, ge=1, le=100, description="power iterations of a training step")
    eps: Epsilon = 1e-12


ActivationNormSpec = LayerNorm | RMSNorm | BatchNorm | InstanceNorm | GroupNorm
ReparametrizationSpec = WeightNorm | SpectralNorm
NormalizationSpec = Annotated[
    ActivationNormSpec | NoNorm | ReparametrizationSpec, Field(discriminator="method")
]
