"""The service's modules by their bare names, as the guide imports them."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import seobuilder.service

FOLDER = Path(seobuilder.service.__path__[0])

NAMES = {
    "weight_initialization": {
        *("InitializationConfig", "AdvancedWeightInitializer", "NormalizationConfig"),
        *("AdvancedNormalization", "WeightNormLinear", "SpectralNorm", "apply_spectral_norm"),
        *("WeightInitializationManager", "WeightAnalysis"),
    },
    "custom_models": {"CustomModelConfig", "CustomSEOModel", "create_custom_model"},
    "deep_learning_framework": {"CustomSEOModelTrainer", "TrainingConfig"},
    "autograd_utils": {
        *("GradientClipper", "autograd_monitor", "autograd_debugger", "autograd_profiler"),
        *("AutogradMonitor", "AutogradDebugger", "AutogradProfiler"),
    },
}


@pytest.mark.parametrize("module", NAMES)
def test_bare_modules_hold_the_same_objects(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    bare, packaged = import_module(module), import_module(f"seobuilder.service.{module}")
    assert set(bare.__all__) == set(packaged.__all__) == NAMES[module]
    for name in bare.__all__:
        assert getattr(bare, name) is getattr(packaged, name)
        assert getattr(bare, name).__doc__


def test_instances_of_one_import_are_those_of_the_other() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(FOLDER)!r})\n"
        "from weight_initialization import InitializationConfig, AdvancedWeightInitializer\n"
        "from seobuilder.service import weight_initialization as packaged\n"
        "config = InitializationConfig(method='zeros')\n"
        "sys.exit(not isinstance(config, packaged.InitializationConfig))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_nothing_else_of_the_folder_can_stand_in_another_module_s_way() -> None:
    importable = {path.stem for path in FOLDER.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert importable - {"__init__", "__pycache__"} == {*NAMES, "calls"}
