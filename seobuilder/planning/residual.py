"""Skip paths: what joins a block's branch to its input, and by which factors."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from seobuilder.planning import primitives
from seobuilder.planning.common import Mismatch
from seobuilder.planning.model import Node
from seobuilder.planning.primitives import Scope
from seobuilder.recipe.formulas import Formula, FormulaError
from seobuilder.recipe.spec import modules

Joined = modules.Transformer | modules.Convolution | modules.Recurrent | modules.MLP
"""Specs of modules whose blocks may have a skip path."""

LEARNED = ("rezero", "layerscale")
"""Residuals whose branch has a learned factor."""


def scale_node(spec: Joined, scope: Scope, width: int) -> tuple[Node, ...]:
    """The learned factor of a branch of `width` channels, where the spec wants one."""
    if spec.residual not in LEARNED:
        return ()
    return (primitives.residual_scale(scope, 1 if spec.residual == "rezero" else width),)


def skip_path(
    spec: Joined, scope: Scope, width: int, *, keeps_shape: bool
) -> tuple[dict[str, Any], tuple[Node, ...]]:
    """Settings and children that give a block of one branch its skip path.

    None where the spec wants none, and where the block's output is of another shape.
    """
    if spec.residual == "none" or not keeps_shape:
        return {}, ()
    factor = positive(spec, "residual_scale", scope) or 1.0
    settings = {"skip_scale": 1.0, "branch_scale": factor}
    return settings, scale_node(spec, scope.child("scale"), width)


def check_skips(spec: Joined, blocks: Iterable[Node]) -> None:
    """A stack that is to have skip paths must have a block that can have one.

    Raises:
        Mismatch: none has.
    """
    if spec.residual != "none" and not any(has_skip(block) for block in blocks):
        message = "no block keeps the shape of what it reads, so that none can add it"
        raise Mismatch(message, "residual")


def has_skip(block: Node) -> bool:
    """Whether a block adds its branches to what comes in."""
    return bool(block.settings.get("skip_scale", 0.0))


def positive(spec: Joined, key: str, scope: Scope) -> float | None:
    """A factor that the spec may state, as a number or a formula.

    Raises:
        Mismatch: the formula has no value here, or one that is not positive.
    """
    factor: float | Formula | None = getattr(spec, key)
    if not isinstance(factor, Formula):
        return factor
    try:
        value = factor.evaluate(scope.variables)
    except FormulaError as error:
        raise Mismatch(str(error), key) from None
    if value <= 0:
        raise Mismatch(f"`{factor.text}` is {value:g}, and must be positive", key)
    return value
