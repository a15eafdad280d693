"""What a check of two parts of a recipe looks at, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from seobuilder.planning.blocks import Blocks
from seobuilder.planning.model import Assignment, RuleReference
from seobuilder.planning.placement import Sites
from seobuilder.planning.sound import sound_draw
from seobuilder.recipe.change import Change
from seobuilder.recipe.formulas import Formula
from seobuilder.recipe.load import LoadedRecipe


class Contradiction(NamedTuple):
    """The rule under `normalization` to point at, its key, what to say, and what mends it."""

    rule: int
    key: str
    message: str
    help: str
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Facts:
    """A recipe, and the blocks of its plan."""

    loaded: LoadedRecipe
    blocks: Blocks

    def is_scaled_by_depth(self, assignment: Assignment) -> bool:
        """Whether a number of the rule that decided a parameter is a formula over `depth`."""
        rule = self.loaded.recipe.initialization[assignment.rule.index]
        values = (getattr(rule, key) for key in type(rule).model_fields)
        return any(isinstance(value, Formula) and "depth" in value.variables for value in values)


def named(rule: RuleReference) -> str:
    """A rule in a sentence: its line, or the preset that it came with."""
    if rule.preset:
        return f"the preset {rule.preset}"
    return rule.mark.place


def draw_at_any_depth(assignment: Assignment) -> str:
    """A sound draw without a scale by the depth."""
    is_last = assignment.parameter.role == "residual_out"
    return "method: xavier_normal" if is_last else sound_draw(assignment)


BETA_DRAW = 'method: xavier_normal, gain: "(8 * depth) ** -0.25"'
"""DeepNorm's (Wang et al. 2022, arXiv:2203.00555, figure 2, for an encoder)."""


def draw_beside_norms(sites: Sites, assignment: Assignment) -> str:
    """A sound draw in a transformer block that has norms at these sites."""
    if sites.deep_skip and assignment.parameter.role == "residual_out":
        return BETA_DRAW
    if sites.branch == ("input",):
        return sound_draw(assignment)
    return draw_at_any_depth(assignment)  # what is scaled by it, the norm behind scales back
