"""How a custom model is trained, and the recipe that says the same."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from seobuilder.errors import InvalidArgument
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.service.calls.config import Config
from seobuilder.service.calls.model_config import Architecture, CustomModelConfig


class TrainingConfig(Config):
    """A model, and how it learns; as a recipe's `training` section has it.

    The model is `model`, or without it one of `num_classes` labels with the defaults of
    `CustomModelConfig`: of the architecture `model_type`, where "custom" is a transformer.
    """

    model_type: Architecture | Literal["custom"] = Field(
        "custom", description="architecture, where `model` is not given"
    )
    num_classes: int = Field(2, ge=2, description="labels, where `model` is not given")
    model: CustomModelConfig | None = Field(None, description="the model in full")
    batch_size: int = Field(32, ge=1, description="rows of a batch that the trainer cuts itself")
    learning_rate: float = Field(1e-3, gt=0, description="of AdamW, the same in every step")
    weight_decay: float = Field(0.01, ge=0, description="of matrices")
    max_grad_norm: float | None = Field(1.0, gt=0, description="clips longer gradients; None not")
    use_mixed_precision: bool = Field(False, description="bfloat16 for matrix products")
    seed: int = Field(0, ge=0, lt=2**63, description="of dropout and of the order of rows")

    @model_validator(mode="after")
    def _one_model(self) -> TrainingConfig:
        given = self.model_fields_set & {"model_type", "num_classes"}
        if self.model is not None and given:
            raise InvalidArgument(f"`model` says its own; leave out {', '.join(sorted(given))}")
        return self

    @property
    def described(self) -> CustomModelConfig:
        """The model's configuration."""
        if self.model is not None:
            return self.model
        architecture = "transformer" if self.model_type == "custom" else self.model_type
        return CustomModelConfig(architecture=architecture, num_classes=self.num_classes)

    def to_recipe(self) -> str:
        """Model and training as YAML; with a `data` section, `seobuild train` takes it."""
        return self.load().source.decode()

    def load(self) -> LoadedRecipe:
        """The recipe, checked.

        Raises:
            RecipeError: the model's method can't draw one of the weights.
        """
        training: dict[str, Any] = {
            "seed": self.seed,
            "batch": {"rows": self.batch_size},
            "optimizer": {
                "method": "adamw",
                "learning_rate": self.learning_rate,
                "weight_decay": self.weight_decay,
            },
            "schedule": {"decay": "none", "warmup": 0.0},
            "clip": {} if self.max_grad_norm is None else {"norm": self.max_grad_norm},
            "precision": "bfloat16" if self.use_mixed_precision else "float32",
        }
        return self.described.load(training)
