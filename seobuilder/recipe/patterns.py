"""Patterns: globs over dotted names, matched in full.

    pattern      a segment, or several joined by dots
    segment      `**`, or a row of the pieces below
    name text    letters, digits, `_` and `-`, which stand for themselves
    `*`          any characters within one segment, also none
    `**`         any number of whole segments, also none; a segment of its own
    `{a,b*}`     one of the alternatives, which hold name text and `*` only
    `<0-3>`      an index from 0 to 3, written without leading zeros; takes all digits in a row

`intent.**.weight` matches `intent.weight` and `intent.a.b.weight`, `**.bias` matches `bias`, and
`encoder.blocks.<0-3>.**` what is in the first four blocks.

There are no regular expressions: matching keeps the set of places that a name can have led to, so
that it takes time in proportion to the pattern and the name, whatever stars the pattern holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

from seobuilder.recipe.diagnostics import quote

MAX_LENGTH = 200


class PatternError(ValueError):
    """A pattern is malformed; `offset` is the character of its text where it goes wrong."""

    code = "R030"

    def __init__(self, message: str, offset: int) -> None:
        """Say what is wrong with the pattern, and at which character of it, counted from 0."""
        super().__init__(message)
        self.message = message
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Star:
    """Any characters of one segment."""


@dataclass(frozen=True, slots=True)
class Range:
    """A decimal index between two bounds, both included."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several rows of pieces."""

    rows: tuple[tuple[str | Star, ...], ...]


Piece: TypeAlias = str | Star | Range | Choice
Segment: TypeAlias = str | tuple[Piece, ...] | None
"""Plain name text, a row of pieces, or None for `**`."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern; two are equal if their texts are."""

    text: str
    segments: tuple[Segment, ...] = field(repr=False, compare=False)

    def matches(self, name: str) -> bool:
        """Whether the pattern matches all of a dotted name."""
        names = name.split(".")
        reached = {0}
        for segment in self.segments:
            if segment is None:
                reached = set(range(min(reached), len(names) + 1))
            else:
                reached = {i + 1 for i in reached if i < len(names) and _fits(segment, names[i])}
            if not reached:
                return False
        return len(names) in reached


@lru_cache(maxsize=1024)
def compile_pattern(text: str) -> Pattern:
    """Compile a pattern of at most 200 characters.

    Raises:
        PatternError: the text is not a pattern.
    """
    if len(text) > MAX_LENGTH:
        raise PatternError(f"a pattern has at most {MAX_LENGTH} characters", MAX_LENGTH)
    segment, offset = _segment(text, 0)
    segments = [segment]
    while offset < len(text):
        segment, offset = _segment(text, offset + len("."))
        segments.append(segment)
    return Pattern(text, tuple(segments))


# Matching.


def _fits(segment: str | tuple[Piece, ...], name: str) -> bool:
    if isinstance(segment, str):
        return segment == name
    return _fits_pieces(segment, name)


# A model has many parameters, whose names are made of few different segments.
@lru_cache(maxsize=4096)
def _fits_pieces(pieces: tuple[Piece, ...], name: str) -> bool:
    return len(name) in _advance(pieces, name, {0})


def _advance(pieces: tuple[Piece, ...], name: str, reached: set[int]) -> set[int]:
    """Where in `name` a row of pieces can end that begins at one of the places in `reached`."""
    for piece in pieces:
        if not reached:
            break
        match piece:
            case str():
                reached = {i + len(piece) for i in reached if name.startswith(piece, i)}
            case Star():
                reached = set(range(min(reached), len(name) + 1))
            case Range():
                ends = (_end_of_index(piece, name, i) for i in reached)
                reached = {end for end in ends if end is not None}
            case Choice():
                reached = set().union(*(_advance(row, name, reached) for row in piece.rows))
    return reached


INDEX = re.compile(r"(?<![0-9])(0|[1-9][0-9]{0,199})(?![0-9])")


def _end_of_index(bounds: Range, name: str, start: int) -> int | None:
    found = INDEX.match(name, start)
    if found and bounds.first <= int(found[0]) <= bounds.last:
        return found.end()
    return None


# Parsing: each function reads one thing at an offset and returns it with the offset after it.

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_BOUNDS = re.compile(r"<(0|[1-9][0-9]*)-(0|[1-9][0-9]*)>")


def _segment(text: str, offset: int) -> tuple[Segment, int]:
    stop = text.find(".", offset) if "." in text[offset:] else len(text)
    if text[offset:stop] == "**":
        return None, stop
    pieces: list[Piece] = []
    while offset < len(text) and text[offset] != ".":
        piece, after = _piece(text, offset)
        _check_star(pieces, piece, offset)
        pieces.append(piece)
        offset = after
    if not pieces:
        raise PatternError("a segment is empty", offset)
    if len(pieces) == 1 and isinstance(pieces[0], str):
        return pieces[0], offset
    return tuple(pieces), offset


def _piece(text: str, offset: int) -> tuple[Piece, int]:
    if text[offset] == "{":
        return _choice(text, offset)
    if text[offset] == "<":
        return _range(text, offset)
    found = _simple_piece(text, offset)
    if found is None:
        raise PatternError(f"unexpected {quote(text[offset])}", offset)
    return found


def _simple_piece(text: str, offset: int) -> tuple[str | Star, int] | None:
    if text[offset] == "*":
        return Star(), offset + 1
    if found := _NAME.match(text, offset):
        return found[0], found.end()
    return None


def _choice(text: str, offset: int) -> tuple[Choice, int]:
    opening = offset
    rows: list[tuple[str | Star, ...]] = []
    row: list[str | Star] = []
    offset += 1
    while offset < len(text):
        if text[offset] in ",}":
            if not row:
                raise PatternError("an alternative is empty", offset)
            rows.append(tuple(row))
            row = []
            offset += 1
            if text[offset - 1] == "}":
                return Choice(tuple(rows)), offset
            continue
        found = _simple_piece(text, offset)
        if found is None:
            message = f"unexpected {quote(text[offset])}; alternatives hold names and `*` only"
            raise PatternError(message, offset)
        _check_star(row, found[0], offset)
        row.append(found[0])
        offset = found[1]
    raise PatternError("the `{` is never closed", opening)


def _range(text: str, offset: int) -> tuple[Range, int]:
    found = _BOUNDS.match(text, offset)
    if not found:
        raise PatternError("expected a range such as `<0-3>`", offset)
    first, last = int(found[1]), int(found[2])
    if first > last:
        raise PatternError(f"the range {quote(found[0])} is empty", offset)
    return Range(first, last), found.end()


def _check_star(pieces: Sequence[Piece], piece: Piece, offset: int) -> None:
    if isinstance(piece, Star) and pieces and isinstance(pieces[-1], Star):
        raise PatternError("`**` must be a segment of its own", offset - 1)
