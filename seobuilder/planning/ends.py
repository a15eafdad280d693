"""Sequences of which one end is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from seobuilder.planning.model import Plan
from seobuilder.planning.remedies import set_value
from seobuilder.recipe.change import Change
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.document import format_path
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.recipe.spec import modules

End = Literal["first", "last"]
Step = tuple[modules.ModuleSpec, tuple[str, ...]]


def end_advice(loaded: LoadedRecipe, plan: Plan) -> list[Diagnostic]:
    """P506: a pool reads the end at which what it pools has seen one token; one for each pool."""
    specs = loaded.recipe.modules
    steps = {
        name: (specs[owner], sources)
        for name, owner, sources, _ in plan.root.settings["steps"]
        if owner in specs
    }
    found = {}
    for name, owner, source, end in _pools_at_an_end(plan):
        if blind := _blind(steps, source, end):
            path = ("modules", owner, "method")
            found[owner] = Diagnostic(
                "P506",
                f"`{name}` reads the {end} token, where {blind} has seen no other",
                loaded.mark(*path),
                format_path(path),
                help="`method: mean`, `max` or `attention` reads all positions",
                severity="warning",
                changes=all_positions(loaded, owner),
            )
    return list(found.values())


def all_positions(loaded: LoadedRecipe, pool: str) -> tuple[Change, ...]:
    """The edit after which a pool reads all positions."""
    return set_value(loaded, ("modules", pool, "method"), "mean")


def _pools_at_an_end(plan: Plan) -> Iterator[tuple[str, str, str, End]]:
    """Name, owner and source of each step that pools one end of a sequence, and which end."""
    nodes = {node.name: node for node in plan.root.children}
    for name, owner, sources, _ in plan.root.settings["steps"]:
        node = nodes[owner]
        if node.kind == "pool" and node.settings["method"] in ("first", "last"):
            yield name, owner, sources[0], node.settings["method"]


def _blind(steps: dict[str, Step], name: str, end: End) -> str:
    """What of a step has seen one token alone at an end of its sequence; nothing if no part has."""
    spec, sources = steps[name]
    if isinstance(spec, modules.Recurrent) and spec.bidirectional:
        way = "forwards" if end == "first" else "backwards"
        alone = spec.depth == 1 and _sees_one(steps, sources[0], end)
        return f"the half of `{name}` that reads {way}" if alone else ""
    reads_on = isinstance(spec, modules.Transformer | modules.Recurrent)
    return f"`{name}`" if reads_on and _sees_one(steps, name, end) else ""


def _sees_one(steps: dict[str, Step], name: str, end: End) -> bool:
    """Whether a step depends on one token alone at an end of its sequence."""
    if name not in steps:
        return True  # an input
    spec, sources = steps[name]
    match spec:
        case modules.TokenEmbedding() | modules.MLP() | modules.Concat() | modules.Add():
            passes = True
        case modules.Transformer():
            passes = spec.causal and end == "first"
        case modules.Recurrent():
            passes = not spec.bidirectional and end == "first"
        case _:
            passes = False
    return passes and all(_sees_one(steps, source, end) for source in sources)


def pool_at_an_end(plan: Plan, maps: Sequence[str]) -> str | None:
    """The pool that leaves these parameters of one module idle, if they all are maps of states.

    At the end where it begins, a direction of a recurrent layer has taken one step. The state
    before that is zero, so that the map of states has multiplied nothing.
    """
    roles = {each.parameter.name: each.parameter.role for each in plan.assignments}
    if not maps or any(roles.get(name) != "recurrent_hidden" for name in maps):
        return None
    module = maps[0].partition(".")[0]
    pools = (owner for _, owner, source, _ in _pools_at_an_end(plan) if source == module)
    return next(pools, None)
