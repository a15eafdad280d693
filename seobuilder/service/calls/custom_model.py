"""The model of a configuration: the engine's, called as any classifier is."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from seobuilder.builder import build
from seobuilder.layers import SearchModel
from seobuilder.planning.model import Plan
from seobuilder.service.calls.analysis import WeightAnalysis
from seobuilder.service.calls.model_config import INPUT, OUTPUT, CustomModelConfig


class CustomSEOModel(SearchModel):
    """A classifier of texts, built from the recipe of its configuration.

    It is that recipe's model, with the same parameters under the same names, and with two ways to
    call it: with token ids [B, T] it gives logits [B, num_classes]; with inputs by name, as any
    model of a recipe, outputs by name.
    """

    def __init__(self, built: SearchModel, config: CustomModelConfig) -> None:
        """Take over the children of a model that was built."""
        super().__init__(
            built._inputs, built._steps, built._outputs, **dict(built.named_children())
        )
        assert isinstance(built.plan, Plan)
        self.plan = self.planned = built.plan
        self.config = config

    def forward(
        self, ids: Tensor | None = None, mask: Tensor | None = None, /, **inputs: Tensor
    ) -> Any:
        """Logits [B, num_classes] of token ids [B, T], or the outputs by name of inputs by name.

        `mask` [B, T] is true at real tokens; without it, those other than 0 are.
        """
        if ids is None:
            return super().forward(**inputs)
        named = {INPUT: ids} if mask is None else {INPUT: ids, f"{INPUT}_mask": mask}
        return super().forward(**named, **inputs)[OUTPUT]

    def get_weight_summary(self) -> dict[str, Any]:
        """How large the model is, and how its weights are now.

        Keys: `model_name`, `initialization_method`, `total_parameters`, `trainable_parameters`,
        `bytes`, `health` as `WeightAnalysis.check_weight_health` gives it, and `analysis` as
        `WeightAnalysis.analyze_weights` does.
        """
        parameters = list(self.parameters())
        return {
            "model_name": self.config.model_name,
            "initialization_method": self.config.drawn_by.method,
            "total_parameters": sum(p.numel() for p in parameters),
            "trainable_parameters": sum(p.numel() for p in parameters if p.requires_grad),
            "bytes": sum(p.numel() * p.element_size() for p in parameters),
            "health": WeightAnalysis.check_weight_health(self),
            "analysis": WeightAnalysis.analyze_weights(self),
        }


def create_custom_model(config: CustomModelConfig) -> CustomSEOModel:
    """Build the model of a configuration, every weight drawn as its recipe states.

    Raises:
        RecipeError: the method can't draw one of the weights, in the lines of `config.to_recipe()`.
    """
    return CustomSEOModel(build(config.load()), config)
