"""Changes to marked documents: each gives a new tree that shares what did not change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from seobuilder.recipe.diagnostics import Mark, quote, suggest
from seobuilder.recipe.document import Entry, Mapping, Node, Scalar, Sequence


def merge(base: Node, top: Node) -> Node:
    """`top` laid over `base`: mappings merge, a null deletes, everything else replaces.

    A null that finds nothing to delete stays, so that what checks the result can say so.
    """
    if not (isinstance(base, Mapping) and isinstance(top, Mapping)):
        return top
    entries = dict(base.entries)
    for key, entry in top.entries.items():
        if key in entries and is_null(entry.value):
            del entries[key]
        elif key in entries:
            entries[key] = Entry(entry.key_mark, merge(entries[key].value, entry.value))
        else:
            entries[key] = entry
    return Mapping(top.mark, entries)


def change_at(node: Mapping, path: tuple[str, ...], change: Callable[[Node], Node]) -> Mapping:
    """The mapping with the value at `path` changed, as it is where there is no such path."""
    entry = node.entries.get(path[0])
    if entry is None:
        return node
    if len(path) == 1:
        value = change(entry.value)
    elif isinstance(entry.value, Mapping):
        value = change_at(entry.value, path[1:], change)
    else:
        return node
    return Mapping(node.mark, {**node.entries, path[0]: Entry(entry.key_mark, value)})


def put(node: Mapping, path: tuple[str, ...], value: Node) -> Mapping:
    """The mapping with `value` at `path`; a new last key stands where its value does."""
    *parents, last = path

    def change(parent: Node) -> Node:
        assert isinstance(parent, Mapping)
        old = parent.entries.get(last)
        key_mark = value.mark if old is None else old.key_mark
        return Mapping(parent.mark, {**parent.entries, last: Entry(key_mark, value)})

    if parents:
        return change_at(node, tuple(parents), change)
    changed = change(node)
    assert isinstance(changed, Mapping)
    return changed


def assign(node: Node, segments: list[str], entry: Entry, *, make: bool = False) -> Node:
    """The tree with `entry` at the end of a path whose parents are there; a null deletes.

    With `make`, mappings on the path that are not there are made.

    Raises:
        ValueError: the path leads through something that is not there, or there is nothing to
            delete.
    """
    head, rest = segments[0], segments[1:]
    delete = not rest and is_null(entry.value)
    if isinstance(node, Sequence):
        if not head.isdecimal() or int(head) >= len(node.items):
            raise ValueError(f"{quote(head)} is not an index of a list of {len(node.items)}")
        index = int(head)
        value = assign(node.items[index], rest, entry, make=make) if rest else entry.value
        changed = () if delete else (value,)
        return Sequence(node.mark, (*node.items[:index], *changed, *node.items[index + 1 :]))
    if not isinstance(node, Mapping):
        raise ValueError(f"there is nothing below a single value, so no {quote(head)}")
    if head not in node.entries and (delete or (rest and not make)):
        guess = suggest(head, node.entries)
        hint = f"; did you mean `{guess}`?" if guess else ""
        raise ValueError(f"there is no {quote(head)}{hint}")
    if delete:
        return without(node, head)
    if rest:
        mark = entry.key_mark
        old = node.entries.get(head, Entry(mark, Mapping(mark, {})))
        entry = Entry(old.key_mark, assign(old.value, rest, entry, make=make))
    return Mapping(node.mark, {**node.entries, head: entry})


def shift(node: Node, columns: int) -> Node:
    """The tree with every mark moved to the right."""
    match node:
        case Mapping():
            entries = {
                key: Entry(moved(entry.key_mark, columns), shift(entry.value, columns))
                for key, entry in node.entries.items()
            }
            return Mapping(moved(node.mark, columns), entries)
        case Sequence():
            items = tuple(shift(item, columns) for item in node.items)
            return Sequence(moved(node.mark, columns), items)
        case Scalar():
            return Scalar(moved(node.mark, columns), node.value)


def moved(mark: Mark, columns: int) -> Mark:
    """The mark so many columns further to the right."""
    return replace(mark, column=mark.column + columns)


def mapping_items(document: Mapping, section: str) -> list[tuple[str, Mapping]]:
    """The entries of a section that are mappings themselves."""
    entry = document.entries.get(section)
    if entry is None or not isinstance(entry.value, Mapping):
        return []
    items = entry.value.entries.items()
    return [(name, item.value) for name, item in items if isinstance(item.value, Mapping)]


def without(node: Mapping, key: str) -> Mapping:
    """The mapping without that key."""
    return Mapping(node.mark, {k: e for k, e in node.entries.items() if k != key})


def is_null(node: Node) -> bool:
    """Whether the node is a null."""
    return isinstance(node, Scalar) and node.value is None
