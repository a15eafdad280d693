"""Edits of a recipe that make it draw, or say, something else.

An edit is given only where one recipe's own text decides: what `--set` or several files together
made is for the person to change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from seobuilder.planning.model import Assignment, Plan, RuleReference
from seobuilder.planning.selecting import narrow_selectors
from seobuilder.recipe.change import Change
from seobuilder.recipe.dump import flow
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.recipe.reader import read_value
from seobuilder.recipe.spec.selector import Selector
from seobuilder.recipe.written import Place

SELECTORS = tuple(Selector.model_fields)


def redraw(plan: Plan, names: Iterable[str], draw: str) -> tuple[Change, ...]:
    """Edits after which `draw` draws exactly these parameters, and every other rule its others.

    A rule that decides none but these is given the method and arguments of `draw`, and keeps its
    selectors; before any other, a rule is put that selects just these. A preset that would decide
    nothing more is deleted.

    Args:
        names: logical names; a tied one stands for its owner.
        draw: method and arguments as a recipe has them, such as `method: normal, std: 0.02`.

    Returns:
        No edits where one of the rules stands in no file, or several files made it together, or
        where it loads weights from a file.
    """
    owners = {
        name: assignment.parameter.name
        for assignment in plan.assignments
        for name in (assignment.parameter.name, *assignment.parameter.aliases)
    }
    wanted = {owners[name] for name in names}
    decided: dict[RuleReference, list[Assignment]] = {}
    for assignment in plan.assignments:
        decided.setdefault(assignment.rule, []).append(assignment)
    drawn: dict[str, Any] = read_value(f"{{{draw}}}")
    changes: list[Change] = []
    for rule, all_of_it in decided.items():
        some = [a.parameter.name for a in all_of_it if a.parameter.name in wanted]
        if some and (rule.place is None or all_of_it[0].method == "pretrained"):
            return ()
        if some:
            changes += _take_over(plan.assignments, rule, some, len(all_of_it), drawn)
    return (*_idle_presets(plan.assignments, wanted), *changes)


def set_value(loaded: LoadedRecipe, path: Sequence[str | int], yaml: str) -> tuple[Change, ...]:
    """The edit that gives the value at a path of the resolved recipe another value, or adds it.

    Args:
        yaml: the value, on one line.

    Returns:
        No edit where the path leads to what no file holds alone.
    """
    place = loaded.place(*path)
    return (
        ()
        if place is None
        else (Change(action="set", file=place.file, path=place.path, yaml=yaml),)
    )


def delete(loaded: LoadedRecipe, path: Sequence[str | int]) -> tuple[Change, ...]:
    """The edit that deletes the value at a path of the resolved recipe; none as in `set_value`."""
    place = loaded.place(*path)
    return () if place is None else (Change(action="delete", file=place.file, path=place.path),)


def _idle_presets(assignments: Sequence[Assignment], wanted: set[str]) -> Iterator[Change]:
    """Deletes the presets whose rules decide none but the wanted parameters."""
    decided: dict[Place, list[bool]] = {}
    for assignment in assignments:
        rule = assignment.rule
        if rule.preset is not None and rule.place is not None:
            decided.setdefault(rule.place, []).append(assignment.parameter.name in wanted)
    for (file, path), taken in decided.items():
        if all(taken):
            yield Change(action="delete", file=file, path=path)


def _take_over(
    assignments: Sequence[Assignment],
    rule: RuleReference,
    some: Sequence[str],
    count: int,
    drawn: dict[str, Any],
) -> list[Change]:
    """Edits that take these parameters away from a rule that decides `count`."""
    assert rule.place is not None
    file, path = rule.place
    written: dict[str, Any] = read_value(rule.text)
    selectors = {key: value for key, value in written.items() if key in SELECTORS}
    if rule.preset is None and len(some) == count:
        return [Change(action="set", file=file, path=path, yaml=flow({**selectors, **drawn}))]
    parameters = [assignment.parameter for assignment in assignments]
    changes = [
        Change(action="insert", file=file, path=path, yaml=flow({**selector, **drawn}))
        for selector in narrow_selectors(some, parameters)
    ]
    if rule.preset is None and selectors.get("expect"):
        expect = str(selectors["expect"] - len(some))
        changes.append(Change(action="set", file=file, path=(*path, "expect"), yaml=expect))
    return changes
