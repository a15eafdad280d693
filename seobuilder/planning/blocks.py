"""A finished plan by blocks: their norms, their drawn parameters, and what stands at their ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from seobuilder.planning.model import Assignment, Node, Parameter, Plan
from seobuilder.planning.placement import TRANSFORMER_PLACEMENTS, Sites
from seobuilder.planning.residual import has_skip
from seobuilder.recipe.spec.normalization import ActivationNormSpec

_STACKS = {"transformer": "blocks", "recurrent": "layers"}
"""Modules that hold their blocks in a child; others that have blocks hold them themselves."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block that has a norm, and the index of the rule that gives it the norm."""

    module: str
    name: str
    node: Node
    norm: ActivationNormSpec
    rule: int

    @property
    def sites(self) -> Sites | None:
        """What the placement fills, None where the block is not a transformer's."""
        return TRANSFORMER_PLACEMENTS.get(self.norm.placement)


Named = tuple[str, Block]
"""A norm's logical name, and the block whose rule gives it."""


@dataclass(frozen=True)
class Blocks:
    """A plan, and the norm and the deciding rule of every block by its name."""

    plan: Plan
    norms: Mapping[str, ActivationNormSpec | None]
    winners: Mapping[str, int]

    @cached_property
    def modules(self) -> dict[str, Node]:
        """Every module's own node by name; one that shares another has the other's."""
        owners = {node.name: node for node in self.plan.root.children}
        return {
            name: owners[owner]
            for name, owner, _, _ in self.plan.root.settings["steps"]
            if owner in owners
        }

    @cached_property
    def edges(self) -> tuple[tuple[Node, Node], ...]:
        """Each module that reads another, after the one that it reads; nodes are the owners'."""
        found = {}
        for name, _, sources, _ in self.plan.root.settings["steps"]:
            for source in sources:
                if source in self.modules and name in self.modules:
                    reader, read = self.modules[name], self.modules[source]
                    found[read.name, reader.name] = read, reader
        return tuple(found.values())

    @cached_property
    def normed(self) -> dict[str, Block]:
        """Every block that has a norm, by name."""
        found = {}
        for module in self.plan.root.children:
            prefix, nodes = blocks_of(module)
            for node in nodes:
                name = f"{prefix}.{node.name}"
                norm = self.norms.get(name)
                if norm is not None:
                    found[name] = Block(module.name, name, node, norm, self.winners[name])
        return found

    @cached_property
    def _assignments(self) -> dict[str, Assignment]:
        return {
            name: assignment
            for assignment in self.plan.assignments
            for name in (assignment.parameter.name, *assignment.parameter.aliases)
        }

    def drawn(self, node: Node) -> Iterator[tuple[Parameter, Assignment]]:
        """Every parameter below a node, and how it, or the owner that it is tied to, is drawn."""
        for part in node.walk():
            for parameter in part.parameters:
                yield parameter, self._assignments[parameter.name]

    def norms_in_a_row(self) -> Iterator[tuple[Named, Named]]:
        """Two norms with nothing between, each by its name and the block whose rule gives it."""
        for module in self.plan.root.children:
            if module.kind == "transformer":
                yield from self._norms_in_a_row_within(module)
        for read, reader in self.edges:
            first, second = closing_norm(read), opening_norm(reader)
            if first and second:
                before, after = last_block(read)[0], first_block(reader)[0]
                yield (first, self.normed[before]), (second, self.normed[after])

    def _norms_in_a_row_within(self, module: Node) -> Iterator[tuple[Named, Named]]:
        prefix, nodes = blocks_of(module)
        for left, right in pairwise(nodes):
            before, after = f"{prefix}.{left.name}", f"{prefix}.{right.name}"
            if has(left, "ffn_residual_norm") and has(right, "attention_input_norm"):
                first, second = f"{before}.ffn_residual_norm", f"{after}.attention_input_norm"
                yield (first, self.normed[before]), (second, self.normed[after])
        name, last = last_block(module)
        if last and has(last, "ffn_residual_norm") and has(module, "final_norm"):
            block = self.normed[name]
            yield (f"{name}.ffn_residual_norm", block), (f"{module.name}.final_norm", block)

    def behind_dropout(self) -> Iterator[tuple[str, str]]:
        """Names of what ends in dropout and of the block that reads it.

        A transformer block drops values inside, so that its norms stand behind its own dropout.
        """
        for module in self.plan.root.children:
            prefix, nodes = blocks_of(module)
            own = module.kind == "transformer"
            followers: Iterable[tuple[Node, Node]] = (
                zip(nodes, nodes, strict=True) if own else pairwise(nodes)
            )
            for left, right in followers:
                if left.settings["dropout"]:
                    yield f"{prefix}.{left.name}", f"{prefix}.{right.name}"
        for read, reader in self.edges:
            name, block = last_block(read)
            ends = block or read
            if ends.kind != "transformer_block" and ends.settings.get("dropout"):
                yield name or read.name, first_block(reader)[0]


def first_block(module: Node) -> tuple[str, Node | None]:
    """Name and node of a module's first block, no node where it has no blocks."""
    return _end(module, 0)


def last_block(module: Node) -> tuple[str, Node | None]:
    """Name and node of a module's last block, no node where it has no blocks."""
    return _end(module, -1)


def opening_norm(module: Node) -> str:
    """Logical name of the norm that a module begins with; empty if there is none."""
    if has(module, "input_norm"):
        return f"{module.name}.input_norm"
    name, block = first_block(module)
    return f"{name}.attention_input_norm" if block and has(block, "attention_input_norm") else ""


def closing_norm(module: Node) -> str:
    """Logical name of the norm that a module of sequences ends with; empty if there is none."""
    if has(module, "final_norm"):
        return f"{module.name}.final_norm"
    name, block = last_block(module)
    if block is None:
        return ""
    if has(block, "ffn_residual_norm"):
        return f"{name}.ffn_residual_norm"
    if has_skip(block):
        return ""  # what comes out is the sum
    after = block.kind == "recurrent_layer" or block.settings.get("placement") == "after_activation"
    return f"{name}.norm" if has(block, "norm") and after else ""


def has(node: Node, child: str) -> bool:
    """Whether a node has a child of this name."""
    return any(each.name == child for each in node.children)


def _end(module: Node, index: int) -> tuple[str, Node | None]:
    prefix, nodes = blocks_of(module)
    return (f"{prefix}.{nodes[index].name}", nodes[index]) if nodes else ("", None)


def blocks_of(module: Node) -> tuple[str, tuple[Node, ...]]:
    """A module's blocks, and what their names begin with."""
    if module.kind == "stack":
        return module.name, module.children
    if module.kind not in _STACKS:
        return module.name, ()
    (stack,) = (child for child in module.children if child.name == _STACKS[module.kind])
    return f"{module.name}.{stack.name}", stack.children
