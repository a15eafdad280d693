"""From a document to a Recipe: pydantic's errors, told with the place and a way out."""

from __future__ import annotations

import re
import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from seobuilder.recipe.diagnostics import Diagnostic, Mark, quote, suggest
from seobuilder.recipe.document import (
    Mapping,
    Node,
    PathLike,
    Scalar,
    Sequence,
    format_path,
    lookup,
    plain,
)
from seobuilder.recipe.spec import Recipe

_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_LENGTHS = {
    "too_short": ("min_length", "at least"),
    "too_long": ("max_length", "at most"),
    "string_too_short": ("min_length", "at least"),
    "string_too_long": ("max_length", "at most"),
}


def validate(document: Mapping) -> tuple[Recipe | None, list[Diagnostic]]:
    """The recipe that a document states, or all that is wrong with its structure."""
    try:
        return Recipe.model_validate(plain(document)), []
    except ValidationError as error:
        problems = error.errors(include_url=False)
        meant = {_meant(document, details) for details in problems}
        own = [d for d in problems if not _is_echo(document, d, meant)]
        return None, [_diagnose(document, details) for details in own]


def mark_of(document: Node, path: PathLike, *, key: bool = False) -> Mark:
    """Where the value at `path`, or its key, stands; if it is missing, the deepest part that is."""
    found = lookup(document, path)
    return found.mark if key or not found.complete else found.node.mark


def _diagnose(document: Mapping, details: ErrorDetails) -> Diagnostic:
    kind, context, location = details["type"], details.get("ctx", {}), details["loc"]
    path, node, spec = _follow(document, location)
    key_mark = mark_of(document, path, key=True)
    if kind == "missing" and isinstance(location[-1], int):
        # The second of two entries that have places of their own.
        return Diagnostic("R105", "must have 2 entries", node.mark, format_path(path))
    if kind == "missing":
        return Diagnostic("R101", f"missing key `{location[-1]}`", key_mark, format_path(path))
    if kind == "extra_forbidden":
        return _unknown_key(document, path, _known_keys(document, location))
    if kind == "union_tag_not_found":
        key = context["discriminator"].strip("'")
        known = {name for member in get_args(_bare(spec)) for name in _keys(member)}
        for name in node.entries if isinstance(node, Mapping) else ():
            if name not in known and suggest(name, [key]):
                return _unknown_key(document, (*path, name), [key])
        return Diagnostic("R101", f"missing key `{key}`", key_mark, format_path(path))
    if kind == "union_tag_invalid":
        key = context["discriminator"].strip("'()")  # a key, or a function of its name
        choices = re.findall(r"'([^']*)'", context["expected_tags"])
        return _choice("R102", key, choices, document, (*path, key))
    if kind == "literal_error":
        choices = [_unquoted(word) for word in re.split(r", | or ", context["expected"])]
        return _choice("R106", "choice", choices, document, path)
    if location[-1:] == ("[key]",):
        node = Scalar(key_mark, str(location[-2]))
    code, message, help = _describe(kind, details["msg"], context, node)
    mark = node.mark
    if kind == "combination":
        if isinstance(node, Mapping) and context["key"] in node.entries:
            path = (*path, context["key"])
        mark = mark_of(document, path, key=True)
    elif kind == "duplicate":
        path = (*path, context["index"])
        mark = mark_of(document, path)
        message = f"{quote(str(plain(lookup(document, path).node)))} is {message}"
    elif "offset" in context and isinstance(node, Scalar):
        mark = node.at(context["offset"])
    return Diagnostic(code, message, mark, format_path(path), help=help)


def _known_keys(document: Mapping, location: tuple[str | int, ...]) -> list[str]:
    """The keys that may stand beside the last one of a location."""
    return _keys(_follow(document, location[:-1])[2])


def _is_echo(document: Mapping, details: ErrorDetails, meant: set[tuple[str | int, ...]]) -> bool:
    """Whether an error only follows from another one.

    A misspelt key is missing as well, and pydantic counts only the good items of a list.
    """
    if details["type"] == "too_short":
        node = _follow(document, details["loc"])[1]
        return isinstance(node, Sequence) and len(node.items) >= details["ctx"]["min_length"]
    return details["type"] == "missing" and details["loc"] in meant


def _meant(document: Mapping, details: ErrorDetails) -> tuple[str | int, ...]:
    """Where pydantic would have found the key that an unknown one was meant to be."""
    location = details["loc"]
    if details["type"] != "extra_forbidden":
        return ()
    return (*location[:-1], suggest(str(location[-1]), _known_keys(document, location)) or "")


def _unknown_key(document: Mapping, path: tuple[str | int, ...], known: list[str]) -> Diagnostic:
    guess = suggest(str(path[-1]), known)
    hint = f"; did you mean `{guess}`?" if guess else ""
    help = "" if guess else f"known keys: {', '.join(known)}"
    mark = mark_of(document, path, key=True)
    return Diagnostic("R104", f"unknown key{hint}", mark, format_path(path), help=help)


def _describe(kind: str, message: str, context: dict[str, Any], node: Node) -> tuple[str, str, str]:
    """Code, message and help of the errors that need no more than their own words."""
    if kind in _EXPECTED:
        return "R103", f"expected {_EXPECTED[kind]}, found {_show(node)}", ""
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return "R105", f"must be {words} {_number(context[key])}, found {_show(node)}", ""
    if kind in _LENGTHS:
        key, words = _LENGTHS[kind]
        unit = "characters" if kind.startswith("string") else "entries"
        if context[key] == 1:
            return "R105", "must not be empty", ""
        return "R105", f"must have {words} {context[key]:,} {unit}", ""
    if kind == "string_pattern_mismatch":
        return (
            "R107",
            f"malformed name {quote(str(plain(node)))}",
            "a name is a lower-case letter, then lower-case letters, digits and _",
        )
    if kind == "reserved_name":
        return "R108", message, "choose another name"
    if kind == "located":
        return context["code"], message, ""
    if kind == "quantity":
        return "R103", f"{message}, found {_show(node)}", ""
    if kind == "quantity_range":
        return "R105", f"{message}, found {_show(node)}", ""
    return {"path": "R206"}.get(kind, "R111"), message, ""


def _choice(
    code: str, noun: str, choices: list[str], document: Mapping, path: tuple[str | int, ...]
) -> Diagnostic:
    """A word that is none of those that may stand in its place."""
    node = lookup(document, path).node
    help = f"one of {', '.join(choices)}"
    if not isinstance(node, Scalar) or node.value is None:
        message = f"expected a {noun}, found {_show(node)}"
        return Diagnostic("R103", message, node.mark, format_path(path), help=help)
    word = _text(node)
    if word in choices:
        message = f"expected {word} without quotes, found {_show(node)}"
        return Diagnostic("R103", message, node.mark, format_path(path))
    guess = suggest(word, choices)
    hint = f"; did you mean `{guess}`?" if guess else ""
    message = f"unknown {noun} {quote(word)}{hint}"
    return Diagnostic(code, message, node.mark, format_path(path), help=help)


def _unquoted(word: str) -> str:
    """A choice as it is written in a recipe, from Python's way to write it."""
    return word[1:-1] if word.startswith("'") else word.lower()


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def _show(node: Node) -> str:
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar(value=None):
            return "nothing"
        case Scalar(value=str()):
            return f"the text {quote(_text(node))}"
        case _:
            return quote(_text(node))


def _text(node: Scalar) -> str:
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)


def _follow(
    document: Mapping, location: tuple[str | int, ...]
) -> tuple[tuple[str | int, ...], Node, Any]:
    """Where pydantic's location leads: a path in the document, its node, and the node's type.

    A location names the choices that were made within unions as well, which stand in no document.
    """
    node: Node = document
    annotation: Any = Recipe
    path: list[str | int] = []
    for part in location:
        annotation = _bare(annotation)
        if _is_union(annotation):
            annotation = next((m for m in get_args(annotation) if _has_tag(m, part)), None)
            continue
        annotation = _below(annotation, part)
        if isinstance(node, Mapping) and part in node.entries:
            node = node.entries[str(part)].value
        elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
        else:
            break
        path.append(part)
    return tuple(path), node, annotation


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _bare(annotation: Any) -> Any:
    """A type without its metadata, and without the None of an optional value."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if _is_union(annotation):
        members = [m for m in get_args(annotation) if m is not type(None)]
        return _bare(members[0]) if len(members) == 1 else annotation
    return annotation


def _below(annotation: Any, part: str | int) -> Any:
    """The type of what stands at a key or an index, None where nothing may."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return next((f.annotation for name, f in fields if part == (f.alias or name)), None)
    if get_origin(annotation) is dict:
        return get_args(annotation)[1]
    return get_args(annotation)[0] if get_origin(annotation) is tuple else None


def _has_tag(member: Any, tag: str | int) -> bool:
    """Whether a member of a union is the one that `tag` names."""
    if get_origin(member) is Annotated:
        return any(isinstance(item, Tag) and item.tag == tag for item in get_args(member)[1:])
    return any(tag in get_args(field) for field in _discriminators(member))


def _discriminators(model: type[BaseModel]) -> Iterator[Any]:
    for key in ("kind", "method"):
        if key in model.model_fields:
            yield model.model_fields[key].annotation


def _keys(annotation: Any) -> list[str]:
    """The keys of a spec."""
    model: type[BaseModel] = _bare(annotation)
    return [field.alias or name for name, field in model.model_fields.items()]
