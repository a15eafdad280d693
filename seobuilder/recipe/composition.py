"""A recipe while it is put together: its document, and what it was made from."""

from __future__ import annotations

from collections import abc
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from seobuilder.recipe.diagnostics import Diagnostic, Mark
from seobuilder.recipe.document import Document, Mapping
from seobuilder.recipe.files import Files


@dataclass(frozen=True, slots=True)
class UsedPreset:
    """A preset that a recipe names, where it does so, and what the preset needs of the model.

    `rules` are the indices of its rules among all rules of the recipe.
    """

    name: str
    mark: Mark
    path: str
    requires: tuple[dict[str, Any], ...]
    rules: range


@dataclass
class Composition:
    """A resolved document, and what it was made from.

    `given` says where the caller has files that the recipe names. `sources` maps file names to
    text for diagnostics, `presets` a rule's mark to its preset. `written` are the recipes that it
    was made of, as they were read: itself first, then those that it extends. `texts` holds, by
    name in the folder, recipes that take the place of those on the disk.
    """

    file: str
    folder: Path
    document: Mapping
    source: bytes
    given: Files = field(default_factory=dict)
    texts: abc.Mapping[str, bytes] = field(default_factory=dict)
    sources: dict[str, tuple[str, ...]] = field(default_factory=dict)
    presets: dict[Mark, str] = field(default_factory=dict)
    used_presets: list[UsedPreset] = field(default_factory=list)
    written: list[Document] = field(default_factory=list)
    read: dict[str, bytes] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)

    def problem(self, code: str, message: str, mark: Mark, path: str, help: str = "") -> None:
        """Note one problem; they are raised together."""
        self.problems.append(Diagnostic(code, message, mark, path, help=help))

    def shown(self, name: str | PurePath) -> str:
        """How diagnostics name a file of the recipe's folder."""
        return str(PurePath(self.file).parent / name)
