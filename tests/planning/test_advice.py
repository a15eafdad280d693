"""Warnings on what a recipe says, and hardly means."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seobuilder.planning.model import Plan
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.load import load_recipe
from seobuilder.recipe.shipped import recipe_names

Planned = Callable[..., Plan]

MODULES = (
    "words: {kind: token_embedding, from: query, width: 4}\n"
    "deep: {kind: mlp, from: words, widths: [4, 4], activation: gelu}\n"
    "order: {kind: recurrent, from: deep, cell: gru, width: 4}\n"
    "meaning: {kind: pool, from: order, method: mean}\n"
    "facts: {kind: mlp, from: page, widths: [8, 4]}\n"
    "joined: {kind: concat, from: [meaning, facts]}"
)


def warnings(planned: Planned, rule: str) -> list[tuple[str, str, int, int, str, str]]:
    rules = f'- {{match: "**.bias", method: zeros}}\n- {{{rule}}}\n- {{match: "**", method: keep}}'
    plan = planned(modules=MODULES, initialization=rules)
    found = []
    for warning in plan.warnings:
        assert warning.severity == "warning" and warning.mark is not None
        mark = warning.mark
        found.append((warning.code, warning.path, mark.column, mark.length, warning.message))
        assert warning.help == "`nonlinearity: auto` takes the activation that follows each layer"
    return found


def test_the_gain_of_another_activation_is_told_once_a_rule(planned: Planned) -> None:
    rule = 'type: [linear, gru], match: "**.weight", method: kaiming_normal, nonlinearity: relu'
    assert warnings(planned, rule) == [
        (
            "P501",
            "initialization[1].nonlinearity",
            85,
            4,
            "the gain is that of relu, but gelu follows `deep.0.linear.weight`, "
            "`deep.1.linear.weight`; tanh follows `order.layers.0.forward.input.weight`, "
            "`order.layers.0.forward.hidden.weight`",
        )
    ]


def test_a_default_that_differs_is_told_at_the_rule(planned: Planned) -> None:
    rule = 'match: "deep.*.linear.weight", method: kaiming_uniform'
    (warning,) = warnings(planned, rule)
    assert warning[1] == "initialization[1]"
    assert warning[4].startswith("the gain is that of relu, but gelu follows ")


@pytest.mark.parametrize(("slope", "is_told"), [(0.3, True), (0.01, False)])
def test_another_slope_is_another_activation(planned: Planned, slope: float, is_told: bool) -> None:
    plan = planned(
        modules=MODULES.replace("widths: [8, 4]", "widths: [8, 4], activation: leaky_relu"),
        initialization=(
            '- {match: "facts.**.weight", method: kaiming_normal, nonlinearity: leaky_relu, '
            f'slope: {slope}}}\n- {{match: "**", method: keep}}'
        ),
    )
    told = [warning.message for warning in plan.warnings]
    assert (
        told
        == [
            "the gain is that of leaky_relu of slope 0.3, but leaky_relu of slope 0.01 follows "
            "`facts.0.linear.weight`, `facts.1.linear.weight`"
        ]
        * is_told
    )


@pytest.mark.parametrize(
    "rule",
    [
        'match: "deep.**.weight", method: kaiming_normal, nonlinearity: auto',
        'match: "deep.**.weight", method: kaiming_normal, nonlinearity: gelu',
        'match: "facts.**.weight", method: kaiming_normal',
        # Nothing follows the head, and no other method has a nonlinearity.
        "role: head, method: kaiming_normal",
        'match: "deep.**.weight", method: xavier_normal',
    ],
)
def test_what_suits_is_no_reason_for_a_warning(planned: Planned, rule: str) -> None:
    assert warnings(planned, rule) == []


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_give_no_reason(name: str) -> None:
    assert "P501" not in {warning.code for warning in make_plan(load_recipe(name)).warnings}
