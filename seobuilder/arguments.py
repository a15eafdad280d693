"""What a call in Python was given: what is of another kind than it takes is refused at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from seobuilder.errors import InvalidArgument
from seobuilder.recipe.files import Files


def require_path(given: object, wanted: str) -> Path:
    """A path, or `wanted` says what was.

    Raises:
        InvalidArgument: it is none.
    """
    if isinstance(given, str | os.PathLike):
        return Path(given)
    raise InvalidArgument(f"{wanted}; this is {shown(given)}")


def require_overrides(given: Iterable[str]) -> tuple[str, ...]:
    """Changes to a recipe, each a text of its own.

    Raises:
        InvalidArgument: they are something else, such as one text.
    """
    example = f"[{given!r}]" if isinstance(given, str) else '["training.epochs=3"]'
    wanted = f"overrides are a list of texts, such as {example}"
    if not isinstance(given, Iterable) or isinstance(given, str | bytes | Mapping):
        raise InvalidArgument(f"{wanted}; this is {shown(given)}")
    overrides = tuple(given)
    for each in overrides:
        if not isinstance(each, str):
            raise InvalidArgument(f"{wanted}; there is {shown(each)} among them")
    return overrides


def require_files(given: Files) -> dict[str, str | Path]:
    """Files by the names that a recipe has for them.

    Raises:
        InvalidArgument: it is no mapping, or holds what is no path.
    """
    if not isinstance(given, Mapping):
        wanted = 'files are by their names, such as {"tokenizer.json": "downloads/bert.json"}'
        raise InvalidArgument(f"{wanted}; this is {shown(given)}")
    for name, path in given.items():
        require_path(path, f"the file {name!r} is given by its path")
    return dict(given)


def shown(given: object) -> str:
    """What something is, in words: `a Tensor`, `the class Linear`."""
    if given is None:
        return "None"
    if isinstance(given, type):
        return f"the class {given.__name__}"
    kind = type(given).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
