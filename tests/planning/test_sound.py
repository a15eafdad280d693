"""Draws that keep the signal's size, and how far others are from them."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, sqrt

import pytest

from seobuilder.planning.model import Plan
from seobuilder.planning.sound import excess, is_zero, sound_draw

Planned = Callable[..., Plan]


def drawn(planned: Planned, draw: str, activation: str = "relu"):
    rules = f'- {{match: "facts.*.*.weight", {draw}}}\n- {{match: "**", method: keep}}'
    modules = (
        "words: {kind: token_embedding, from: query, width: 4}\n"
        "meaning: {kind: pool, from: words, method: mean}\n"
        f"facts: {{kind: mlp, from: page, widths: [8, 4], activation: {activation}}}\n"
        "joined: {kind: concat, from: [meaning, facts]}"
    )
    plan = planned(modules=modules, initialization=rules)
    return {a.parameter.name: a for a in plan.assignments}["facts.1.linear.weight"]


@pytest.mark.parametrize(
    ("draw", "activation", "expected", "times"),
    [
        ("method: kaiming_normal", "relu", "method: kaiming_normal, nonlinearity: auto", 1),
        ("method: lecun_normal", "relu", "method: kaiming_normal, nonlinearity: auto", sqrt(0.5)),
        ("method: xavier_uniform, gain: 3", "tanh", "method: xavier_uniform", 3),
        ("method: orthogonal, gain: 3", "tanh", "method: orthogonal", 3),
        ("method: orthogonal", "relu", "method: orthogonal, gain: 1.4142", 1 / 1.4142),
        ("method: normal, std: 1", "selu", "method: lecun_normal", sqrt(8)),
        ("method: zeros", "gelu", "method: kaiming_normal, nonlinearity: auto", 0),
        ("method: normal, mean: 2, std: 0.1", "tanh", "method: xavier_normal", inf),
    ],
)
def test_the_draw_follows_activation_and_style(
    planned: Planned, draw: str, activation: str, expected: str, times: float
) -> None:
    assignment = drawn(planned, draw, activation)
    assert sound_draw(assignment) == expected
    assert excess(assignment) == pytest.approx(times)
    assert is_zero(assignment) == (times == 0)


@pytest.mark.parametrize(
    ("draw", "times"),
    [
        ("lecun_normal", 1),  # as keeps the signal's size, and 5.7 times Xavier's
        ("xavier_normal", 1),
        ("orthogonal, gain: 16", 16),
        ("normal, std: 2", 2 * sqrt(2)),
        ("normal, std: 0.0124", 0.1),
    ],
)
def test_a_widening_layer_may_keep_the_signal_or_compromise(
    planned: Planned, draw: str, times: float
) -> None:
    modules = (
        "facts: {kind: mlp, from: page, widths: [2, 128], activation: tanh}\n"
        "words: {kind: token_embedding, from: query, width: 4}\n"
        "meaning: {kind: pool, from: words, method: mean}\n"
        "joined: {kind: concat, from: [meaning, facts]}"
    )
    rules = f'- {{match: "facts.1.*.weight", method: {draw}}}\n- {{match: "**", method: keep}}'
    plan = planned(modules=modules, initialization=rules)
    assignments = {a.parameter.name: a for a in plan.assignments}
    assert excess(assignments["facts.1.linear.weight"]) == pytest.approx(times, rel=0.01)


def test_a_forget_gate_may_begin_open(planned: Planned) -> None:
    modules = (
        "words: {kind: token_embedding, from: query, width: 4}\n"
        "reader: {kind: recurrent, from: words, cell: lstm, width: 4}\n"
        "meaning: {kind: pool, from: reader, method: mean}\n"
        "joined: {kind: concat, from: [meaning, page]}"
    )
    rules = '- {role: bias, match: "reader.**", method: forget_bias, value: 3}\n'
    assignments = planned(
        modules=modules, initialization=rules + '- {match: "**", method: keep}'
    ).assignments
    found = {excess(a) for a in assignments if a.method == "forget_bias"}
    assert found == {None, 1.0}  # torch adds two biases, and the other one is zero


def test_what_the_layer_sets_itself_is_not_known(planned: Planned) -> None:
    assert excess(drawn(planned, "method: keep")) is None
