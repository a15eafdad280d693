"""Sequences of which one end is read."""

from __future__ import annotations

from collections.abc import Sequence

from seobuilder.planning.model import Plan


def pool_at_an_end(plan: Plan, maps: Sequence[str]) -> str | None:
    """The pool that leaves these parameters of one module idle, if they all are maps of states.

    At the end where it begins, a direction of a recurrent layer has taken one step. The state
    before that is zero, so that the map of states has multiplied nothing.
    """
    roles = {each.parameter.name: each.parameter.role for each in plan.assignments}
    if not maps or any(roles.get(name) != "recurrent_hidden" for name in maps):
        return None
    module = maps[0].partition(".")[0]
    nodes = {node.name: node for node in plan.root.children}
    for name, owner, sources, _ in plan.root.settings["steps"]:
        node = nodes[owner]
        is_pool = node.kind == "pool" and node.settings["method"] in ("first", "last")
        if is_pool and module in sources:
            return str(name)
    return None
