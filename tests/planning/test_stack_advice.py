"""Warnings on deep and plain stacks: told where theory says so, and gone after their change."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seobuilder.planning.model import Plan
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.load import load_recipe
from seobuilder.recipe.shipped import recipe_names

Planned = Callable[..., Plan]

BIAS = '- {match: "**.bias", method: zeros}'
REST = '- {match: "**", method: keep}'


def warnings(planned: Planned, module: str, rule: str, norm: str = "") -> tuple[Diagnostic, ...]:
    found = planned(
        modules=module,
        outputs="answer: {kind: regression, from: facts}",
        inputs="page: {kind: features, size: 64}",
        initialization=f"{BIAS}\n- {{{rule}}}\n{REST}",
        normalization=norm,
    ).warnings
    return tuple(warning for warning in found if warning.code != "P505")  # which is for any draw


def mlp(layers: int, width: int = 64, activation: str = "relu") -> str:
    widths = [width] * layers
    return f"facts: {{kind: mlp, from: page, widths: {widths}, activation: {activation}}}"


XAVIER = 'match: "facts.*.linear.weight", method: xavier_normal'


def test_xavier_halves_the_variance_at_each_relu(planned: Planned) -> None:
    (warning,) = warnings(planned, mlp(5), XAVIER)
    assert (warning.code, warning.severity) == ("P502", "warning")
    assert warning.path == "initialization[1].method"
    assert warning.message.startswith(
        "the weights before 5 ReLUs in a row let the signal's variance shrink by 32: "
        "`facts.0.linear.weight`"
    )
    (change,) = warning.changes
    assert change.path == ("initialization", 1)
    assert change.yaml.endswith("method: kaiming_normal, nonlinearity: auto}")


@pytest.mark.parametrize(
    ("module", "rule"),
    [
        (mlp(3), XAVIER),
        (mlp(5, activation="tanh"), XAVIER),
        (mlp(5), 'match: "facts.**.weight", method: kaiming_uniform, nonlinearity: auto'),
        (mlp(5), 'match: "facts.**.weight", method: xavier_normal, gain: "sqrt(2)"'),
        (mlp(5), 'match: "facts.**.weight", method: orthogonal'),
        (mlp(20).replace("relu", "relu, residual: plain"), XAVIER),
    ],
)
def test_no_word_on_what_keeps_the_size_or_is_shallow(
    planned: Planned, module: str, rule: str
) -> None:
    assert warnings(planned, module, rule) == ()


def test_a_norm_ends_a_stack(planned: Planned) -> None:
    norm = '- {match: "facts.2", method: layer_norm, placement: before_activation}'
    assert warnings(planned, mlp(5), XAVIER, norm) == ()
    (warning,) = warnings(planned, mlp(7), XAVIER, norm)
    assert "4 ReLUs in a row" in warning.message and "facts.0" not in warning.message


@pytest.mark.parametrize(
    ("layers", "width", "told"), [(12, 64, False), (13, 64, True), (7, 16, False), (8, 16, True)]
)
def test_depth_is_told_by_the_sum_of_inverse_widths(
    planned: Planned, layers: int, width: int, told: bool
) -> None:
    rule = 'match: "facts.**.weight", method: kaiming_normal, nonlinearity: auto'
    found = warnings(planned, mlp(layers, width), rule)
    assert [warning.code for warning in found] == ["P503"] * told
    for warning in found:
        assert warning.changes[0].yaml.endswith('method: orthogonal, gain: "sqrt(2)"}')
    orthogonal = 'match: "facts.**.weight", method: orthogonal'
    assert warnings(planned, mlp(layers, width), orthogonal) == ()


def test_an_orthogonal_weight_of_a_linear_or_tanh_stack_needs_no_gain(planned: Planned) -> None:
    (warning,) = warnings(planned, mlp(20, activation="tanh"), XAVIER)
    assert warning.code == "P503" and warning.changes[0].yaml.endswith("method: orthogonal}")


@pytest.mark.parametrize(
    ("cell", "method", "told"),
    [("rnn", "xavier_normal", True), ("rnn", "orthogonal", False), ("gru", "xavier_normal", False)],
)
def test_a_recurrence_without_gates(planned: Planned, cell: str, method: str, told: bool) -> None:
    plan = planned(
        modules=(
            "words: {kind: token_embedding, from: query, width: 4}\n"
            f"order: {{kind: recurrent, from: words, cell: {cell}, width: 16}}\n"
            "meaning: {kind: pool, from: order, method: last}\n"
            "facts: {kind: mlp, from: page, widths: [4]}\n"
            "joined: {kind: concat, from: [meaning, facts]}"
        ),
        initialization=f"{BIAS}\n- {{role: recurrent_hidden, method: {method}}}\n{REST}",
    )
    assert [warning.code for warning in plan.warnings] == ["P504"] * told
    for warning in plan.warnings:
        assert "largest eigenvalue has a size of about 1:" in warning.message
        assert warning.changes[0].yaml == "{role: recurrent_hidden, method: orthogonal}"


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_give_no_reason(name: str) -> None:
    codes = {warning.code for warning in make_plan(load_recipe(name)).warnings}
    assert codes.isdisjoint({"P502", "P503", "P504"})
