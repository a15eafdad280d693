"""Batch norm where a batch is one row: without positions, each channel has a single value."""

from __future__ import annotations

from seobuilder.planning.model import Plan
from seobuilder.planning.rules import rule_problem, speaks_of
from seobuilder.recipe.diagnostics import Diagnostic, alike_as_one
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.recipe.spec.normalization import BatchNorm


def batch_of_one(loaded: LoadedRecipe, plan: Plan, why: str) -> list[Diagnostic]:
    """P520 for each rule that gives batch norm to blocks of vectors or of one pixel.

    Args:
        loaded: the recipe.
        plan: what it decides.
        why: how a batch comes to be one row, as the end of a sentence.
    """
    found = []
    for block in plan.batch_norms_of_vectors:
        rules = enumerate(loaded.recipe.normalization)
        # The block has this norm, so that the first rule of batch norm that matches decided it.
        index = next(i for i, r in rules if isinstance(r, BatchNorm) and speaks_of(r, block))
        message = f"batch_norm in `{block}` has one value for each channel, for {why}"
        help = "layer_norm or rms_norm, or two rows in every batch"
        found.append(rule_problem(loaded, "normalization", index, "P520", message, "method", help))
    return alike_as_one(found)
