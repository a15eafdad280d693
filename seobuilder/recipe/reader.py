"""Bytes of a recipe to a document with marks.

YAML is read as data: no tags, anchors, merge keys or second documents, values by the core schema of
YAML 1.2 (see `scalars`). What a file can make the reader do is bounded: its size before it is
decoded, its depth and its number of nodes while the parser's events arrive, before anything is
built from them. Nothing here recurses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from seobuilder.errors import RecipeError
from seobuilder.recipe.diagnostics import Diagnostic, Mark, quote, split_lines
from seobuilder.recipe.document import (
    Document,
    Entry,
    Mapping,
    Node,
    Scalar,
    Sequence,
    format_path,
    plain,
)
from seobuilder.recipe.scalars import OutOfRange, resolve
from seobuilder.recipe.syntax import Position, explain, mark_at

MAX_BYTES = 2**20
MAX_DEPTH = 64
MAX_NODES = 100_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# All that YAML 1.2 calls unprintable, and what some readers take for a line break and others do not
# (next line, line and paragraph separator) or for nothing at all (a byte order mark within text).
_CONTROL = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)

_SURROGATE = re.compile("[\ud800-\udfff]")


def read(data: bytes, file: str) -> Document:
    """Read one recipe; `file` is the name that its diagnostics show.

    Raises:
        RecipeError: holds every problem that could be found.
    """
    text = _decode(data, file)
    lines = split_lines(text)
    builder = _Builder(file, lines)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except _Stop:
        pass
    except yaml.MarkedYAMLError as error:
        builder.problems.append(explain(error, file, lines))
    except (ValueError, OverflowError):
        # An escape within a tag, or a code point beyond Unicode, which the parser cannot decode.
        builder.problem("R004", "an escape after this place names no character", builder.end)
    return builder.finish()


def read_value(text: str) -> Any:
    """Plain data of a value on one line, such as a change of a recipe holds."""
    entry = read(f"value: {text}".encode(), "").root.entries["value"]
    return plain(entry.value)


def _decode(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        message = f"the file has {len(data):,} bytes; at most {MAX_BYTES:,} are read"
        raise RecipeError([Diagnostic("R002", message, Mark(file, 1, 1))])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        lines = split_lines(data.decode("utf-8-sig", errors="replace"))
        before = split_lines(data[: error.start].decode("utf-8-sig"))
        mark = Mark(file, len(before), len(before[-1]) + 1)
        message = f"byte 0x{data[error.start]:02X} is not UTF-8"
        raise RecipeError([Diagnostic("R001", message, mark)], {file: lines}) from None
    if found := _CONTROL.search(text):
        count = len(_CONTROL.findall(text))
        before = split_lines(text[: found.start()])
        message = f"control character U+{ord(found[0]):04X}"
        message += f", the first of {count:,}" if count > 1 else ""
        mark = Mark(file, len(before), len(before[-1]) + 1)
        raise RecipeError([Diagnostic("R003", message, mark)], {file: split_lines(text)})
    return text


class _Stop(Exception):
    """A limit was passed; the rest of the file is not looked at."""


@dataclass(slots=True)
class _OpenSequence:
    start: yaml.CollectionStartEvent
    items: list[Node] = field(default_factory=list)

    @property
    def step(self) -> int:
        return len(self.items)


@dataclass(slots=True)
class _OpenMapping:
    """`key_mark` is None while a key is expected; `key` is None then, or if it was refused."""

    start: yaml.CollectionStartEvent
    entries: dict[str, Entry] = field(default_factory=dict)
    key: str | None = None
    key_mark: Mark | None = None
    first_key_mark: Mark | None = None

    @property
    def step(self) -> str | None:
        return self.key


class _Builder:
    """Takes the parser's events one by one and builds the document from them."""

    def __init__(self, file: str, lines: tuple[str, ...]) -> None:
        self.problems: list[Diagnostic] = []
        self.end = Mark(file, 1, 1)
        self._file = file
        self._lines = lines
        self._open: list[_OpenSequence | _OpenMapping] = []
        self._root: Node | None = None
        self._nodes = 0
        self._documents = 0
        self._last_end = (1, 1)

    def finish(self) -> Document:
        """The document, once all events were taken."""
        if not self.problems:
            match self._root:
                case Mapping() as root:
                    return Document(self._file, root, self._lines)
                case Sequence(mark):
                    self.problem("R009", "a recipe is a mapping, not a list", mark)
                case Scalar(mark, value) if value is not None:
                    self.problem("R009", "a recipe is a mapping, not a single value", mark)
                case _:
                    self.problem("R008", "the file is empty", Mark(self._file, 1, 1))
        raise RecipeError(self.problems, {self._file: self._lines})

    def problem(
        self, code: str, message: str, mark: Mark, key: str | None = None, help: str = ""
    ) -> None:
        """Note a problem with what is being read, or with this key of it."""
        path = [o.step for o in self._open] + [key]
        place = format_path([step for step in path if step is not None])
        self.problems.append(Diagnostic(code, message, mark, place, help=help))

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        self.end = self._mark(event.end_mark)
        match event:
            case yaml.ScalarEvent():
                self._add(self._scalar(event))
            case yaml.AliasEvent():
                self._add(self._alias(event), refused=True)
            case yaml.CollectionStartEvent():
                self._enter(event)
            case yaml.CollectionEndEvent():
                self._add(self._leave(event))
            case yaml.DocumentStartEvent():
                self._start_document(event)

    def _start_document(self, event: yaml.DocumentStartEvent) -> None:
        mark = self._mark(event.start_mark)
        self._documents += 1
        if self._documents > 1:
            self.problem("R007", "a second document begins here", mark)
            raise _Stop
        if event.version not in (None, (1, 2)) or event.tags:
            self.problem("R016", "YAML directives are not part of the language", mark)

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        mark = self._mark(event.start_mark, event.end_mark)
        self._count(mark)
        self._refuse_properties(event, mark)
        if _SURROGATE.search(event.value):  # only the pure Python parser lets them through
            self.problem("R004", "an escape names half of a surrogate pair", mark)
        if event.style or event.tag:
            return Scalar(mark, event.value, self._end(event))
        try:
            return Scalar(mark, resolve(event.value), self._end(event))
        except OutOfRange as error:
            self.problem("R015", str(error), mark)
            return Scalar(mark, None)

    def _alias(self, event: yaml.AliasEvent) -> Scalar:
        mark = self._mark(event.start_mark, event.end_mark)
        self._count(mark)
        name = quote(f"*{event.anchor}")
        self.problem(
            "R011",
            f"alias {name}; aliases are not part of the language",
            mark,
            help="text that begins with `*` goes in quotes",
        )
        return Scalar(mark, None)

    def _enter(self, event: yaml.CollectionStartEvent) -> None:
        mark = self._mark(event.start_mark)
        self._count(mark)
        self._refuse_properties(event, mark)
        if len(self._open) == MAX_DEPTH:
            message = f"mappings and lists are nested more than {MAX_DEPTH} levels deep"
            self.problems.append(Diagnostic("R005", message, mark))
            raise _Stop
        if isinstance(event, yaml.MappingStartEvent):
            self._open.append(_OpenMapping(event))
        else:
            self._open.append(_OpenSequence(event))

    def _leave(self, event: yaml.CollectionEndEvent) -> Node:
        ended = self._open.pop()
        start = ended.start
        mark = self._mark(start.start_mark, event.end_mark if start.flow_style else None)
        end = self._end(event) if start.flow_style else self._last_end
        if isinstance(ended, _OpenSequence):
            return Sequence(mark, tuple(ended.items), end)
        if not start.flow_style and ended.first_key_mark:
            mark = ended.first_key_mark
        return Mapping(mark, ended.entries, end)

    def _add(self, node: Node, refused: bool = False) -> None:
        """Put a node that is complete where it belongs; one that was refused is not a key."""
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        if isinstance(parent, _OpenSequence):
            parent.items.append(node)
        elif parent.key_mark is None:
            parent.key = None if refused else self._key(parent, node)
            parent.key_mark = node.mark
            parent.first_key_mark = parent.first_key_mark or node.mark
        else:
            if parent.key is not None:
                parent.entries[parent.key] = Entry(parent.key_mark, node)
            parent.key = parent.key_mark = None

    def _key(self, parent: _OpenMapping, node: Node) -> str | None:
        """The key that a node stands for, or None if it cannot be one."""
        if not isinstance(node, Scalar):
            kind = "list" if isinstance(node, Sequence) else "mapping"
            self.problem("R014", f"a key must be a string, not a {kind}", node.mark)
            return None
        key, mark = node.value, node.mark
        if not isinstance(key, str):
            written = self._lines[mark.line - 1][mark.column - 1 :][: mark.length]
            message = f"the key {quote(written)} is not a string"
            self.problem("R014", message, mark, help="put the key in quotes")
        elif key == "<<" and mark.length == len("<<"):
            self.problem("R012", "merge keys are not part of the language", mark)
        elif key in parent.entries:
            first = parent.entries[key].key_mark
            message = f"duplicate key; it stands first at line {first.line}, column {first.column}"
            self.problem("R010", message, mark, key)
        else:
            return key
        return None

    def _refuse_properties(
        self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, mark: Mark
    ) -> None:
        if event.anchor is not None:
            name = quote(f"&{event.anchor}")
            message = f"anchor {name}; anchors are not part of the language"
            self.problem("R011", message, mark, help="text that begins with `&` goes in quotes")
        if event.tag is not None:
            help = "text that begins with `!` goes in quotes"
            self.problem("R013", "tags are not part of the language", mark, help=help)

    def _count(self, mark: Mark) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            message = f"the document has more than {MAX_NODES:,} keys, values and items"
            self.problems.append(Diagnostic("R006", message, mark))
            raise _Stop

    def _end(self, event: yaml.ScalarEvent | yaml.CollectionEndEvent) -> tuple[int, int]:
        """Where a node that is no block of lines ends; a block ends where its last part does."""
        position = event.end_mark
        assert position is not None, "PyYAML gives every event of a parsed text a position"
        line, column = position.line, position.column
        if isinstance(event, yaml.ScalarEvent) and event.style in ("|", ">"):
            # The parser looks on to what comes after empty lines.
            line, column = self._last_text(min(line, len(self._lines)) - (column == 0))
        self._last_end = line + 1, column + 1
        return self._last_end

    def _last_text(self, line: int) -> tuple[int, int]:
        """The end of the last line that is not empty, from this one upwards."""
        while line and not self._lines[line].strip():
            line -= 1
        return line, len(self._lines[line])

    def _mark(self, start: Position | None, end: Position | None = None) -> Mark:
        assert start is not None, "PyYAML gives every event of a parsed text a position"
        return mark_at(self._file, self._lines, start, end)
