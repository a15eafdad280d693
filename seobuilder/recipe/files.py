"""Files that a recipe names: read only inside the recipe's own folder tree."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

MAX_FILE_BYTES = 64 * 2**20
Files: TypeAlias = Mapping[str, str | Path]
"""Where the caller has files, by the names that the recipe has for them."""
NO_FILES: Files = MappingProxyType({})
Texts: TypeAlias = Mapping[str, bytes]
"""Recipes by their names in a folder, in the place of those on the disk."""
NO_TEXTS: Texts = MappingProxyType({})

PADDING_TOKENS = ("<pad>", "[PAD]", "<PAD>")


def may_leave(name: str) -> bool:
    """Whether a path is absolute or climbs, on this kind of machine or another."""
    parts = name.replace("\\", "/").split("/")
    return name.startswith(("/", "\\", "~")) or ":" in parts[0] or ".." in parts or "\0" in name


class MissingFile(ValueError):
    """There is no such file."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("there is no such file")


def find_file(folder: Path, name: str, given: Files = NO_FILES) -> Path:
    """Where a file that a recipe names lies: where the caller says, else in the folder's tree.

    A link that leads out of the tree is refused; what the caller says is not.

    Raises:
        MissingFile: there is no such file.
        ValueError: it lies outside, or can't be looked for.
    """
    if "\0" in name:
        raise MissingFile
    path = Path(given[name] if name in given else os.path.realpath(folder / name))
    if name not in given and not path.is_relative_to(os.path.realpath(folder)):
        raise ValueError("it lies outside the recipe's folder")
    try:
        if not path.is_file():
            raise MissingFile
    except OSError as error:
        raise ValueError(error.strerror or "it can't be read") from None
    return path


def read_within(folder: Path, name: str, given: Files = NO_FILES) -> bytes:
    """Bytes of a file that a recipe names; see `find_file`.

    Raises:
        ValueError: the file lies outside, is missing, unreadable or too large.
    """
    path = find_file(folder, name, given)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"it is larger than {MAX_FILE_BYTES // 2**20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(error.strerror or "it can't be read") from None


def parse_json(data: bytes) -> object:
    """The content of a JSON file.

    Raises:
        ValueError: it is not JSON, or not UTF-8.
    """
    try:
        content: object = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    return content


def padding_id_of(tokenizer: object) -> int:
    """The padding id that a parsed tokenizer.json declares, 0 where it says nothing.

    Raises:
        ValueError: it is not the content of a tokenizer.json.
    """
    if not isinstance(tokenizer, dict) or not isinstance(tokenizer.get("model"), dict):
        raise ValueError("it is not a tokenizer.json of the tokenizers library")
    padding, added = tokenizer.get("padding"), tokenizer.get("added_tokens")
    declared = [padding.get("pad_id")] if isinstance(padding, dict) else []
    for token in added if isinstance(added, list) else ():
        if isinstance(token, dict) and token.get("content") in PADDING_TOKENS:
            declared.append(token.get("id"))
    return next((id for id in declared if type(id) is int and id >= 0), 0)
