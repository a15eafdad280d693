"""Models by configuration, each of which is a recipe too.

from custom_models import CustomModelConfig, create_custom_model

config = CustomModelConfig(model_name="seo_model", initialization_method="orthogonal")
model = create_custom_model(config)
print(config.to_recipe())
"""

from __future__ import annotations

from seobuilder.service.calls.custom_model import CustomSEOModel, create_custom_model
from seobuilder.service.calls.model_config import CustomModelConfig

__all__ = ["CustomModelConfig", "CustomSEOModel", "create_custom_model"]
