"""Which parameters a rule speaks of: by name, by role, by the layer that they belong to."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from seobuilder.recipe.spec.base import OneOrMany, PatternText, Spec

Role = Literal[
    "weight",
    "bias",
    "embedding",
    "position",
    "norm_scale",
    "norm_shift",
    "residual_out",
    "head",
    "recurrent_input",
    "recurrent_hidden",
    "gate",
    "residual_scale",
]
LayerType = Literal[
    "linear",
    "embedding",
    "position_embedding",
    "conv1d",
    "conv2d",
    "conv_transpose2d",
    "rnn",
    "lstm",
    "gru",
    "layer_norm",
    "rms_norm",
    "batch_norm",
    "instance_norm",
    "group_norm",
    "residual_scale",
]


class Selector(Spec):
    """Which parameters a rule speaks of: those that meet all of its conditions."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["match"]}, {"required": ["role"]}, {"required": ["type"]}]
        }
    )

    match: PatternText | None = Field(None, description="a glob over names, such as encoder.**")
    role: OneOrMany[Role] | None = Field(None, description="what a parameter is for")
    type: OneOrMany[LayerType] | None = Field(None, description="the layer it belongs to")
    exclude: PatternText | None = Field(None, description="names that the rule leaves alone")
    optional: bool = Field(False, description="the rule may decide nothing")
    expect: int | None = Field(None, ge=0, description="how many parameters the rule must decide")

    @model_validator(mode="after")
    def _selects_something(self) -> Selector:
        if self.match is None and self.role is None and self.type is None:
            raise PydanticCustomError(
                "combination",
                "a rule needs at least one of `match`, `role` and `type`; "
                'match: "**" matches every parameter',
                {"key": ""},
            )
        return self

    @property
    def roles(self) -> tuple[str, ...] | None:
        """Accepted roles, None for all."""
        return (self.role,) if isinstance(self.role, str) else self.role

    @property
    def types(self) -> tuple[str, ...] | None:
        """Accepted layer types, None for all."""
        return (self.type,) if isinstance(self.type, str) else self.type
