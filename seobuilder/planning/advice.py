"""Warnings: what a recipe may say, and hardly means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from seobuilder.planning.gains import LEAKY_SLOPE
from seobuilder.planning.model import Assignment
from seobuilder.planning.remedies import delete, set_value
from seobuilder.planning.rules import listed, rule_problem
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.recipe.spec.initialization import Kaiming

_NONE = ("linear", "identity")


def nonlinearity_warnings(
    loaded: LoadedRecipe, assignments: Sequence[Assignment]
) -> tuple[Diagnostic, ...]:
    """P501: a rule's gain is that of another activation than the one that follows.

    One warning for each rule; layers that no activation follows are no reason for one.
    """
    found = []
    for index, rule in enumerate(loaded.recipe.initialization):
        if not isinstance(rule, Kaiming) or rule.nonlinearity == "auto":
            continue
        following: dict[str, list[str]] = {}
        for assignment in assignments:
            parameter = assignment.parameter
            if assignment.rule.index != index or parameter.nonlinearity in _NONE:
                continue
            if parameter.nonlinearity != rule.nonlinearity:
                following.setdefault(parameter.nonlinearity, []).append(parameter.name)
            elif rule.slope not in (None, LEAKY_SLOPE):
                what = f"{rule.nonlinearity} of slope {LEAKY_SLOPE:g}"
                following.setdefault(what, []).append(parameter.name)
        if following:
            what = "; ".join(f"{name} follows {listed(names)}" for name, names in following.items())
            slope = "" if rule.slope is None else f" of slope {rule.slope:g}"
            message = f"the gain is that of {rule.nonlinearity}{slope}, but {what}"
            help = "`nonlinearity: auto` takes the activation that follows each layer"
            problem = rule_problem(
                loaded, "initialization", index, "P501", message, "nonlinearity", help
            )
            place = ("initialization", index, "nonlinearity")
            changes = set_value(loaded, place, "auto")
            if rule.slope is not None:  # which goes with leaky_relu by name
                changes += delete(loaded, (*place[:2], "slope"))
            found.append(replace(problem, severity="warning", changes=changes))
    return tuple(found)
