"""Edits of a recipe that give a module skip paths.

As all remedies, they are given only where one recipe's own text decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from seobuilder.planning.blocks import blocks_of
from seobuilder.planning.model import Node, Plan
from seobuilder.planning.norm_remedies import normalize
from seobuilder.planning.remedies import set_value
from seobuilder.planning.residual import has_skip
from seobuilder.planning.stray import is_normed
from seobuilder.recipe.change import Change
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.recipe.spec import modules


def with_skips(loaded: LoadedRecipe, plan: Plan, module: Node) -> tuple[Change, ...]:
    """Edits that give a module skip paths, and norms in the place of none.

    None where it has some, or every block changes the shape, so that nothing can be added, and
    where one of the edits can't be made.
    """
    blocks, spec = blocks_of(module)[1], loaded.recipe.modules.get(module.name)
    if spec is None or not blocks or any(map(has_skip, blocks)) or not _can_add(spec):
        return ()
    skips = set_value(loaded, ("modules", module.name, "residual"), "plain")
    if is_normed(module):
        return skips
    norms = normalize(loaded, plan, module)
    return (*skips, *norms) if skips and norms else ()


def _can_add(spec: modules.ModuleSpec) -> bool:
    """Whether a block behind the first keeps the shape of what it gets."""
    if isinstance(spec, modules.MLP):
        return _is_repeated(spec.widths)
    if isinstance(spec, modules.Convolution):
        return spec.stride == spec.pool == 1 and _is_repeated(spec.channels)
    return True


def _is_repeated(widths: Sequence[int]) -> bool:
    return any(first == second for first, second in pairwise(widths))
