"""The recipe language as types: frozen, strict, discriminated by `kind` or `method`."""

from seobuilder.recipe.spec import (
    data,
    initialization,
    inputs,
    modules,
    normalization,
    outputs,
)
from seobuilder.recipe.spec.recipe import Recipe

__all__ = ["Recipe", "data", "initialization", "inputs", "modules", "normalization", "outputs"]
