"""Rules that draw weights far from the size that keeps the signal, told by rule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from math import inf, log, sqrt

from seobuilder.planning.blocks import blocks_of
from seobuilder.planning.model import Assignment, Node, Plan, RuleReference
from seobuilder.planning.residual import has_skip
from seobuilder.planning.rules import listed
from seobuilder.planning.sound import excess, is_zero
from seobuilder.planning.stray import Band, adds, allowed, drawn_in, is_normed, strays
from seobuilder.report.model import Finding

FAR, FAR_MULTIPLIED = (0.02, 4.0), (0.2, 4.0)
"""Between which times of a sound std a weight passes: with a norm or a skip path between layers,
and where every layer multiplies what the ones before it gave."""

FAR_HEAD = 2.5
"""How many times 1 / sqrt(fan_in) a head may be: logits of its square from a signal of size 1."""


def far_band(module: Node) -> Band:
    """Outside of which the weights of a module are far."""
    blocks = blocks_of(module)[1]
    skips = module.kind == "transformer" or any(map(has_skip, blocks))
    return FAR if skips or is_normed(module) else FAR_MULTIPLIED


def check_sizes(plan: Plan) -> list[Finding]:
    """H028: weights are far larger or smaller than keeps the signal; one finding for each rule.

    Weights of zeros are told where they let no gradient through.
    """
    by_rule: dict[RuleReference, list[tuple[Assignment, Band]]] = {}
    for module in plan.root.children:
        band, is_bare = far_band(module), adds(module)
        for each in strays(plan, module.name, band, adds=is_bare):
            if not is_zero(each):
                within = allowed(each, band, adds=is_bare)
                by_rule.setdefault(each.rule, []).append((each, within))
    uneven = [finding for module in plan.root.children for finding in _zeros_in_some(plan, module)]
    heads = [(a.rule, a.parameter.name, size) for a in plan.assignments if (size := _of_head(a))]
    return [
        *(_far(rule, found) for rule, found in by_rule.items()),
        *uneven,
        *(_far_head(rule, name, size) for rule, name, size in heads if size > FAR_HEAD),
    ]


def _zeros_in_some(plan: Plan, module: Node) -> Iterator[Finding]:
    """Blocks whose layers are all zeros, where those of other blocks are not, by rule."""
    prefix, blocks = blocks_of(module)
    layers = [
        [a for a in drawn_in(plan, f"{prefix}.{block.name}") if a.parameter.role != "residual_out"]
        for block in blocks
    ]
    zeros = [drawn for drawn in layers if drawn and all(map(is_zero, drawn))]
    if len(zeros) == len(layers):
        return
    by_rule: dict[RuleReference, list[str]] = {}
    for each in chain.from_iterable(zeros):
        by_rule.setdefault(each.rule, []).append(each.parameter.name)
    for rule, names in by_rule.items():
        yield Finding(
            code="H028",
            severity="warning",
            place=common_place(names),
            message=f"{listed(names)} drawn as zeros, and the layers of other blocks are not",
            measured=0.0,
            expected=1.0,
            rule=rule.mark.place,
            source="a block of zeros adds nothing; as a choice it is made for all of a stack",
            suggestion="draw them as those of the other blocks",
        )


def common_place(names: Iterable[str]) -> str:
    """The place that holds all of these parameters: their name, or what their names begin with."""
    first, *others = (name.split(".") for name in names)
    shared = next(
        (i for i, parts in enumerate(zip(first, *others, strict=False)) if len(set(parts)) > 1),
        len(first),
    )
    return ".".join(first[: max(1, shared)])


def _of_head(assignment: Assignment) -> float | None:
    """The size of a head's logits where what comes in has size 1; None for what is no head."""
    parameter = assignment.parameter
    moments = assignment.distribution.moments(parameter.shape)
    if parameter.role != "head" or moments is None or parameter.fans is None:
        return None
    return moments[1] * sqrt(parameter.fans.fan_in)


def _far_head(rule: RuleReference, name: str, size: float) -> Finding:
    return Finding(
        code="H028",
        severity="warning",
        place=name,
        message=f"the head is drawn {size:.2g} times as large as gives answers the signal's size",
        measured=size,
        expected=1.0,
        tolerance=FAR_HEAD - 1,
        rule=rule.mark.place,
        source="answers begin with preferences that training has to take back",
        suggestion="draw this output's head with a smaller standard deviation, or zeros",
    )


def _far(rule: RuleReference, found: list[tuple[Assignment, Band]]) -> Finding:
    sizes = {each.parameter.name: (excess(each) or inf, band) for each, band in found}
    worst, (low, high) = max(sizes.values(), key=lambda each: abs(log(each[0])))
    word = f"{worst:.2g} times as large as" if worst > 1 else f"{1 / worst:.2g} times smaller than"
    return Finding(
        code="H028",
        severity="warning",
        place=common_place(sizes),
        message=f"{listed(list(sizes))} drawn {word} what keeps the signal's size",
        measured=worst,
        expected=1.0,
        tolerance=high - 1 if worst > 1 else 1 - low,
        rule=rule.mark.place,
        source="Glorot and Bengio 2010, equation 12; He et al. 2015, equation 10",
        suggestion="take a method that follows the fans, such as xavier or kaiming, with its own "
        "gain; for the ends of added branches, divided by sqrt(2 * depth)",
    )
