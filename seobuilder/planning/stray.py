"""Weights that are drawn far from the size that keeps the signal, module by module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import sqrt

from seobuilder.planning.blocks import blocks_of
from seobuilder.planning.model import Assignment, Node, Plan
from seobuilder.planning.residual import has_skip
from seobuilder.planning.sound import excess

MATRICES = ("weight", "residual_out", "gate", "recurrent_input", "recurrent_hidden")

Band = tuple[float, float]
"""Between which times of a sound std a weight passes."""


def drawn_in(plan: Plan, module: str, roles: Iterable[str] = MATRICES) -> Iterator[Assignment]:
    """How the parameters of these roles in a module are drawn."""
    for assignment in plan.assignments:
        parameter = assignment.parameter
        if parameter.name.startswith(f"{module}.") and parameter.role in roles:
            yield assignment


def strays(plan: Plan, module: str, band: Band, *, adds: bool = False) -> list[Assignment]:
    """The parameters of a module that are drawn outside of a band around a sound std."""
    found = []
    for assignment in drawn_in(plan, module):
        size, (low, high) = excess(assignment), allowed(assignment, band, adds=adds)
        if size is not None and not low <= size <= high:
            found.append(assignment)
    return found


def allowed(assignment: Assignment, band: Band, *, adds: bool = False) -> Band:
    """What a module's band comes to for one of its parameters.

    `adds` says that branches are added to a skip path without a norm, so that their ends must be
    smaller with the depth; elsewhere that is a choice, and so are branches of zeros.
    """
    parameter = assignment.parameter
    if parameter.role != "residual_out":
        return band
    return 0.0, 1.5 if adds else band[1] * sqrt(2 * parameter.variables["depth"])


def is_normed(module: Node) -> bool:
    """Whether the blocks of a module have norms."""
    blocks = blocks_of(module)[1]
    return bool(blocks) and any("norm" in child.name.split("_") for child in blocks[0].children)


def adds(module: Node) -> bool:
    """Whether branches are added, as they are and without a norm, to what came in."""
    blocks = blocks_of(module)[1]
    if not blocks or blocks[0].kind != "transformer_block" or is_normed(module):
        return False
    settings, parts = blocks[0].settings, {child.name for child in blocks[0].children}
    whole = settings["skip_scale"] != 0 and settings["branch_scale"] == 1.0
    return whole and not parts & {"attention_scale", "ffn_scale"}


def multiplies(module: Node) -> bool:
    """Whether every layer multiplies what the ones before it gave, with nothing between."""
    blocks = blocks_of(module)[1]
    kinds = ("transformer_block", "recurrent_layer")
    if not blocks or blocks[0].kind in kinds:
        return False
    return not is_normed(module) and not any(map(has_skip, blocks))
