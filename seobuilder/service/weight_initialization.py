"""Drawing, normalizing and measuring the weights of any module.

from weight_initialization import InitializationConfig, AdvancedWeightInitializer

config = InitializationConfig(method="kaiming_normal", nonlinearity="relu")
AdvancedWeightInitializer.init_weights(model, config)
"""

from __future__ import annotations

from seobuilder.service.calls.analysis import WeightAnalysis
from seobuilder.service.calls.initialization import AdvancedWeightInitializer, InitializationConfig
from seobuilder.service.calls.manager import WeightInitializationManager
from seobuilder.service.calls.normalization import AdvancedNormalization, NormalizationConfig
from seobuilder.service.calls.reparametrized import (
    SpectralNorm,
    WeightNormLinear,
    apply_spectral_norm,
)

__all__ = [
    "AdvancedNormalization",
    "AdvancedWeightInitializer",
    "InitializationConfig",
    "NormalizationConfig",
    "SpectralNorm",
    "WeightAnalysis",
    "WeightInitializationManager",
    "WeightNormLinear",
    "apply_spectral_norm",
]
