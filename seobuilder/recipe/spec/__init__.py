"""The recipe language as types: frozen, strict, discriminated by `kind` or `method`."""

from seobuilder.recipe.spec import (
    data,
    initialization,
    inputs,
    losses,
    modules,
    normalization,
    outputs,
    training,
)
from seobuilder.recipe.spec.recipe import Recipe

__all__ = [
    "Recipe",
    "data",
    "initialization",
    "inputs",
    "losses",
    "modules",
    "normalization",
    "outputs",
    "training",
]
