"""Where a probe listens: the steps of the graph, and the blocks inside of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from seobuilder.planning.model import Node, Plan

BLOCKS = frozenset(
    ("transformer_block", "mlp_block", "conv_block", "conv2d_block", "recurrent_layer")
)
"""Kinds of nodes that repeat in a stack."""


@dataclass(frozen=True, slots=True)
class Place:
    """A module whose output is looked at.

    `name` is logical, `path` the attribute path of the module in the model, `step` the step of the
    graph that it belongs to, and `mask` the tokens input whose padding its output has.
    """

    name: str
    path: str
    step: str
    node: Node
    mask: str | None

    @property
    def is_block(self) -> bool:
        """Whether it is one of a stack."""
        return self.node.kind in BLOCKS

    @property
    def stack(self) -> str:
        """The name of the stack that a block is in."""
        return self.name.rpartition(".")[0]


def places(plan: Plan) -> tuple[Place, ...]:
    """The places of a plan in the order of evaluation, blocks before what they are part of.

    A module that is shared is looked at in the step that owns it, and one that is nothing but a
    stack in its blocks.
    """
    settings = plan.root.settings
    children = {child.name: child for child in plan.root.children}
    kinds = {name: kind for name, kind, _ in settings["inputs"]}
    masks: dict[str, str | None] = {
        name: name if kind == "tokens" else None for name, kind in kinds.items()
    }
    found: list[Place] = []
    for name, owner, sources, _ in settings["steps"]:
        node = children[owner]
        mask = masks[sources[0]]
        masks[name] = None if node.kind in _POOLING else mask
        if owner == name:
            found += _inside(node, name, node.attribute, name, mask)
            if node.kind != "stack":
                found.append(Place(name, node.attribute, name, node, masks[name]))
    return tuple(found)


_POOLING = ("pool", "attention_pool")


def _inside(node: Node, name: str, path: str, step: str, mask: str | None) -> Iterator[Place]:
    for child in node.children:
        below, at = f"{name}.{child.name}", f"{path}.{child.attribute}"
        if child.kind in BLOCKS:
            yield Place(below, at, step, child, mask)
        elif child.kind == "stack":
            yield from _inside(child, below, at, step, mask)
