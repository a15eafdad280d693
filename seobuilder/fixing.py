"""A recipe mended by the changes that its own findings suggest.

It is planned and measured as a build does it, in memory; the changes go into its text, and it is
planned and measured again, until nothing is left to change or nothing gets better.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

from seobuilder.errors import RecipeError
from seobuilder.health.assess import planned
from seobuilder.recipe.change import Change
from seobuilder.recipe.files import Texts
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.recipe.rewrite import NotEditable, rewrite
from seobuilder.report.model import Finding
from seobuilder.report.score import UNHEALTHY
from seobuilder.stages import Building

MAX_ROUNDS = 8


Changes = tuple[Change, ...]


@dataclass(frozen=True)
class Fixed:
    """What changes do for a recipe.

    `before` and `after` hold the texts of its files that change. `mended` are the findings that the
    changes were made for, in the order in which they were met; `left` are those that remain, and
    `score` is the risk that they leave, None where there is still no plan.
    """

    before: Texts
    after: Texts
    mended: tuple[Finding, ...]
    left: tuple[Finding, ...]
    score: float | None

    @property
    def is_healthy(self) -> bool:
        """Whether what is left makes no unhealthy verdict."""
        has_error = any(finding.severity == "error" for finding in self.left)
        return self.score is not None and self.score < UNHEALTHY and not has_error

    @property
    def diff(self) -> str:
        """The changes as a unified diff."""
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for name, text in self.after.items()
            for line in difflib.unified_diff(
                self.before[name].decode().splitlines(keepends=True),
                text.decode().splitlines(keepends=True),
                name,
                name,
            )
        )


@dataclass(frozen=True)
class _State:
    """Texts of a recipe, what is found in it, and its report's score; None without a plan."""

    texts: Texts
    findings: tuple[Finding, ...]
    score: float | None = None

    @cached_property
    def wrong(self) -> tuple[bool, int, float, int]:
        """How much is wrong; less is better."""
        errors, warnings = (
            sum(finding.severity == severity for finding in self.findings)
            for severity in ("error", "warning")
        )
        return self.score is None, errors, round(self.score or 0.0, 1), warnings

    def suggested(self) -> dict[Changes, list[Finding]]:
        """Each set of changes with the findings that it mends, the worst first."""
        sets: dict[Changes, list[Finding]] = {}
        for finding in sorted(self.findings, key=lambda each: each.severity != "error"):
            if finding.changes and finding.severity != "info":
                sets.setdefault(finding.changes, []).append(finding)
        return sets


def fix(
    loaded: LoadedRecipe,
    overrides: Iterable[str] = (),
    progress: Callable[[str], object] = lambda text: None,
) -> Fixed:
    """Find the changes that make a recipe as healthy as its findings know how to.

    Args:
        loaded: the recipe, read from its files with these overrides.
        overrides: changes of the command line; what they set is never changed.
        progress: is told what is being done.

    Raises:
        RecipeError: it has no plan, and nothing says what to change.
        DataError: its data is invalid.
    """
    fixer = _Fixer(loaded, tuple(overrides), progress)
    return fixer.run()


@dataclass
class _Fixer:
    loaded: LoadedRecipe
    overrides: tuple[str, ...]
    progress: Callable[[str], object]

    def run(self) -> Fixed:
        folder = PurePath(self.loaded.file).parent
        texts: Texts = {
            PurePath(file).relative_to(folder).as_posix(): text
            for file, text in self.loaded.texts.items()
        }
        state = best = first = self._measured(texts)
        history: list[Finding] = []
        mended: tuple[Finding, ...] = ()
        seen = [texts]
        for _ in range(MAX_ROUNDS):
            step = self._step(state, seen)
            if step is None:
                break
            state, findings = step
            seen.append(state.texts)
            history += findings
            if state.wrong < best.wrong:
                best, mended = state, tuple(history)
        changed = [name for name in texts if best.texts[name] != texts[name]]
        return Fixed(
            {name: first.texts[name] for name in changed},
            {name: best.texts[name] for name in changed},
            mended,
            best.findings,
            best.score,
        )

    def _step(self, state: _State, seen: Iterable[Texts]) -> tuple[_State, list[Finding]] | None:
        """The next state: after all changes that go together, else after the first that helps."""
        sets = state.suggested()
        equal = None
        for chosen in _choices(list(sets)):
            after = self._after(state.texts, chosen)
            if after is None or after in seen:
                continue
            new = self._measured(after)
            findings = [finding for changes in chosen for finding in sets[changes]]
            if new.wrong < state.wrong:
                return new, findings
            if new.wrong == state.wrong and equal is None:
                equal = new, findings
        return equal

    def _after(self, texts: Texts, chosen: Iterable[Changes]) -> Texts | None:
        """The texts after some sets of changes, None if a text has no room for one."""
        changed = dict(texts)
        every = [change for changes in chosen for change in changes]
        try:
            for name in dict.fromkeys(change.file for change in every):
                own = [change for change in every if change.file == name]
                changed[name] = rewrite(texts[name], own)
        except NotEditable:
            return None
        return changed

    def _measured(self, texts: Texts) -> _State:
        loaded = self.loaded
        name = PurePath(loaded.file).name
        self.progress("planning")
        try:
            again = parse_recipe(
                texts[name], loaded.file, loaded.folder, self.overrides, loaded.given, texts
            )
            building = Building(again)
            _ = building.plan
        except RecipeError as error:
            findings = tuple(map(planned, error.diagnostics))
            if texts[name] == loaded.source and not any(each.changes for each in findings):
                raise
            return _State(texts, findings)
        self.progress("measuring")
        return _State(texts, building.report.findings, building.report.score)


def _choices(sets: list[Changes]) -> Iterator[list[Changes]]:
    """All sets that don't get into each other's way, then each by itself."""
    together: list[Changes] = []
    for changes in sets:
        if not any(_collide(changes, other) for other in together):
            together.append(changes)
    if len(together) > 1:
        yield together
    yield from ([changes] for changes in sets)


def _collide(one: Changes, other: Changes) -> bool:
    """Whether two sets change the same, or one what the other changes a part of."""
    return any(
        first != second
        and first.file == second.file
        and not (first.action == "insert" or second.action == "insert")
        and first.path[: len(second.path)] == second.path[: len(first.path)]
        for first in one
        for second in other
    )
