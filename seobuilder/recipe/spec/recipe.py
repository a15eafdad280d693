"""The recipe: the whole document."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from seobuilder.recipe.spec.base import Exact, Items, Name, RelativePath, Spec, Width
from seobuilder.recipe.spec.data import DataSpec
from seobuilder.recipe.spec.initialization import InitializationSpec
from seobuilder.recipe.spec.inputs import InputSpec, TokensInput
from seobuilder.recipe.spec.modules import ModuleSpec
from seobuilder.recipe.spec.normalization import NormalizationSpec
from seobuilder.recipe.spec.outputs import OutputSpec
from seobuilder.recipe.spec.training import TrainingSpec

ParameterName = Annotated[str, Field(min_length=1, max_length=500)]


class Recipe(Spec):
    """A model, as its team states it."""

    version: Annotated[Literal[1], Exact] = Field(description="of the recipe language")
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)] = Field(
        description="also the name of the build folder"
    )
    description: str = Field("", max_length=2000, description="what the model is for")
    extends: RelativePath | None = Field(
        None, description="a recipe in the same folder tree, which this one changes"
    )
    seed: int = Field(0, ge=0, lt=2**63, description="of every draw and of the split")
    dtype: Literal["float32", "float64", "bfloat16", "float16"] = Field(
        "float32", description="of the parameters"
    )
    base_width: Width | None = Field(
        None, description="the width that numbers were tuned at, for formulas"
    )
    inputs: dict[Name, InputSpec] = Field(
        min_length=1, max_length=1000, description="what the model is given"
    )
    modules: dict[Name, ModuleSpec] = Field(
        default_factory=dict, max_length=1000, description="a graph, evaluated in this order"
    )
    outputs: dict[Name, OutputSpec] = Field(
        min_length=1, max_length=1000, description="what the model says"
    )
    data: DataSpec | None = Field(None, description="rows to train and measure on")
    training: TrainingSpec = Field(
        default_factory=TrainingSpec, description="how `seobuild train` trains the model"
    )
    normalization: Items[NormalizationSpec] = Field(
        (),
        max_length=1000,
        description="the first rule that matches decides a block, or a weight to reparametrize",
    )
    initialization: Items[InitializationSpec] = Field(
        min_length=1, max_length=1000, description="the first rule that matches decides a parameter"
    )
    ties: dict[ParameterName, ParameterName] = Field(
        default_factory=dict, description="alias: owner, both names of parameters"
    )

    @model_validator(mode="after")
    def _mup_has_a_base(self) -> Recipe:
        if self.training.optimizer.rates == "mup" and self.base_width is None:
            message = "the rates of mup need a `base_width`, the width that they were tuned at"
            raise PydanticCustomError("combination", message, {"key": "training"})
        return self

    @model_validator(mode="after")
    def _a_stream_is_trained_on_by_steps(self) -> Recipe:
        streaming = self.data is not None and self.data.streaming is not None
        if streaming and self.training.steps is None:
            message = (
                "how many rows a stream has isn't known ahead: say how long to train by "
                "`training.steps`"
            )
            raise PydanticCustomError("combination", message, {"key": "data"})
        return self

    @property
    def token_inputs(self) -> dict[str, TokensInput]:
        """The inputs that take text."""
        return {name: spec for name, spec in self.inputs.items() if spec.kind == "tokens"}
