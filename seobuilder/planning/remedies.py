"""Edits of a recipe that make it draw, or say, something else.

An edit is given only where one recipe's own text decides: what `--set` or several files together
made is for the person to change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
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


def redraw(plan: Plan, draws: Mapping[str, str]) -> tuple[Change, ...]:
    """Edits after which these parameters are drawn so, and every other rule draws its others.

    A rule that decides none but these is given the method and arguments of a draw, and keeps its
    selectors; before any other, and for further draws, a rule is put that selects just these. A
    preset that would decide nothing more is deleted.

    Args:
        draws: by logical name, where a tied one stands for its owner, method and arguments as a
            recipe has them, such as `method: normal, std: 0.02`.

    Returns:
        No edits where one of the rules stands in no file, or several files made it together, or
        where it loads weights from a file.
    """
    owners = {
        name: assignment.parameter.name
        for assignment in plan.assignments
        for name in (assignment.parameter.name, *assignment.parameter.aliases)
    }
    wanted = {owners[name]: draw for name, draw in draws.items()}
    decided: dict[RuleReference, list[Assignment]] = {}
    for assignment in plan.assignments:
        decided.setdefault(assignment.rule, []).append(assignment)
    changes: list[Change] = []
    for rule, all_of_it in decided.items():
        some: dict[str, list[str]] = {}
        for assignment in all_of_it:
            if draw := wanted.get(assignment.parameter.name):
                some.setdefault(draw, []).append(assignment.parameter.name)
        if some and (rule.place is None or all_of_it[0].method == "pretrained"):
            return ()
        if some:
            changes += _take_over(plan.assignments, rule, some, len(all_of_it))
    return (*_idle_presets(plan.assignments, wanted), *changes)


def set_value(loaded: LoadedRecipe, path: Sequence[str | int], yaml: str) -> tuple[Change, ...]:
    """The edit that gives the value at a path of the resolved recipe another value, or adds it.

    Args:
        yaml: the value, on one line.

    Returns:
        No edit where the path leads to what no file holds alone.
    """
    place = loaded.place(*path)
    return () if place is None else (Change(action="set", yaml=yaml, **place._asdict()),)


def delete(loaded: LoadedRecipe, path: Sequence[str | int]) -> tuple[Change, ...]:
    """The edit that deletes the value at a path of the resolved recipe; none as in `set_value`."""
    place = loaded.place(*path)
    return () if place is None else (Change(action="delete", **place._asdict()),)


def _idle_presets(assignments: Sequence[Assignment], wanted: Collection[str]) -> Iterator[Change]:
    """Deletes the presets whose rules decide none but the wanted parameters."""
    decided: dict[Place, list[bool]] = {}
    for assignment in assignments:
        rule = assignment.rule
        if rule.preset is not None and rule.place is not None:
            decided.setdefault(rule.place, []).append(assignment.parameter.name in wanted)
    for place, taken in decided.items():
        if all(taken):
            yield Change(action="delete", **place._asdict())


def _take_over(
    assignments: Sequence[Assignment],
    rule: RuleReference,
    some: Mapping[str, Sequence[str]],
    count: int,
) -> list[Change]:
    """Edits that take parameters, by their new draws, away from a rule that decides `count`."""
    assert rule.place is not None
    place = rule.place._asdict()
    written: dict[str, Any] = read_value(rule.text)
    selectors = {key: value for key, value in written.items() if key in SELECTORS}
    draws = sorted(some, key=lambda draw: len(some[draw]))
    is_taken = rule.preset is None and sum(map(len, some.values())) == count
    kept = draws.pop() if is_taken else None
    parameters = [assignment.parameter for assignment in assignments]
    changes = [
        Change(action="insert", yaml=flow({**selector, **_read(draw)}), **place)
        for draw in draws
        for selector in narrow_selectors(some[draw], parameters)
    ]
    if selectors.get("expect"):
        selectors["expect"] -= sum(len(some[draw]) for draw in draws)
    if kept is not None:
        whole = flow({**selectors, **_read(kept)})
        changes.append(Change(action="set", yaml=whole, **place))
    elif rule.preset is None and "expect" in selectors:
        expect = str(selectors["expect"])
        path = (*rule.place.path, "expect")
        changes.append(Change(action="set", yaml=expect, **{**place, "path": path}))
    return changes


def _read(draw: str) -> dict[str, Any]:
    drawn: dict[str, Any] = read_value(f"{{{draw}}}")
    return drawn
