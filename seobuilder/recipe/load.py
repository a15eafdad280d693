"""The one way in: a path, a shipped recipe's name or bytes, to a checked recipe."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

from seobuilder.arguments import require_files, require_overrides, require_path
from seobuilder.errors import EnvironmentProblem, RecipeError
from seobuilder.recipe.compose import compose
from seobuilder.recipe.composition import UsedPreset
from seobuilder.recipe.diagnostics import Diagnostic, Mark, suggest
from seobuilder.recipe.document import Document, Mapping, lookup, plain
from seobuilder.recipe.files import NO_FILES, NO_TEXTS, Files, Texts
from seobuilder.recipe.given import check_given
from seobuilder.recipe.presets import expand_presets
from seobuilder.recipe.references import check_references
from seobuilder.recipe.shipped import recipe_names, recipe_path
from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.validate import mark_of, validate
from seobuilder.recipe.written import Place, Written


@dataclass(frozen=True)
class LoadedRecipe:
    """A checked recipe, where it came from, and where each of its values stands.

    `presets` tells which preset a rule's mark belongs to; `source` is the file as it was written;
    `given` says where the caller has files that the recipe names; `written` are the recipes that it
    was made of, itself first, and `texts` their bytes by the names of `written`.
    """

    recipe: Recipe
    document: Mapping
    file: str
    folder: Path
    source: bytes
    sources: dict[str, tuple[str, ...]]
    presets: dict[Mark, str]
    used_presets: tuple[UsedPreset, ...] = ()
    given: Files = field(default_factory=dict)
    written: tuple[Document, ...] = ()
    texts: dict[str, bytes] = field(default_factory=dict)

    @property
    def resolved(self) -> dict[str, Any]:
        """The resolved recipe as plain data: `extends`, `--set` and presets are worked in.

        So are the learning rates that the preset `mup` brings, which its rules don't tell.
        """
        data: Any = plain(self.document)
        assert isinstance(data, dict)
        if self.has_mup_rates:
            training = data.setdefault("training", {})
            training.setdefault("optimizer", {})["rates"] = "mup"
        return data

    @property
    def has_mup_rates(self) -> bool:
        """Whether learning rates follow muP: as stated, else where its preset is used."""
        rates = self.recipe.training.optimizer.rates
        if rates is None:
            return any(preset.name == "mup" for preset in self.used_presets)
        return rates == "mup"

    def mark(self, *path: str | int, key: bool = False) -> Mark:
        """Where the value at a path of the resolved document, or its key, stands."""
        return mark_of(self.document, path, key=key)

    def place(self, *path: str | int) -> Place | None:
        """Where the value at a path of the resolved document was written, or would be.

        A rule that a preset brought in was written where the preset is named. None for what no
        recipe's text holds alone: values of `--set`, or those that several recipes give together.
        """
        found = lookup(self.document, path)
        preset = self.presets.get(found.node.mark)
        if preset is not None:
            named = next(used.mark for used in self.used_presets if used.name == preset)
            place = self._written.find_scalar(named)
            return None if place is None else place._replace(path=place.path[:-1])
        return self._written.find(self.document, path)

    @cached_property
    def _written(self) -> Written:
        return Written(self.written, PurePath(self.file).parent)

    def fail(self, problems: Iterable[Diagnostic]) -> RecipeError:
        """An error that shows these problems in the recipe's own lines."""
        return RecipeError(tuple(problems), self.sources)


def load_recipe(
    source: str | Path, overrides: Iterable[str] = (), files: Files = NO_FILES
) -> LoadedRecipe:
    """Read and check a recipe.

    Args:
        source: a path, or the name of a shipped recipe.
        overrides: changes in the form `path.to.key=value`.
        files: where tokenizers and weights are, by the names that the recipe has for them; others
            are looked for in the recipe's folder.

    Raises:
        RecipeError: everything that is wrong with it, with positions.
        EnvironmentProblem: the file can't be read.
        InvalidArgument: an argument is of another kind.
    """
    require_path(source, "a recipe is a path, or the name of a shipped one")
    overrides, files = require_overrides(overrides), require_files(files)
    path = find_recipe(source)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EnvironmentProblem(f"can't read {source}: {error.strerror or error}") from None
    file = str(path) if path == Path(source) else path.name
    return parse_recipe(data, file, path.parent, overrides, files)


def find_recipe(source: str | Path) -> Path:
    """The path that `source` names: a file, or a shipped recipe when it is a bare name.

    Raises:
        EnvironmentProblem: there is no such file or shipped recipe.
    """
    path = Path(source)
    if os.path.isfile(source):  # which takes any text, unlike Path.is_file
        return path
    if str(source) in recipe_names():
        return recipe_path(str(source))
    if os.path.isdir(source):
        raise EnvironmentProblem(f"{source} is a folder; a recipe is a YAML file")
    guess = suggest(path.stem, recipe_names())
    hint = f"; did you mean the shipped recipe {guess}?" if guess else ""
    raise EnvironmentProblem(f"there is no recipe {source}{hint}")


def parse_recipe(
    data: bytes,
    file: str,
    folder: Path,
    overrides: Iterable[str] = (),
    files: Files = NO_FILES,
    texts: Texts = NO_TEXTS,
) -> LoadedRecipe:
    """Check a recipe's bytes; `file` is the name in diagnostics, `folder` where its paths start.

    `texts` holds, by name in the folder, recipes that it extends and that are not to be read from
    the disk.

    Raises:
        RecipeError: everything that is wrong with it, with positions.
    """
    given = dict(files)
    composition = compose(data, file, folder, overrides, given, texts)
    recipe, structure = validate(composition.document)
    problems = [*composition.problems, *structure, *check_references(composition.document)]
    if recipe and not problems and expand_presets(composition):
        recipe, problems = validate(composition.document)
    if recipe and not problems:
        problems = check_given(recipe, given, composition.sources)
    if problems or recipe is None:
        raise RecipeError(tuple(problems), composition.sources)
    return LoadedRecipe(
        recipe,
        composition.document,
        file,
        folder,
        data,
        composition.sources,
        composition.presets,
        tuple(composition.used_presets),
        given,
        tuple(composition.written),
        composition.read,
    )
