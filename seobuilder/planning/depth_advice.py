"""A warning on modules that are deep and have no skip paths."""

from __future__ import annotations

from itertools import groupby

from seobuilder.planning.blocks import blocks_of
from seobuilder.planning.model import Node, Plan
from seobuilder.planning.residual import has_skip
from seobuilder.planning.skip_remedies import with_skips
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.document import format_path
from seobuilder.recipe.load import LoadedRecipe

DEEP, DEEP_RECURRENT = 9, 7
"""Blocks in a row from which on training without skip paths falls behind: docs/evidence.md.

Of recurrent layers four work well, six barely: Wu et al. 2016, Google's neural machine translation
system, arXiv:1609.08144, section 3.1.
"""


def depth_advice(loaded: LoadedRecipe, plan: Plan) -> list[Diagnostic]:
    """P505: so many blocks follow each other that skip paths are wanted; one for each module."""
    found = []
    for module in plan.root.children:
        blocks = _longest_plain_run(module)
        if len(blocks) >= (DEEP_RECURRENT if module.kind == "recurrent" else DEEP):
            path = ("modules", module.name)
            message = f"`{module.name}` has {len(blocks)} blocks in a row without a skip path"
            found.append(
                Diagnostic(
                    "P505",
                    message,
                    loaded.mark(*path, key=True),
                    format_path(path),
                    help="`residual: plain` lets each block add to what it gets, with a norm in it",
                    severity="warning",
                    changes=with_skips(loaded, plan, module),
                )
            )
    return found


def _longest_plain_run(module: Node) -> list[Node]:
    """The blocks of the longest run in which each gives nothing but what its layers make."""
    runs = (list(run) for skips, run in groupby(blocks_of(module)[1], has_skip) if not skips)
    return max(runs, key=len, default=[])
