"""A document's text with its nodes found in it, and single edits that leave the rest as it is.

Every edit is a list of splices: stretches of the text that give way to others. What stands around
decides how an edit is laid out: in brackets or on lines of its own, with the indentation, the line
breaks and the quotes that are there.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Any, NamedTuple

from seobuilder.recipe.diagnostics import Mark
from seobuilder.recipe.document import Document, Mapping, Node, Scalar, Sequence
from seobuilder.recipe.dump import flow

_BREAK = re.compile(r"\r\n|\r|\n")
_REST = re.compile(r"[ \t]*(?:(?<=[ \t])#[^\r\n]*)?")
_COMMENT_LINE = re.compile(r"[ \t]*#[^\r\n]*")
_SPACE = re.compile(r"(?:\s|(?<![^\s,\[{])#[^\r\n]*)*")


class Splice(NamedTuple):
    """The text from `start` to `end` gives way to `new`."""

    start: int
    end: int
    new: str = ""


class Layout:
    """A text, and where the nodes of its document stand in it."""

    def __init__(self, text: str, document: Document) -> None:
        """Note where lines begin."""
        self.text = text
        self.root = document.root
        breaks = list(_BREAK.finditer(text))
        self._starts = [0, *(found.end() for found in breaks)]
        self._ends = [*(found.start() for found in breaks), len(text)]
        self._newline = breaks[0][0] if breaks else "\n"

    def replaced(self, parent: Mapping | Sequence, step: str | int, value: Any) -> list[Splice]:
        """Another value for a key or an item."""
        old, indicator = self._child(parent, step)
        start, end = self._start(old), self._end(old)
        if isinstance(old, Scalar) and start == end:
            return [self._filled(parent, step, indicator, flow(value))]
        if self._is_flow(old):
            return [Splice(start, end, self._quoted(start, value))]
        if self._line(start) == self._line(indicator):
            return [Splice(start, end, flow(value))]
        return [
            Splice(indicator, indicator, f" {flow(value)}"),
            self._whole_lines(start, end),
        ]

    def added(self, parent: Mapping, key: str, value: Any) -> list[Splice]:
        """A new last key."""
        last = list(parent.entries.values())[-1:]
        text = f"{flow(key)}: {flow(value)}"
        if self._is_flow(parent):
            return self._joined(parent, [entry.key_mark for entry in last], text)
        (entry,) = last
        indent = " " * (entry.key_mark.column - 1)
        end = self._ends[self._line(self._end(entry.value))]
        if parent is self.root:
            return [Splice(end, end, self._section(key, value))]
        return [Splice(end, end, f"{self._newline}{indent}{text}")]

    def inserted(self, parent: Sequence, index: int, value: Any) -> list[Splice]:
        """A new item before the one at `index`, or at the end."""
        if self._is_flow(parent):
            return self._inserted_in_brackets(parent, index, flow(value))
        neighbour = parent.items[min(index, len(parent.items) - 1)]
        lines = self._item(value, in_lines=not self._is_flow(neighbour))
        indent = " " * (parent.mark.column - 1)
        if index == len(parent.items):
            end = self._ends[self._line(self._end(neighbour))]
            text = "".join(f"{self._newline}{indent}{line}" for line in lines)
            return [Splice(end, end, text)]
        dash = self._dash(parent, index)
        text = f"{self._newline}{indent}".join([*lines, ""])
        if self._leads(dash):
            start = self._below_comments(parent, index, dash)
            return [Splice(start, start, indent + text[: len(text) - len(indent)])]
        return [Splice(dash, dash, text)]

    def deleted(self, parent: Mapping | Sequence, step: str | int) -> list[Splice]:
        """One key or item less, with what is said of it behind it on its last line."""
        if self._is_flow(parent):
            return self._deleted_in_brackets(parent, step)
        child, indicator = self._child(parent, step)
        entry = parent.entries[str(step)] if isinstance(parent, Mapping) else None
        start = indicator - 1 if entry is None else self._at(entry.key_mark)
        end = max(indicator, self._end(child))
        if self.is_lone_line(parent):  # of the whole document
            return [Splice(start, end, "{}")]
        if self._leads(start):
            return [self._whole_lines(start, end)]
        # It shares its line with the dash of the item that it begins.
        following = _SPACE.match(self.text, end)
        assert following is not None
        if "#" in self.text[self._ends[self._line(end)] : following.end()]:
            return [Splice(len(self.text[:start].rstrip(" \t")), self._rest(end))]
        return [Splice(start, following.end())]

    def is_lone_line(self, parent: Mapping | Sequence) -> bool:
        """Whether it is written in lines and has one part, without which it must be in brackets."""
        return not self._is_flow(parent) and len(_children(parent)) == 1

    def _child(self, parent: Mapping | Sequence, step: str | int) -> tuple[Node, int]:
        """A child, and where its colon or dash (in brackets: the child itself) ends."""
        if isinstance(parent, Mapping):
            entry = parent.entries[str(step)]
            key_end = self._at(entry.key_mark) + entry.key_mark.length
            colon = re.compile(r"\s*:").match(self.text, key_end)
            return entry.value, colon.end() if colon else key_end
        child = parent.items[int(step)]
        if self._is_flow(parent):
            return child, self._start(child)
        return child, self._dash(parent, int(step)) + 1

    def _filled(
        self, parent: Mapping | Sequence, step: str | int, indicator: int, text: str
    ) -> Splice:
        """A value for a key, or for a dash, that has none yet."""
        colon = "" if self.text[indicator - 1 : indicator] in (":", "-") else ":"
        return Splice(indicator, indicator, f"{colon} {text}")

    def _joined(self, parent: Mapping | Sequence, last: list[Mark], text: str) -> list[Splice]:
        """A new last part in brackets; `last` is where the last part of now begins, if any."""
        if not last:
            start = self._start(parent) + 1
            return [Splice(start, start, text)]
        start, end = self._at(last[0]), self._part_end(parent, _children(parent)[-1])
        comma = self._comma(end)
        behind = end if comma is None else comma + 1
        added = "" if comma is None else ","
        own = [] if comma is not None else [Splice(end, end, ",")]
        if not (self._leads(start) and self._is_tall(parent)):
            return [*own, Splice(behind, behind, f" {text}{added}")]
        indent = self.text[self._starts[self._line(start)] : start]
        stop = self._ends[self._line(behind)]
        place = stop if self._rest(behind) == stop else behind
        return [*own, Splice(place, place, f"{self._newline}{indent}{text}{added}")]

    def _inserted_in_brackets(self, parent: Sequence, index: int, text: str) -> list[Splice]:
        if index == len(parent.items):
            return self._joined(parent, [item.mark for item in parent.items[-1:]], text)
        start = self._start(parent.items[index])
        if self._leads(start) and self._is_tall(parent):
            indent = self.text[self._starts[self._line(start)] : start]
            return [Splice(start, start, f"{text},{self._newline}{indent}")]
        return [Splice(start, start, f"{text}, ")]

    def _deleted_in_brackets(self, parent: Mapping | Sequence, step: str | int) -> list[Splice]:
        child, indicator = self._child(parent, step)
        entry = parent.entries[str(step)] if isinstance(parent, Mapping) else None
        start = self._start(child) if entry is None else self._at(entry.key_mark)
        end = max(indicator, self._end(child))
        steps = _children(parent)
        before = steps.index(step) - 1
        comma = self._comma(end)
        if comma is None and before < 0:
            return [Splice(start, end)]
        behind = end if comma is None else comma + 1
        extra = []
        if comma is None:
            point = self._comma(self._part_end(parent, steps[before]))
            assert point is not None, "a comma parts two of them"
            extra = [Splice(point, point + 1)]
        if self._leads(start) and self._rest(behind) == self._ends[self._line(behind)]:
            return [*extra, self._whole_lines(start, behind)]
        if self._leads(start):
            stop = len(self.text) - len(self.text[behind:].lstrip(" \t"))
            return [*extra, Splice(start, stop if comma is not None else end)]
        space = re.compile(r"[ \t]*")
        if comma is None:
            (parting,) = extra
            blank = self.text[parting.end : start].strip() == ""
            return [Splice(parting.start, end)] if blank else [*extra, Splice(start, end)]
        ahead = space.match(self.text, behind)
        assert ahead is not None
        if ahead.end() < self._ends[self._line(behind)] and self.text[ahead.end()] != "#":
            return [Splice(start, ahead.end())]
        return [Splice(len(self.text[:start].rstrip(" \t")), behind)]

    def _section(self, key: str, value: Any) -> str:
        """A new last key of the whole document, set off as those before it are."""
        last = list(self.root.entries.values())[-1].key_mark.line
        blank = self._newline if self._is_blank(last - 2) else ""
        if isinstance(value, list) and value:
            lines = [f"{flow(key)}:", *(f"  - {flow(item)}" for item in value)]
        else:
            lines = [f"{flow(key)}: {flow(value)}"]
        return blank + "".join(self._newline + line for line in lines)

    def _is_blank(self, line: int) -> bool:
        return line >= 0 and self._starts[line] == self._ends[line]

    def _item(self, value: Any, *, in_lines: bool) -> list[str]:
        """The lines of a new item, laid out as its neighbour is."""
        if not (in_lines and isinstance(value, dict) and value):
            return [f"- {flow(value)}"]
        entries = [f"{flow(key)}: {flow(each)}" for key, each in value.items()]
        return [("- " if index == 0 else "  ") + line for index, line in enumerate(entries)]

    def _quoted(self, start: int, value: Any) -> str:
        """The value in single quotes where such a text gives way to another."""
        text = flow(value)
        if self.text[start] == "'" and isinstance(value, str) and text.startswith('"'):
            if "\\" in text or "'" in value:
                return text
            return f"'{value}'"
        return text

    def _below_comments(self, parent: Sequence, index: int, dash: int) -> int:
        """Where a new item goes: above the comments that stand right above the next one.

        Above the first item a comment may be about the whole list, and stays above.
        """
        line = self._line(dash)
        if index:
            first = self._line(self._end(parent.items[index - 1])) + 1
            while line > first and self._is_comment(line - 1):
                line -= 1
        return self._starts[line]

    def _is_comment(self, line: int) -> bool:
        found = _COMMENT_LINE.match(self.text, self._starts[line])
        return found is not None and found.end() == self._ends[line]

    def _dash(self, parent: Sequence, index: int) -> int:
        """The dash of an item: in the column of the list's first, and nowhere in a comment."""
        column = parent.mark.column - 1
        line = self._line(self._start(parent.items[index]))
        while True:
            start = self._starts[line]
            is_dash = self.text[start + column : start + column + 1] == "-"
            if is_dash and "#" not in self.text[start : start + column]:
                return start + column
            line -= 1
            assert line >= 0, "every item of a list in lines has a dash"

    def _comma(self, position: int) -> int | None:
        """The comma after a part in brackets, None where none follows."""
        found = _SPACE.match(self.text, position)
        assert found is not None
        return found.end() if self.text[found.end() : found.end() + 1] == "," else None

    def _part_end(self, parent: Mapping | Sequence, step: str | int) -> int:
        """Where a part in brackets ends."""
        child, indicator = self._child(parent, step)
        return max(indicator, self._end(child))

    def _whole_lines(self, start: int, end: int) -> Splice:
        """The lines from one place to another, with the break behind them."""
        last = self._line(end)
        stop = self._starts[last + 1] if last + 1 < len(self._starts) else len(self.text)
        return Splice(self._starts[self._line(start)], stop)

    def _rest(self, position: int) -> int:
        """Behind the spaces and the comment that end a line."""
        found = _REST.match(self.text, position)
        assert found is not None
        return found.end()

    def _leads(self, position: int) -> bool:
        """Whether nothing but spaces stands before a place in its line."""
        return not self.text[self._starts[self._line(position)] : position].strip()

    def _is_tall(self, node: Node) -> bool:
        return self._line(self._start(node)) < self._line(self._end(node))

    def _is_flow(self, node: Node) -> bool:
        """Whether it is a single value, or in brackets."""
        return isinstance(node, Scalar) or self.text[self._start(node)] in "[{"

    def _start(self, node: Node) -> int:
        return self._at(node.mark)

    def _at(self, mark: Mark) -> int:
        return self._starts[mark.line - 1] + mark.column - 1

    def _end(self, node: Node) -> int:
        assert node.end is not None, "the node was read from this text"
        line, column = node.end
        return self._starts[line - 1] + column - 1

    def _line(self, position: int) -> int:
        return bisect_right(self._starts, position) - 1


def _children(parent: Mapping | Sequence) -> list[str | int]:
    return list(parent.entries) if isinstance(parent, Mapping) else [*range(len(parent.items))]


def spliced(text: str, splices: list[Splice]) -> str:
    """The text after splices that don't overlap; those at one place come in their order."""
    parts, position = [], 0
    for start, end, new in sorted(splices, key=lambda splice: splice.start):
        parts += [text[position:start], new]
        position = end
    return "".join([*parts, text[position:]])
