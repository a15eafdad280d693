"""Where in the recipes' own text a value of the resolved recipe was written.

What composition makes of several files keeps the marks of their nodes, and a mark leads back to the
one node of one file that has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import NamedTuple

from seobuilder.recipe.diagnostics import Mark
from seobuilder.recipe.document import (
    Document,
    Mapping,
    Node,
    PathLike,
    Scalar,
    Sequence,
    lookup,
)


class Place(NamedTuple):
    """A file, relative to the recipe's folder, and the path of a value in it, as it is written.

    `line` is the value's, or, of a value that is new, that of what would hold it; None of a section
    that is new, which may stand anywhere.
    """

    file: str
    path: tuple[str | int, ...]
    line: int | None


class Written:
    """The recipes that a resolved recipe was made of."""

    def __init__(self, documents: Iterable[Document], folder: PurePath) -> None:
        """Note the place of every node; `folder` is the recipe's, as its diagnostics name it."""
        self._places = {
            (type(node), node.mark): Place(
                PurePath(document.file).relative_to(folder).as_posix(), path, node.mark.line
            )
            for document in documents
            for node, path in _walk(document.root, ())
        }

    def find(self, resolved: Mapping, path: PathLike) -> Place | None:
        """Where the value at a path of `resolved` was written, or, if it is new, would be.

        None where it comes from elsewhere, as a whole or in part.
        """
        for depth in range(len(path), -1, -1):
            found = lookup(resolved, path[:depth])
            if found.complete:
                break
        place = self._places.get((type(found.node), found.node.mark))
        if place is None:
            return None
        if depth < len(path):
            line = place.line if depth else None
            return place._replace(path=(*place.path, *path[depth:]), line=line)
        # A value that was made for a key has the mark of what it was made from.
        if path and isinstance(path[-1], str) and place.path[-1] != path[-1]:
            return None
        file = found.node.mark.file
        return place if all(each.mark.file == file for each, _ in _walk(found.node, ())) else None

    def find_scalar(self, mark: Mark) -> Place | None:
        """Where a scalar with this mark was written."""
        return self._places.get((Scalar, mark))


def _walk(node: Node, path: tuple[str | int, ...]) -> Iterator[tuple[Node, tuple[str | int, ...]]]:
    yield node, path
    if isinstance(node, Mapping):
        for key, entry in node.entries.items():
            yield from _walk(entry.value, (*path, key))
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield from _walk(item, (*path, index))
