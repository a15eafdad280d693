"""What planning any kind of module needs: its errors, its context, and blocks with a norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from seobuilder.planning.model import Node
from seobuilder.planning.placement import BlockKind, Normalizer, norm_node
from seobuilder.planning.primitives import Scope
from seobuilder.planning.signals import Category, FeatureMap, Sequence, Signal, Tokens, Vector


class Mismatch(Exception):
    """A value of the wrong kind or size; `key` is the key of the spec to point at."""

    def __init__(self, message: str, key: str = "from") -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, slots=True)
class Context:
    """What planning one module may ask: the norms, and how long position tables must be."""

    normalizer: Normalizer
    length: int


Planned = tuple[Node, Signal]

_NAMES: dict[type[Any], str] = {
    Tokens: "tokens",
    Category: "a category",
    Vector: "a vector",
    Sequence: "a sequence",
    FeatureMap: "an image",
}

_WAYS_OUT: dict[tuple[type[Any], type[Any]], str] = {
    (Tokens, Sequence): "; put a token_embedding between",
    (Tokens, Vector): "; put a token_embedding and a pool between",
    (Tokens, Category): "; use a token_embedding",
    (Category, Tokens): "; use a category_embedding",
    (Category, Vector): "; put a category_embedding between",
    (Sequence, Vector): "; put a pool between",
    (FeatureMap, Vector): "; put a pool between",
}


def expect(signal: Signal, *kinds: type[Any]) -> Any:
    """The signal, if it is of one of the kinds.

    Raises:
        Mismatch: it is not; says what to put between where that would help.
    """
    if not isinstance(signal, kinds):
        wanted = " or ".join(_NAMES[kind] for kind in kinds)
        raise Mismatch(f"needs {wanted}, and gets {signal}{way_out(signal, kinds[0])}")
    return signal


def way_out(signal: Signal, wanted: type[Any]) -> str:
    """How a signal becomes one of the wanted kind, as the end of a message; empty if unknown."""
    return _WAYS_OUT.get((type(signal), wanted), "")


def block(
    kind: BlockKind,
    scope: Scope,
    children: tuple[Node, ...],
    settings: dict[str, Any],
    width: int,
    context: Context,
    *,
    vector: bool = False,
) -> Node:
    """A layer with an activation and, if a rule says so, a norm before or after it.

    `children` are the layer, and before it the factor of its branch if it has one.
    """
    rule = context.normalizer.decide(scope.logical, kind, width, vector=vector)
    if rule is not None:
        settings = {**settings, "placement": rule.placement}
        # The norm comes first, as in the module: of names that are tied, the first is stored.
        children = (norm_node(scope.child("norm"), rule, width), *children)
    return scope.node(kind, settings, children)
