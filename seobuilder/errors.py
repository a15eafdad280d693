"""Every error that a user can cause.

    SeobuilderError            exit code 1
      InvalidInput             diagnostics with positions in the user's files
        RecipeError            the recipe is invalid
        DataError              a data file is invalid
        TrainingStopped        training went wrong, and a callback stopped it
      InvalidArgument          a call in Python was given what it can't use; also a ValueError
      BuildFolderError         exit code 3: a build folder is missing, broken, or in the way
      EnvironmentProblem       exit code 3: an unreadable file, too little memory, and the like

Anything else that is raised is a bug of ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from seobuilder.recipe.diagnostics import Diagnostic, Format, Sources, render


class SeobuilderError(Exception):
    """Base of every error that a user can cause; `exit_code` is what the command line returns."""

    exit_code: ClassVar[int] = 1


class InvalidInput(SeobuilderError):
    """A file that the user wrote is invalid: `diagnostics` holds every problem that was found."""

    def __init__(self, diagnostics: Iterable[Diagnostic], sources: Sources | None = None) -> None:
        """Hold the problems, in any order, and the lines of the files they point into."""
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        self.sources: Sources = {} if sources is None else sources
        self.format: Format = "full"
        super().__init__(self.diagnostics, self.sources)

    def __str__(self) -> str:
        """The problems as a terminal shows them."""
        return render(self.diagnostics, self.sources, self.format)


class RecipeError(InvalidInput):
    """The recipe is invalid."""


class DataError(InvalidInput):
    """A data file is invalid."""


class InvalidArgument(SeobuilderError, ValueError):
    """A call in Python was given a value that it can't use."""


class BuildFolderError(SeobuilderError):
    """A build folder is missing, broken, or would be overwritten."""

    exit_code = 3


class EnvironmentProblem(SeobuilderError):
    """The surroundings fail: an unreadable file, too little memory, a missing device."""

    exit_code = 3


class TrainingStopped(InvalidInput):
    """Training went wrong, and a callback stopped it: nothing of the run was published."""

    def __init__(self, problem: str | Iterable[Diagnostic], sources: Sources | None = None) -> None:
        """Hold what was found; a callback of one's own may give a text instead."""
        found = [Diagnostic("T000", problem)] if isinstance(problem, str) else problem
        super().__init__(found, sources)
