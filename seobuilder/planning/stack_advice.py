"""Warnings on stacks that are deep and plain: only their weights keep signal and gradient in size.

A plain stack has layer behind layer, with no norm and no skip path between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod, sqrt
from typing import NamedTuple

from seobuilder.planning.blocks import Blocks
from seobuilder.planning.distributions import Normal, TruncatedNormal, Uniform
from seobuilder.planning.model import Assignment, Plan
from seobuilder.planning.placement import Normalizer
from seobuilder.planning.remedies import redraw
from seobuilder.planning.residual import has_skip
from seobuilder.planning.rules import listed, rule_problem
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.load import LoadedRecipe

FEW = 4
"""Layers up to which a factor for each of them is nothing that training could not make good."""

SHRUNK = 0.1
"""Factor of the variance over a stack below which, or above the inverse of which, it is told."""

DEEP, FLUCTUATION = 8, 0.2
"""Layers, and the sum of the inverses of their widths, from which on independence is told."""

_RELUS = ("relu", "leaky_relu")


class _Advice(NamedTuple):
    """Assignments that a warning is about, and what it says."""

    code: str
    about: Sequence[Assignment]
    message: str
    help: str
    draw: str


def stack_advice(loaded: LoadedRecipe, plan: Plan, normalizer: Normalizer) -> list[Diagnostic]:
    """P502 to P504: a plain stack is drawn by a method that suits shallow ones.

    One warning for each rule and stack.
    """
    blocks = Blocks(plan, normalizer.norms, normalizer.winners)
    advice = [each for stack in _plain_stacks(blocks) for each in _on_stack(stack)]
    advice += _on_recurrence(plan)
    return [_diagnostic(loaded, plan, each) for each in advice]


def _diagnostic(loaded: LoadedRecipe, plan: Plan, advice: _Advice) -> Diagnostic:
    names = [assignment.parameter.name for assignment in advice.about]
    message = f"{advice.message}: {listed(names)}"
    index = advice.about[0].rule.index
    problem = rule_problem(
        loaded, "initialization", index, advice.code, message, "method", advice.help
    )
    changes = redraw(plan, dict.fromkeys(names, advice.draw))
    return replace(problem, severity="warning", changes=changes)


def _plain_stacks(blocks: Blocks) -> Iterator[list[Assignment]]:
    """How the weights of layers are drawn that follow each other with no norm between."""
    for module in blocks.plan.root.children:
        if module.kind != "stack":
            continue
        run: list[Assignment] = []
        for node in module.children:
            weights = [a for p, a in blocks.drawn(node) if p.role == "weight"]
            is_plain = (
                f"{module.name}.{node.name}" not in blocks.normed
                and not has_skip(node)
                and len(weights) == 1
                and weights[0].reparametrization is None
            )
            if is_plain:
                run += weights
                continue
            yield run
            run = []
        yield run


def _on_stack(stack: Sequence[Assignment]) -> Iterator[_Advice]:
    independent = [a for a in stack if _std(a) is not None and a.parameter.fans is not None]
    spread = sum(1 / a.parameter.fans.fan_in for a in independent if a.parameter.fans)
    if len(independent) >= DEEP and spread >= FLUCTUATION:
        relus = all(a.parameter.nonlinearity in _RELUS for a in independent)
        gain = ', gain: "sqrt(2)"' if relus else ""
        yield _Advice(
            "P503",
            independent,
            f"{len(independent)} layers of independent weights in a row, with no norm between",
            "`orthogonal` weights keep the gradient's size over depth; so do norms",
            f"method: orthogonal{gain}",
        )
        return
    yield from _on_relus([a for a in independent if a.parameter.nonlinearity in _RELUS])


def _on_relus(relus: Sequence[Assignment]) -> Iterator[_Advice]:
    """ReLU halves the second moment, so that weights of variance 2 / fan_in keep it."""
    if len(relus) < FEW:
        return
    factors = []
    for assignment in relus:
        std, fans = _std(assignment), assignment.parameter.fans
        assert std is not None and fans is not None
        factors.append(fans.fan_in * std * std / 2)
    total = prod(factors)
    if SHRUNK <= total <= 1 / SHRUNK:
        return
    word = "shrink" if total < 1 else "grow"
    yield _Advice(
        "P502",
        relus,
        f"the weights before {len(relus)} ReLUs in a row let the signal's variance {word} by "
        f"{max(total, 1 / total) if total else float('inf'):.2g}",
        "`kaiming_uniform` and `kaiming_normal` keep it, by variance 2 / fan_in",
        "method: kaiming_normal, nonlinearity: auto",
    )


def _on_recurrence(plan: Plan) -> Iterator[_Advice]:
    """A state without gates is multiplied with the same matrix at each step."""
    by_rule: dict[int, list[Assignment]] = {}
    for assignment in plan.assignments:
        parameter = assignment.parameter
        std = _std(assignment)
        is_plain = parameter.layer == "rnn" and assignment.reparametrization is None
        if parameter.role == "recurrent_hidden" and len(parameter.shape) == 2 and is_plain and std:
            by_rule.setdefault(assignment.rule.index, []).append(assignment)
    for group in by_rule.values():
        std, columns = _std(group[0]), group[0].parameter.shape[1]
        assert std is not None
        yield _Advice(
            "P504",
            group,
            f"a state without gates is multiplied at each step by independent weights, whose "
            f"largest eigenvalue has a size of about {std * sqrt(columns):.2g}",
            "`orthogonal` weights have all eigenvalues on the unit circle",
            "method: orthogonal",
        )


def _std(assignment: Assignment) -> float | None:
    """Standard deviation of weights that are drawn one by one around zero."""
    if not isinstance(assignment.distribution, Normal | Uniform | TruncatedNormal):
        return None
    moments = assignment.distribution.moments(assignment.parameter.shape)
    return moments[1] if moments and moments[0] == 0 and moments[1] > 0 else None
