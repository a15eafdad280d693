"""Selectors that speak of some parameters and of no others, as short as they can be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from seobuilder.planning.model import Parameter
from seobuilder.recipe.patterns import MAX_LENGTH, compile_pattern


def narrow_selectors(names: Sequence[str], parameters: Sequence[Parameter]) -> list[dict[str, str]]:
    """Selectors that together match just these names of all parameters: one, where one can.

    `match` alone where a pattern does, a role alone or beside a pattern where that does; else the
    names are parted and each part has its own.
    """
    wanted = set(names)
    for selector in _candidates(names, parameters):
        if _selected(selector, parameters) == wanted:
            return [selector]
    first, second = _parted(names)
    return [*narrow_selectors(first, parameters), *narrow_selectors(second, parameters)]


def _candidates(names: Sequence[str], parameters: Sequence[Parameter]) -> Iterator[dict[str, str]]:
    wanted = set(names)
    roles = {parameter.role for parameter in parameters if parameter.name in wanted}
    role = roles.pop() if len(roles) == 1 else None
    if role is not None and len(wanted) > 1:
        yield {"role": role}
    patterns = [text for text in _patterns(names) if len(text) <= MAX_LENGTH]
    for pattern in patterns:
        yield {"match": pattern}
    if role is not None:
        for pattern in patterns:
            yield {"match": pattern, "role": role}


def _patterns(names: Sequence[str]) -> Iterator[str]:
    """Patterns that match all of the names, and perhaps more; those that are easiest read first."""
    rows = [name.split(".") for name in names]
    if len({len(row) for row in rows}) == 1:
        columns = [list(dict.fromkeys(column)) for column in zip(*rows, strict=True)]
        yield ".".join(_any(column, "*") for column in columns)
        for index in ("*", ""):
            yield ".".join(_any(column, _several(column, index)) for column in columns)
    head = _common(rows)
    tail = _common([row[len(head) :][::-1] for row in rows])[::-1]
    yield ".".join([*head, "**", *tail])


def _any(column: Sequence[str], several: str) -> str:
    """A segment of a pattern for these segments of names."""
    return column[0] if len(column) == 1 else several


def _several(column: Sequence[str], index: str) -> str:
    """A choice of words; for indices `index`, or if that is empty their range."""
    choice = "{" + ",".join(column) + "}"
    if not all(segment.isdecimal() for segment in column):
        return choice
    first, last = min(map(int, column)), max(map(int, column))
    return index or (f"<{first}-{last}>" if last - first + 1 == len(column) else choice)


def _common(rows: Sequence[Sequence[str]]) -> list[str]:
    """The segments with which all rows begin."""
    common = []
    for column in zip(*rows, strict=False):
        if len(set(column)) > 1:
            break
        common.append(column[0])
    return common


def _selected(selector: dict[str, str], parameters: Sequence[Parameter]) -> set[str]:
    pattern = compile_pattern(selector.get("match", "**"))
    role = selector.get("role")
    return {
        parameter.name
        for parameter in parameters
        if (role is None or parameter.role == role) and pattern.matches(parameter.name)
    }


def _parted(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names in two parts: those with the first one's last segment that not all share, others.

    Names end in what they are, and begin with where they stand; what they are is parted first, for
    parts in different places are often of one kind.
    """
    rows = [name.split(".") for name in names]
    tail = len(_common([row[::-1] for row in rows]))
    key = {name: row[: len(row) - tail][-1:] for name, row in zip(names, rows, strict=True)}
    first = [name for name in names if key[name] == key[names[0]]]
    return first, [name for name in names if key[name] != key[names[0]]]
