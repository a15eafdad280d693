"""Changes of a recipe, applied to its text: all that they do not touch stays, to the byte."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import Any

from seobuilder.errors import RecipeError
from seobuilder.recipe.change import Change
from seobuilder.recipe.document import Document, Mapping, PathLike, Scalar, Sequence, lookup, plain
from seobuilder.recipe.dump import flow
from seobuilder.recipe.layout import Layout, Splice, spliced
from seobuilder.recipe.reader import read, read_value


class NotEditable(ValueError):
    """A change that the text's layout leaves no room for, such as in `? key` or `[key: value]`."""


def rewrite(data: bytes, changes: Iterable[Change]) -> bytes:
    """The text of one file after these changes of it.

    Comments, layout, quotes, order of keys and line breaks stay wherever nothing is changed; what
    is new is laid out as what stands beside it. A value that takes the place of a mapping changes
    those of its keys alone that differ.

    Raises:
        NotEditable: a change leads to what is not there, or the layout leaves no room for it.
    """
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    document, text = read(data, ""), data[len(mark) :].decode()
    for change in _in_order(changes):
        for step in _steps(document.root, change):
            text, document = _changed(text, document, step)
    return mark + text.encode()


def edited(data: Any, change: Change) -> Any:
    """Plain data of a file after one change of it; `data` itself is changed.

    Raises:
        NotEditable: the change leads to what is not there.
    """
    *parents, last = change.path
    node = data
    try:
        for step in parents:
            node = node[step]
        if change.action == "delete":
            del node[last]
        elif change.action == "insert":
            node.insert(last, read_value(change.yaml))
        else:
            node[last] = read_value(change.yaml)
    except (LookupError, TypeError, AttributeError) as error:
        raise NotEditable("the change leads to what is not there") from error
    return data


def _in_order(changes: Iterable[Change]) -> Iterator[Change]:
    """The changes so that each can be applied after the ones before it.

    Paths count items as they were before any change, so the last places come first. At one place,
    what is inserted goes before what is deleted, so that a list is not empty in between.
    """
    by_path: dict[tuple[str | int, ...], dict[Change, None]] = {}
    for change in changes:
        by_path.setdefault(change.path, {})[change] = None
    for path in sorted(by_path, reverse=True):
        here = list(by_path[path])
        inserts = [change for change in here if change.action == "insert"]
        yield from (change for change in here if change.action == "set")
        yield from reversed(inserts)
        for change in here:
            if change.action == "delete":
                *parents, last = path
                moved = last + len(inserts) if isinstance(last, int) else last
                yield change.model_copy(update={"path": (*parents, moved)})


def _steps(root: Mapping, change: Change) -> Iterator[Change]:
    """A change as such that each concern one key, one item or one value."""
    if change.action != "set":
        yield change
        return
    path, value = change.path, read_value(change.yaml)
    while len(path) > 1 and _is_missing(root, path[:-1]):
        path, value = path[:-1], {path[-1]: value}
    yield from _set(root, path, value, change.file)


def _set(root: Mapping, path: PathLike, value: Any, file: str) -> Iterator[Change]:
    found = lookup(root, path)
    old = plain(found.node) if found.complete else None
    if found.complete and _same(old, value):
        return
    if not (found.complete and isinstance(old, dict) and old and isinstance(value, dict) and value):
        yield Change(action="set", file=file, path=tuple(path), yaml=flow(value))
        return
    for key, each in value.items():
        yield from _set(root, (*path, key), each, file)
    for key in old:
        if key not in value:
            yield Change(action="delete", file=file, path=(*path, key))


def _is_missing(root: Mapping, path: PathLike) -> bool:
    """Whether nothing, or null, stands at a path."""
    found = lookup(root, path)
    return not found.complete or (isinstance(found.node, Scalar) and found.node.value is None)


def _changed(text: str, document: Document, change: Change) -> tuple[str, Document]:
    """The text after a change of one key, item or value, held against what the data become."""
    wanted = edited(plain(document.root), change)
    new = spliced(text, _splices(Layout(text, document), change))
    try:
        after = read(new.encode(), "")
    except RecipeError:
        after = None
    if after is None or not _same(plain(after.root), wanted):
        raise NotEditable("the layout leaves no room for the change")
    return new, after


def _splices(layout: Layout, change: Change) -> list[Splice]:
    *parents, last = change.path
    parent = _collection(layout.root, parents)
    if change.action == "delete" and parents and layout.is_lone_line(parent):
        empty: Any = [] if isinstance(parent, Sequence) else {}
        return layout.replaced(_collection(layout.root, parents[:-1]), parents[-1], empty)
    if change.action == "delete":
        return layout.deleted(parent, last)
    value = read_value(change.yaml)
    if change.action == "insert":
        assert isinstance(parent, Sequence) and isinstance(last, int)
        return layout.inserted(parent, last, value)
    if isinstance(parent, Mapping) and last not in parent.entries:
        return layout.added(parent, str(last), value)
    return layout.replaced(parent, last, value)


def _collection(root: Mapping, path: PathLike) -> Mapping | Sequence:
    node = lookup(root, path).node
    assert isinstance(node, Mapping | Sequence), "the change was applied to the data"
    return node


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same data, so that 1 is neither 1.0 nor true."""
    first, second = (json.dumps(each, sort_keys=True) for each in (one, other))
    return first == second
