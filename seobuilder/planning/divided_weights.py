"""Weights whose size a norm of themselves divides away, and what they were drawn for with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from seobuilder.planning import distributions as draws
from seobuilder.planning.contradiction import Contradiction, Facts, draw_at_any_depth, named
from seobuilder.planning.model import Assignment, Reparametrization
from seobuilder.planning.remedies import SELECTORS, redraw
from seobuilder.planning.rules import listed
from seobuilder.planning.sound import is_zero, sound_draw
from seobuilder.recipe.change import Change
from seobuilder.recipe.dump import flow
from seobuilder.recipe.reader import read_value


def gain_under_spectral_norm(facts: Facts) -> Iterator[Contradiction]:
    """P518: spectral norm divides a factor away that a rule states."""

    def is_scaled(assignment: Assignment) -> bool:
        return _has_a_gain(assignment) or facts.is_scaled_by_depth(assignment)

    for norm, drawn, names in _reparametrized(facts, is_scaled):
        if norm.method != "spectral_norm":
            continue
        what = f"gain of {drawn.gain:g}" if _has_a_gain(drawn) else "scale by the depth"
        yield Contradiction(
            norm.rule.index,
            "method",
            f"spectral_norm divides {names} by the largest singular value, and with it the {what} "
            f"that {named(drawn.rule)} gives",
            "delete the factor there, or exclude these weights here",
            _without_factor(facts, drawn),
        )


def _without_factor(facts: Facts, drawn: Assignment) -> tuple[Change, ...]:
    """Edits after which the weights under spectral norm that a rule draws have no gain."""
    plan = facts.blocks.plan
    alike = [
        assignment
        for assignment in plan.assignments
        if assignment.rule == drawn.rule
        and assignment.reparametrization is not None
        and assignment.reparametrization.method == "spectral_norm"
    ]
    written = read_value(drawn.rule.text)
    draw = {key: each for key, each in written.items() if key not in (*SELECTORS, "gain")}
    if "gain" in written:
        return redraw(plan, {each.parameter.name: flow(draw)[1:-1] for each in alike})
    return redraw(plan, {each.parameter.name: draw_at_any_depth(each) for each in alike})


def zeros_under_a_reparametrization(facts: Facts) -> Iterator[Contradiction]:
    """P519: a weight of zeros has no norm to divide by."""
    plan = facts.blocks.plan
    for norm, drawn, names in _reparametrized(facts, is_zero):
        alike = (
            each
            for each in plan.assignments
            if each.rule == drawn.rule and each.reparametrization is not None and is_zero(each)
        )
        yield Contradiction(
            norm.rule.index,
            "method",
            f"{norm.method} divides {names} by a norm, which is zero, for {named(drawn.rule)} "
            "draws zeros",
            "draw them by another method there, or exclude them here",
            redraw(plan, {each.parameter.name: sound_draw(each) for each in alike}),
        )


def _reparametrized(
    facts: Facts, concerns: Callable[[Assignment], bool]
) -> Iterator[tuple[Reparametrization, Assignment, str]]:
    """For each two rules, one that reparametrizes and one that draws: what, first, and names."""
    found: dict[tuple[int, int], list[Assignment]] = {}
    for assignment in facts.blocks.plan.assignments:
        if assignment.reparametrization is not None and concerns(assignment):
            key = assignment.reparametrization.rule.index, assignment.rule.index
            found.setdefault(key, []).append(assignment)
    for assignments in found.values():
        first = assignments[0]
        assert first.reparametrization is not None
        names = listed([assignment.parameter.name for assignment in assignments])
        yield first.reparametrization, first, names


def _has_a_gain(assignment: Assignment) -> bool:
    is_orthogonal = isinstance(
        assignment.distribution, draws.Orthogonal | draws.DeltaOrthogonal | draws.Identity
    )
    return is_orthogonal and assignment.gain != 1
