"""A document as it was written: plain values, each with the place where it stands."""

from __future__ import annotations

import collections.abc
import re
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from seobuilder.recipe.diagnostics import Mark, Sources, quote
from seobuilder.recipe.scalars import ScalarValue

PathLike: TypeAlias = collections.abc.Sequence[str | int]
"""Keys and indices that lead from a node to one below it."""

Plain: TypeAlias = "ScalarValue | list[Plain] | dict[str, Plain]"
"""Python data without marks."""

End: TypeAlias = tuple[int, int] | None
"""Line and column behind a node's last character, for nodes as they were read from a text."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. `mark` covers its text, quotes included."""

    mark: Mark
    value: ScalarValue
    end: End = field(default=None, compare=False)

    def at(self, offset: int, length: int = 1) -> Mark:
        """The mark of `length` characters of a string value, `offset` characters into it.

        Where the text in the file is not the value character by character (escapes, several
        lines), this is the mark of the whole scalar.
        """
        quotes, odd = divmod(self.mark.length - len(str(self.value)), 2)
        if odd or quotes not in (0, 1):
            return self.mark
        return Mark(self.mark.file, self.mark.line, self.mark.column + quotes + offset, length)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list. `mark` covers it if it is written in brackets on one line, else where it begins."""

    mark: Mark
    items: tuple[Node, ...]
    end: End = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of a mapping, and where its key stands."""

    key_mark: Mark
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values. `mark` covers it if it is in braces on one line, else its first key."""

    mark: Mark
    entries: collections.abc.Mapping[str, Entry]
    end: End = field(default=None, compare=False)


Node: TypeAlias = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its name, its top-level mapping, and the lines of its text."""

    file: str
    root: Mapping
    lines: tuple[str, ...]

    @property
    def sources(self) -> Sources:
        """The lines by file name, for rendering diagnostics."""
        return {self.file: self.lines}


class Found(NamedTuple):
    """The deepest node on a path.

    `mark` is where its key stands, or the node itself where it has no key. `complete` tells whether
    the whole path exists.
    """

    node: Node
    mark: Mark
    complete: bool


def plain(node: Node) -> Plain:
    """Python data of a node; the nesting is as deep as the reader lets it be, 64 levels."""
    match node:
        case Scalar():
            return node.value
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {key: plain(entry.value) for key, entry in node.entries.items()}


def lookup(node: Node, path: PathLike) -> Found:
    """The node at the end of `path`, or the last one before the path leaves the document."""
    mark = node.mark
    for step in path:
        if isinstance(node, Mapping) and step in node.entries:
            entry = node.entries[str(step)]
            node, mark = entry.value, entry.key_mark
        elif isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
            node = node.items[step]
            mark = node.mark
        else:
            return Found(node, mark, complete=False)
    return Found(node, mark, complete=True)


def format_path(path: PathLike) -> str:
    """A path as diagnostics show it: `initialization[0].method`, ``ties[`a.weight`]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[\w-]{1,60}", step):
            text += f".{step}" if text else step
        else:
            text += f"[{quote(step)}]"
    return text
