"""Search models from recipes: every weight drawn by a stated rule, and measured against it.

import seobuilder

model = seobuilder.build("search_intent")        # a shipped recipe's name, or a path
model = seobuilder.load("builds/search_intent")  # a build folder, verified first
plan = seobuilder.plan("search_intent")          # decided, not built; needs no torch
report = seobuilder.inspect(model)               # measured against declared

trained = seobuilder.train("search_intent", overrides=["training.epochs=1"])
print(trained.record.figures["test"]["intent.accuracy"])

encode = seobuilder.encoder("builds/search_intent")
outputs = model(**encode(query=["buy red shoes"]))
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from seobuilder.errors import (
    BuildFolderError,
    DataError,
    EnvironmentProblem,
    InvalidArgument,
    InvalidInput,
    RecipeError,
    SeobuilderError,
    TrainingStopped,
)

if TYPE_CHECKING:
    from seobuilder.builder import build, encoder, inspect, load
    from seobuilder.planning.planner import plan
    from seobuilder.training.run import Trained, train

__version__ = version("seobuilder")

__all__ = [
    "BuildFolderError",
    "DataError",
    "EnvironmentProblem",
    "InvalidArgument",
    "InvalidInput",
    "RecipeError",
    "SeobuilderError",
    "Trained",
    "TrainingStopped",
    "__version__",
    "build",
    "encoder",
    "inspect",
    "load",
    "plan",
    "train",
]

# Loaded when first asked for, so that what needs no torch doesn't wait for it.
_LAZY = {
    "Trained": "seobuilder.training.run",
    "build": "seobuilder.builder",
    "encoder": "seobuilder.builder",
    "inspect": "seobuilder.builder",
    "load": "seobuilder.builder",
    "plan": "seobuilder.planning.planner",
    "train": "seobuilder.training.run",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
