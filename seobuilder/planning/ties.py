"""Ties: parameters of two names that are one tensor, which the right side of `ties` owns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from seobuilder.planning.model import Parameter
from seobuilder.recipe.diagnostics import Diagnostic, suggest
from seobuilder.recipe.document import format_path
from seobuilder.recipe.load import LoadedRecipe


@dataclass(frozen=True, slots=True)
class Tied:
    """Parameters that are drawn, those that are aliases, and stored name of alias to owner's."""

    owners: tuple[Parameter, ...]
    aliases: tuple[Parameter, ...]
    stored: Mapping[str, str]


def tie(loaded: LoadedRecipe, every: Sequence[Parameter], problems: list[Diagnostic]) -> Tied:
    """Part `every`, in the order of `named_parameters()`, by the recipe's ties."""
    ties = loaded.recipe.ties
    known = {parameter.name: parameter for parameter in every}
    for alias, owner in ties.items():
        problems.extend(_problems(loaded, alias, owner, known))
    good = {a: o for a, o in ties.items() if a in known and o in known and o not in ties}
    named: dict[str, list[str]] = {}
    for alias, owner in good.items():
        named.setdefault(owner, []).append(alias)
    order = {parameter.name: index for index, parameter in enumerate(every)}
    owners = []
    for parameter in every:
        if parameter.name in good:
            continue
        if names := named.get(parameter.name):
            # named_parameters() shows a shared tensor once, under the name that comes first.
            first = min([parameter.name, *names], key=order.__getitem__)
            parameter = replace(parameter, aliases=tuple(names), stored=known[first].stored)
        owners.append(parameter)
    return Tied(
        tuple(owners),
        tuple(known[alias] for alias in good),
        {known[a].stored[0]: known[o].stored[0] for a, o in good.items()},
    )


def _problems(
    loaded: LoadedRecipe, alias: str, owner: str, known: Mapping[str, Parameter]
) -> list[Diagnostic]:
    for name, is_alias in ((alias, True), (owner, False)):
        if name not in known:
            guess = suggest(name, known)
            hint = f"; did you mean `{guess}`?" if guess else ""
            return [_problem(loaded, f"there is no parameter `{name}`{hint}", alias, key=is_alias)]
    if owner in loaded.recipe.ties:
        return [_problem(loaded, f"`{owner}` is tied itself; name the owner of both", alias)]
    if known[alias].shape != known[owner].shape:
        shapes = f"{list(known[alias].shape)} and {list(known[owner].shape)}"
        return [_problem(loaded, f"the shapes differ: {shapes}", alias)]
    return []


def _problem(loaded: LoadedRecipe, message: str, alias: str, *, key: bool = False) -> Diagnostic:
    path = ("ties", alias)
    return Diagnostic("P209", message, loaded.mark(*path, key=key), format_path(path))
