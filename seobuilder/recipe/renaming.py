"""Names as they read elsewhere: a pattern, and the name that each match of it has there.

    pattern   encoder.blocks.*.attention.query.{weight,bias}
    target    encoder.layer.*.attention.self.query.{weight,bias}

A target is written like a pattern, and has as many wildcards as its pattern. In order, each stands
for what the pattern's wildcard matched:

    `*`          the text, of any wildcard but `**`
    `**`         the segments, of a `**`
    `{a,b}`      the alternative in the same place, of a `{c,d}`
    `<6-11>`     the index in the same place, of a range as long, such as `<0-5>`

Where a pattern can match a name in several ways, its first stars take as little as they can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import chain
from typing import TypeAlias

from seobuilder.recipe.diagnostics import quote
from seobuilder.recipe.patterns import (
    INDEX,
    Choice,
    Pattern,
    PatternError,
    Piece,
    Range,
    Segment,
    Star,
    compile_pattern,
)

Wildcard: TypeAlias = Star | Range | Choice | None
"""A wildcard of a pattern; None is `**`."""


@dataclass(frozen=True, slots=True)
class Capture:
    """What a wildcard matched, and which of its alternatives or indices that is, from 0."""

    text: str
    place: int = 0


Captures: TypeAlias = tuple[Capture, ...]


@dataclass(frozen=True, slots=True)
class Renaming:
    """A pattern, and what a name that matches it reads elsewhere."""

    pattern: Pattern
    target: Pattern = field(repr=False)

    def rename(self, name: str) -> str | None:
        """The name elsewhere, None if the pattern does not match."""
        captures = _capture(self.pattern.segments, tuple(name.split(".")))
        if captures is None:
            return None
        rest = iter(captures)
        segments = []
        for segment in self.target.segments:
            pieces = (segment,) if segment is None or isinstance(segment, str) else segment
            segments.append(
                "".join(p if isinstance(p, str) else _reading(p, next(rest)) for p in pieces)
            )
        return ".".join(segment for segment in segments if segment)


@lru_cache(maxsize=1024)
def compile_renaming(pattern: str, target: str) -> Renaming:
    """Compile a pattern and its target.

    Raises:
        PatternError: one of them is no pattern, or their wildcards do not go together.
    """
    renaming = Renaming(compile_pattern(pattern), compile_pattern(target))
    here, there = _wildcards(renaming.pattern), _wildcards(renaming.target)
    if len(here) != len(there):
        message = f"has {_count(there)}, and its pattern {_count(here)}"
        raise PatternError(message, 0)
    for number, (wildcard, reading) in enumerate(zip(here, there, strict=True), 1):
        if not _goes_with(reading, wildcard):
            message = f"wildcard {number} can't stand for that of {quote(pattern)}"
            raise PatternError(message, 0)
    return renaming


def _count(wildcards: Sequence[Wildcard]) -> str:
    return f"{len(wildcards)} wildcard{'' if len(wildcards) == 1 else 's'}"


def _wildcards(pattern: Pattern) -> list[Wildcard]:
    return [
        piece
        for segment in pattern.segments
        if not isinstance(segment, str)
        for piece in ((None,) if segment is None else segment)
        if not isinstance(piece, str)
    ]


def _goes_with(reading: Wildcard, wildcard: Wildcard) -> bool:
    """Whether a target's wildcard can say what a pattern's matched."""
    match reading:
        case None:
            return wildcard is None
        case Star():
            return wildcard is not None
        case Choice():
            same = isinstance(wildcard, Choice) and len(wildcard.rows) == len(reading.rows)
            return same and all(isinstance(piece, str) for piece in chain(*reading.rows))
        case Range():
            return isinstance(wildcard, Range) and (
                wildcard.last - wildcard.first == reading.last - reading.first
            )


def _reading(wildcard: Wildcard, capture: Capture) -> str:
    match wildcard:
        case Choice():
            return "".join(map(str, wildcard.rows[capture.place]))
        case Range():
            return str(wildcard.first + capture.place)
        case _:
            return capture.text


def _capture(segments: tuple[Segment, ...], names: tuple[str, ...]) -> Captures | None:
    """What each wildcard matches in a name's segments, None if the pattern does not match."""

    @cache  # each place is looked at once, whatever stars the pattern holds
    def rest(index: int, start: int) -> Captures | None:
        if index == len(segments):
            return () if start == len(names) else None
        segment = segments[index]
        if segment is None:
            for stop in range(start, len(names) + 1):
                after = rest(index + 1, stop)
                if after is not None:
                    return (Capture(".".join(names[start:stop])), *after)
            return None
        if start == len(names):
            return None
        pieces = (segment,) if isinstance(segment, str) else segment
        found = _capture_pieces(pieces, names[start])
        after = None if found is None else rest(index + 1, start + 1)
        return None if found is None or after is None else (*found, *after)

    return rest(0, 0)


def _capture_pieces(pieces: tuple[Piece, ...], name: str) -> Captures | None:
    """The same within one segment."""

    @cache
    def rest(index: int, start: int) -> Captures | None:
        if index == len(pieces):
            return () if start == len(name) else None
        piece = pieces[index]
        for stop, place in _ends(piece, name, start):
            after = rest(index + 1, stop)
            if after is not None:
                own = () if isinstance(piece, str) else (Capture(name[start:stop], place),)
                return (*own, *after)
        return None

    return rest(0, 0)


def _ends(piece: Piece, name: str, start: int) -> list[tuple[int, int]]:
    """Where a piece that begins at `start` can end, and which alternative or index that is."""
    match piece:
        case str():
            return [(start + len(piece), 0)] if name.startswith(piece, start) else []
        case Star():
            return [(stop, 0) for stop in range(start, len(name) + 1)]
        case Range():
            found = INDEX.match(name, start)
            index = int(found[0]) if found else -1
            within = found is not None and piece.first <= index <= piece.last
            return [(found.end(), index - piece.first)] if found and within else []
        case Choice():
            return [
                (stop, place)
                for place, row in enumerate(piece.rows)
                for stop in range(start, len(name) + 1)
                if _capture_pieces(row, name[start:stop]) is not None
            ]
