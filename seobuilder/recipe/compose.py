"""From files to one document: `extends`, `--set`, presets, label files and tokenizers.

Composition works on marked nodes, so that every value still knows the file and the line that it
came from. What comes out refers to no other recipe: it is the resolved recipe.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePath

from seobuilder.errors import RecipeError
from seobuilder.recipe.composition import Composition
from seobuilder.recipe.diagnostics import Diagnostic, Mark, quote, split_lines
from seobuilder.recipe.document import (
    Entry,
    Mapping,
    Node,
    Scalar,
    Sequence,
    format_path,
    lookup,
)
from seobuilder.recipe.edit import (
    assign,
    change_at,
    is_null,
    mapping_items,
    merge,
    moved,
    put,
    shift,
    without,
)
from seobuilder.recipe.files import (
    NO_FILES,
    NO_TEXTS,
    Files,
    MissingFile,
    Texts,
    may_leave,
    padding_id_of,
    parse_json,
    read_within,
)
from seobuilder.recipe.presets import check_presets
from seobuilder.recipe.reader import read
from seobuilder.recipe.spec.training import ALTERNATIVES

MAX_EXTENDS = 8

# The resolved recipe holds the labels themselves, and must pass the reader's own limits.
MAX_LABELS = 50_000
MAX_LABEL_BYTES = 2**19


def compose(
    data: bytes,
    file: str,
    folder: Path,
    overrides: Iterable[str] = (),
    given: Files = NO_FILES,
    texts: Texts = NO_TEXTS,
) -> Composition:
    """Read a recipe and everything that it refers to; presets are left for `expand_presets`.

    Args:
        data: the recipe, UTF-8.
        file: the name that diagnostics show.
        folder: where relative paths start; nothing outside its tree is read.
        overrides: `path.to.key=value`, applied in order after `extends`.
        given: where files are that the recipe names, if not in its folder.
        texts: recipes, by name in the folder, that take the place of those on the disk.

    Raises:
        RecipeError: a recipe can't be read, so that there is no whole to look at.
    """
    document = read(data, file)
    result = Composition(file, folder, document.root, data, given, texts)
    result.sources[file] = document.lines
    result.written.append(document)
    result.read[file] = data
    result.document = _extend(result, document.root, PurePath(), ())
    for override in overrides:
        _override(result, override)
    check_presets(result)
    _read_labels(result)
    _find_padding(result)
    return result


def _extend(result: Composition, top: Mapping, folder: PurePath, seen: tuple[str, ...]) -> Mapping:
    """A recipe of `folder`, relative to the first recipe's, laid over those that it extends."""
    entry = top.entries.get("extends")
    if entry is None:
        return top

    def refusal(reason: str) -> RecipeError:
        problem = Diagnostic("R207", reason, entry.value.mark, "extends")
        return RecipeError([problem], result.sources)

    if not (isinstance(entry.value, Scalar) and isinstance(entry.value.value, str)):
        raise refusal("`extends` takes the path of a recipe")
    name = entry.value.value
    if may_leave(name):
        raise refusal("a path must be relative and stay in the recipe's folder")
    path = folder / name
    real = os.path.realpath(result.folder / path)
    if real in seen:
        raise refusal("the recipes extend each other in a circle")
    if len(seen) == MAX_EXTENDS:
        raise refusal(f"more than {MAX_EXTENDS} recipes extend each other")
    try:
        known = result.texts.get(path.as_posix())
        data = read_within(result.folder, str(path)) if known is None else known
    except ValueError as error:
        raise refusal(f"can't extend {quote(name)}: {error}") from None
    document = read(data, result.shown(path))
    result.sources[document.file] = document.lines
    result.written.append(document)
    result.read[document.file] = data
    base = _extend(result, _rebase(document.root, path.parent), path.parent, (*seen, real))
    for section, keys in ALTERNATIVES.items():
        stated = [key for key in keys if lookup(top, (*section, key)).complete]
        if len(stated) == 1:
            place = (*section, *stated)
            base = _make_way(base, place, lookup(top, place).node)
    merged = merge(base, without(top, "extends"))
    assert isinstance(merged, Mapping)
    return merged


def _make_way(document: Mapping, path: tuple[str, ...], value: Node) -> Mapping:
    """The document without the key that excludes the one at `path`, which is laid over it."""
    other = _alternative(path)
    if other is None or is_null(value):
        return document

    def drop(node: Node) -> Node:
        return without(node, other) if isinstance(node, Mapping) else node

    return change_at(document, path[:-1], drop)


def _alternative(path: tuple[str, ...]) -> str | None:
    """The key that excludes the one at `path`, if there is one."""
    *parents, key = path
    pair = ALTERNATIVES.get(tuple(parents), ())
    return next((other for other in pair if other != key), None) if key in pair else None


def _rebase(document: Mapping, folder: PurePath) -> Mapping:
    """Lead a recipe's relative paths from the folder of the recipe that extends it."""

    def lead(node: Node) -> Node:
        if isinstance(node, Sequence):
            return Sequence(node.mark, tuple(map(lead, node.items)))
        if isinstance(node, Scalar) and isinstance(node.value, str) and not may_leave(node.value):
            return Scalar(node.mark, (folder / node.value).as_posix())
        return node

    paths = [("data", "files"), ("data", "split", "train"), ("data", "split", "test")]
    paths += [("inputs", name, "tokenizer") for name, _ in mapping_items(document, "inputs")]
    for name, output in mapping_items(document, "outputs"):
        labels = output.entries.get("labels")
        if labels is not None and isinstance(labels.value, Scalar):
            paths.append(("outputs", name, "labels"))
    for path in paths:
        document = change_at(document, path, lead)

    def lead_rules(rules: Node) -> Node:
        if not isinstance(rules, Sequence):
            return rules
        led = (change_at(r, ("file",), lead) if isinstance(r, Mapping) else r for r in rules.items)
        return Sequence(rules.mark, tuple(led))

    return change_at(document, ("initialization",), lead_rules)


def _override(result: Composition, text: str) -> None:
    file = f"--set {text}"
    path, equals, value = text.partition("=")
    result.sources[file] = (text,)
    segments = path.split(".")
    if not equals or not all(segments):
        mark = Mark(file, 1, 1, len(text))
        help = "such as --set modules.encoder.depth=12"
        result.problem("R208", "expected PATH=VALUE", mark, "", help)
        return
    mark = Mark(file, 1, 1, len(path))
    if not value.strip():
        message, help = "there is no value", "null deletes the key, '' is empty text"
        result.problem("R208", message, mark, path, help)
        return
    if segments[0] == "extends":
        message = "`extends` is worked in before anything is set"
        result.problem("R208", message, mark, path)
        return
    try:
        node = _value(value, file, len(path) + 1)
        at = tuple(segments)
        if is_null(node) and _alternative(at) and not lookup(result.document, at).complete:
            return  # not stated, or already replaced by the one that excludes it
        # All of it has defaults, so that a recipe may lack the section and its parts.
        make = segments[0] == "training"
        document = _make_way(result.document, at, node)
        changed = assign(document, segments, Entry(mark, node), make=make)
    except RecipeError as error:
        for problem in error.diagnostics:
            result.problem("R208", problem.message, problem.mark or mark, path, problem.help)
        return
    except ValueError as error:
        result.problem("R208", str(error), mark, path)
        return
    assert isinstance(changed, Mapping)
    result.document = changed


def _value(text: str, file: str, start: int) -> Node:
    """The value that `text` writes in YAML, marked as if it began `start` characters in."""
    if "\n" in text or "\r" in text:
        raise ValueError("a value is one line of YAML")
    prefix = "value: "
    data = (prefix + text).encode("utf-8", "surrogatepass")
    try:
        node = read(data, file).root.entries["value"].value
    except RecipeError as error:
        places = [moved(p.mark, start - len(prefix)) if p.mark else None for p in error.diagnostics]
        problems = zip(error.diagnostics, places, strict=True)
        raise RecipeError(replace(problem, mark=place) for problem, place in problems) from None
    end = node.mark.column - 1 + node.mark.length
    if end < len(prefix + text.rstrip()):
        raise ValueError("unexpected text after the value; text with ` #` goes in quotes")
    return shift(node, start - len(prefix))


def _files(document: Mapping, section: str, key: str) -> Iterator[tuple[str, str, Mark]]:
    """Entry, file and place of each path under `key`; validation judges those that are none."""
    for name, spec in mapping_items(document, section):
        entry = spec.entries.get(key)
        value = entry.value if entry else None
        if not (isinstance(value, Scalar) and isinstance(value.value, str)):
            continue
        if value.value and not may_leave(value.value):
            yield name, value.value, value.mark


def _read_labels(result: Composition) -> None:
    """Put a label file's lines in the place of its name."""
    count = size = 0
    for name, file, mark in _files(result.document, "outputs", "labels"):
        path = format_path(("outputs", name, "labels"))
        try:
            data = read_within(result.folder, file)
            text = data.decode("utf-8-sig")
        except (ValueError, UnicodeDecodeError) as error:
            reason = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else error
            result.problem("R206", f"can't read {quote(file)}: {reason}", mark, path)
            continue
        shown, lines = result.shown(file), split_lines(text)
        labels = tuple(
            Scalar(Mark(shown, number, 1, len(line)), line.strip())
            for number, line in enumerate(lines, 1)
            if line.strip()
        )
        count, size = count + len(labels), size + len(data)
        if count > MAX_LABELS or size > MAX_LABEL_BYTES:
            limit = f"{MAX_LABELS:,} labels or {MAX_LABEL_BYTES // 2**10} KiB"
            message = f"label files may hold at most {limit} together"
            help = "give the number of labels instead"
            result.problem("R206", message, mark, path, help)
            continue
        result.sources[shown] = lines
        result.document = put(result.document, ("outputs", name, "labels"), Sequence(mark, labels))


def _find_padding(result: Composition) -> None:
    """Ask each given tokenizer.json which id is padding, unless the recipe says so itself.

    If it does, a missing file is no fault of the recipe: whoever builds it may give the file.
    """
    for name, file, mark in _files(result.document, "inputs", "tokenizer"):
        key = ("inputs", name, "padding_id")
        is_stated = lookup(result.document, key).complete
        try:
            padding = padding_id_of(parse_json(read_within(result.folder, file, result.given)))
        except ValueError as error:
            if is_stated and isinstance(error, MissingFile):
                continue
            path = format_path(("inputs", name, "tokenizer"))
            result.problem("R206", f"can't read {quote(file)}: {error}", mark, path)
            continue
        if not is_stated:
            result.document = put(result.document, key, Scalar(mark, padding))
