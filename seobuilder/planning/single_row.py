"""Batch norm where a batch is one row: of a vector, each channel then has a single value."""

from __future__ import annotations

from collections.abc import Iterator

from seobuilder.planning.model import Plan
from seobuilder.planning.rules import rule_problem, speaks_of
from seobuilder.recipe.diagnostics import Diagnostic, alike_as_one
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.recipe.spec.normalization import BatchNorm


def batch_of_one(loaded: LoadedRecipe, plan: Plan, why: str) -> list[Diagnostic]:
    """P520 for each rule that gives batch norm to blocks of vectors.

    Args:
        loaded: the recipe.
        plan: what it decides.
        why: how a batch comes to be one row, as the end of a sentence.
    """
    found = []
    for block in _on_vectors(plan):
        rules = enumerate(loaded.recipe.normalization)
        # The block has this norm, so that the first rule of batch norm that matches decided it.
        index = next(i for i, r in rules if isinstance(r, BatchNorm) and speaks_of(r, block))
        message = f"batch_norm in `{block}` has one value for each channel, for {why}"
        help = "layer_norm or rms_norm, or two rows in every batch"
        found.append(rule_problem(loaded, "normalization", index, "P520", message, "method", help))
    return alike_as_one(found)


def _on_vectors(plan: Plan) -> Iterator[str]:
    """Blocks with batch norm that read no positions beside those of the batch."""
    # Sequences have the mask of an input, and images are convolved.
    masked = {owner for _, owner, _, mask in plan.root.settings["steps"] if mask is not None}
    for module in plan.root.children:
        for block in module.children:
            norms = any(child.kind == "batch_norm" for child in block.children)
            if block.kind == "mlp_block" and norms and module.name not in masked:
                yield f"{module.name}.{block.name}"
