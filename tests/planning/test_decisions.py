"""autoinit is decided in the order of the model, from what all other rules draw."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt

import pytest

from seobuilder.planning.decisions import drawn_moments
from seobuilder.planning.distributions import Keep, Normal, TruncatedNormal, Uniform
from seobuilder.planning.model import Parameter, Plan

Planned = Callable[..., Plan]
Problems = Callable[..., list[str]]

FEATURES = "page: {kind: features, size: 6}"
MLP = "facts: {kind: mlp, from: page, widths: [8, 4], activation: relu}"
ANSWER = "answer: {kind: regression, from: facts}"
ZERO_BIASES = '- {match: "**.bias", method: zeros}\n'
AUTO = ZERO_BIASES + '- {match: "**", method: autoinit}'


def stds(plan: Plan) -> dict[str, float]:
    """Standard deviation of every weight."""
    found = {}
    for assignment in plan.assignments:
        moments = assignment.distribution.moments(assignment.parameter.shape)
        if assignment.parameter.name.endswith("weight"):
            found[assignment.parameter.name] = moments[1] if moments else -1.0
    return found


def arriving(plan: Plan, name: str) -> tuple[float, float] | None:
    return parameter(plan, name).arriving


def parameter(plan: Plan, name: str) -> Parameter:
    (found,) = (a.parameter for a in plan.assignments if a.parameter.name == name)
    return found


def test_each_layer_makes_up_for_what_arrives(planned: Planned) -> None:
    plan = planned(inputs=FEATURES, modules=MLP, outputs=ANSWER, initialization=AUTO)
    # relu of a standard normal has the square 1/2
    assert stds(plan) == pytest.approx(
        {
            "facts.0.linear.weight": sqrt(1 / 6),
            "facts.1.linear.weight": sqrt(2 / 8),
            "answer.linear.weight": sqrt(2 / 4),
        }
    )
    assert arriving(plan, "facts.0.linear.weight") == (0.0, 1.0)
    assert arriving(plan, "answer.linear.weight") == pytest.approx(
        (1 / sqrt(2 * pi), 1 / 2 - 1 / (2 * pi))
    )
    assert arriving(plan, "facts.0.linear.bias") is None
    gains = [a.gain for a in plan.assignments if a.gain is not None]
    assert gains == pytest.approx([1, sqrt(2), sqrt(2)])


def test_other_variances_and_distributions(planned: Planned) -> None:
    rules = ZERO_BIASES + (
        '- {match: "**.0.linear.weight", method: autoinit, variance: 4, distribution: normal}\n'
        '- {match: "facts.**", method: autoinit, variance: "1 / depth", distribution: uniform}\n'
        "- {role: head, method: autoinit}"
    )
    plan = planned(inputs=FEATURES, modules=MLP, outputs=ANSWER, initialization=rules)
    found = stds(plan)
    assert found["facts.0.linear.weight"] == pytest.approx(sqrt(4 / 6))
    # relu of variance 4 has the square 2, and 1 / depth is 1/2; of that 1/4
    assert found["facts.1.linear.weight"] == pytest.approx(sqrt(1 / 2 / (8 * 2)))
    assert found["answer.linear.weight"] == pytest.approx(sqrt(1 / (4 * 1 / 4)))
    kinds = [type(a.distribution) for a in plan.assignments if a.gain is not None]
    assert kinds == [Normal, Uniform, TruncatedNormal]


def test_weights_of_other_rules_count(planned: Planned) -> None:
    rules = ZERO_BIASES + (
        '- {match: "facts.0.**", method: normal, std: 2}\n- {match: "**", method: autoinit}'
    )
    plan = planned(inputs=FEATURES, modules=MLP, outputs=ANSWER, initialization=rules)
    assert stds(plan)["facts.1.linear.weight"] == pytest.approx(sqrt(1 / (8 * 6 * 4 / 2)))


def test_a_bias_counts(planned: Planned) -> None:
    rules = (
        '- {match: "facts.0.linear.bias", method: constant, value: 3}\n'
        '- {match: "**.bias", method: normal, std: 0.5}\n- {match: "**", method: autoinit}'
    )
    linear = MLP.replace("relu", "identity")
    plan = planned(inputs=FEATURES, modules=linear, outputs=ANSWER, initialization=rules)
    assert arriving(plan, "facts.1.linear.weight") == pytest.approx((3.0, 1.0))
    assert arriving(plan, "answer.linear.weight") == pytest.approx((0.0, 1.25))


def test_keep_counts_as_what_torch_draws(planned: Planned) -> None:
    rules = '- {match: "facts.**", method: keep}\n' + AUTO
    linear = MLP.replace("relu", "identity")
    plan = planned(inputs=FEATURES, modules=linear, outputs=ANSWER, initialization=rules)
    first = 1 / 3 + 1 / (3 * 6)
    assert arriving(plan, "answer.linear.weight") == pytest.approx((0, first / 3 + 1 / (3 * 8)))


def test_spectral_norm_counts(planned: Planned) -> None:
    linear = MLP.replace("relu", "identity")
    plan = planned(
        inputs=FEATURES,
        modules=linear,
        outputs=ANSWER,
        initialization=AUTO,
        normalization='- {match: "facts.1.linear.weight", method: spectral_norm}',
    )
    each = 1 / (sqrt(4) + sqrt(8))
    assert arriving(plan, "answer.linear.weight") == pytest.approx((0, 8 * each**2))


@pytest.mark.parametrize(
    ("draw", "std"),
    [
        # torch's own, uniform of variance 1 / (3 * 8)
        ("keep", 1 / (sqrt(4) + sqrt(8))),
        ("orthogonal, gain: 3", 1 / sqrt(8)),
        # of rank 1: a mean of 1 / sqrt(4 * 8) and no deviation
        ("constant, value: 7", 0.0),
    ],
)
def test_spectral_norm_divides_by_what_the_draw_has(
    planned: Planned, draw: str, std: float
) -> None:
    plan = planned(
        inputs=FEATURES,
        modules=MLP.replace("relu", "identity"),
        outputs=ANSWER,
        initialization=f'- {{match: "facts.1.**.weight", method: {draw}}}\n{AUTO}',
        normalization='- {match: "facts.1.linear.weight", method: spectral_norm}',
    )
    # The first layer gives variance 1 and mean 0, so that a mean counts as much as a deviation.
    square = std**2 if std else 1 / (4 * 8)
    assert arriving(plan, "answer.linear.weight") == pytest.approx((0, 8 * square))


def test_a_transposed_convolution_keeps_torch_s_default(planned: Planned) -> None:
    plan = planned(
        inputs="look: {kind: image, channels: 3, height: 4, width: 4}",
        modules=(
            "larger: {kind: conv, from: look, channels: [6], kernel: 2, stride: 2, "
            "transposed: true, activation: identity, bias: false}\n"
            "facts: {kind: pool, from: larger, method: max}"
        ),
        outputs=ANSWER,
        initialization=f'- {{match: "larger.**", method: keep}}\n{AUTO}',
    )
    weight = parameter(plan, "larger.0.conv.weight")
    drawn = drawn_moments(weight, Keep())
    # torch takes the 6 * 4 outputs of an input for its inputs
    assert drawn == pytest.approx((0, 1 / (3 * 24), 0))


def test_an_embedding_s_rows_are_looked_up(planned: Planned) -> None:
    plan = planned(
        inputs="query: {kind: tokens, vocab_size: 10, max_length: 5}",
        modules=(
            "words: {kind: token_embedding, from: query, width: 4, positions: learned}\n"
            "facts: {kind: pool, from: words, method: mean}"
        ),
        outputs=ANSWER,
        initialization=AUTO,
    )
    found = stds(plan)
    assert found["words.tokens.weight"] == found["words.positions.weight"] == pytest.approx(1)
    assert arriving(plan, "answer.linear.weight") == pytest.approx((0, 2 / 5))


def test_input_and_hidden_map_give_half_each(planned: Planned) -> None:
    plan = planned(
        inputs="query: {kind: tokens, vocab_size: 10, max_length: 500}",
        modules=(
            "words: {kind: token_embedding, from: query, width: 4}\n"
            "reader: {kind: recurrent, from: words, cell: rnn, width: 9}\n"
            "facts: {kind: pool, from: reader, method: last}"
        ),
        outputs=ANSWER,
        initialization=AUTO,
    )
    found = stds(plan)
    state = arriving(plan, "reader.layers.0.forward.hidden.weight")
    assert state is not None
    assert found["reader.layers.0.forward.input.weight"] == pytest.approx(sqrt(0.5 / 4))
    hidden = found["reader.layers.0.forward.hidden.weight"]
    assert hidden == pytest.approx(sqrt(0.5 / (9 * state[1])))
    assert state[1] == pytest.approx(0.3943, rel=0.01)  # E[tanh(z)²]


def test_the_first_use_of_a_shared_module_decides(planned: Planned) -> None:
    shared = (
        "facts: {kind: mlp, from: page, widths: [6], activation: relu}\n"
        "again: {same_as: facts, from: facts}"
    )
    plan = planned(
        inputs=FEATURES,
        modules=shared,
        outputs="answer: {kind: regression, from: again}",
        initialization=AUTO,
    )
    assert arriving(plan, "facts.0.linear.weight") == (0.0, 1.0)
    # The second use gets the square 1/2, gives 1/2, and relu leaves 1/4
    mean, variance = arriving(plan, "answer.linear.weight") or (0.0, 0.0)
    assert mean**2 + variance == pytest.approx(1 / 4)


def test_a_tie_is_decided_where_either_is_used_first(planned: Planned) -> None:
    modules = (
        "facts: {kind: mlp, from: page, widths: [6], activation: relu}\n"
        "more: {kind: mlp, from: facts, widths: [6], activation: relu}"
    )
    tied = {
        "inputs": FEATURES,
        "modules": modules,
        "outputs": "answer: {kind: regression, from: more}",
        "initialization": AUTO,
    }
    plan = planned(**tied, ties="more.0.linear.weight: facts.0.linear.weight")
    assert arriving(plan, "facts.0.linear.weight") == (0.0, 1.0)
    plan = planned(**tied, ties="facts.0.linear.weight: more.0.linear.weight")
    assert arriving(plan, "more.0.linear.weight") == (0.0, 1.0)


def test_other_parameters_have_rules_of_their_own(problems: Problems) -> None:
    found = problems(
        inputs=FEATURES,
        modules=MLP,
        outputs=ANSWER,
        normalization='- {match: "facts.*", method: layer_norm, placement: before_activation}',
        initialization=(
            '- {match: "facts.0.norm.weight", method: autoinit}\n'
            '- {match: "facts.**.bias", method: autoinit}\n'
            '- {match: "**", method: autoinit}'
        ),
    )
    assert found == [
        "P207 initialization[0].method <autoinit>: autoinit draws matrices and tables; "
        "`facts.0.norm.weight` is a norm scale",
        "P207 initialization[1].method <autoinit>: autoinit draws matrices and tables; "
        "`facts.0.norm.bias` is a norm shift (and 3 more)",
        "P207 initialization[2].method <autoinit>: autoinit draws matrices and tables; "
        "`facts.1.norm.weight` is a norm scale (and 1 more)",
    ]


def test_a_signal_of_zero(problems: Problems) -> None:
    found = problems(
        inputs=FEATURES,
        modules=MLP,
        outputs=ANSWER,
        initialization='- {match: "facts.0.**", method: zeros}\n' + AUTO,
    )
    assert found == [
        "P212 initialization[2].method <autoinit>: "
        "the signal that `facts.1.linear.weight` gets is zero"
    ]


def test_a_signal_that_no_number_holds(problems: Problems) -> None:
    found = problems(
        inputs=FEATURES,
        modules=MLP,
        outputs=ANSWER,
        initialization='- {match: "facts.0.**.weight", method: normal, std: 1.0e+160}\n' + AUTO,
        dtype="float64",
    )
    assert found == [
        "P212 initialization[2].method <autoinit>: the signal that `facts.1.linear.weight` gets is "
        "too large (and 1 more)"
    ]


LOADED = '- {match: "facts.0.**", method: pretrained, file: w.safetensors}\n' + AUTO


def test_a_signal_from_loaded_weights(problems: Problems) -> None:
    found = problems(inputs=FEATURES, modules=MLP, outputs=ANSWER, initialization=LOADED)
    assert found == [
        "P212 initialization[2].method <autoinit>: the signal that `facts.1.linear.weight` gets is "
        "unknown, for weights before it come from a file"
    ]


def test_a_norm_after_loaded_weights(planned: Planned) -> None:
    plan = planned(
        inputs=FEATURES,
        modules=MLP,
        outputs=ANSWER,
        normalization='- {match: "facts.0", method: rms_norm, placement: before_activation}',
        initialization="- {role: norm_scale, method: ones}\n"
        + LOADED.replace("facts.0.**", "facts.0.linear.*"),
    )
    assert stds(plan)["facts.1.linear.weight"] == pytest.approx(sqrt(2 / 8))


def test_only_the_first_cause_is_told(problems: Problems) -> None:
    found = problems(
        inputs=FEATURES,
        modules=MLP,
        outputs=ANSWER,
        initialization=(
            '- {match: "facts.0.linear.weight", method: dirac}\n'
            '- {match: "facts.**.weight", method: autoinit}'
        ),
    )
    assert [line.partition(" ")[0] for line in found] == ["P201", "P207"]


@pytest.mark.parametrize(
    ("variance", "problem"),
    [
        (
            '"width - 6"',
            'P208 initialization[1].variance <"width - 6">: `width - 6` is -2 for '
            "`facts.1.linear.weight`, and must be greater than 0",
        ),
        (
            "1.0e+308",
            "P212 initialization[1].method <autoinit>: the signal that `facts.1.linear.weight` "
            "gets is too large (and 1 more)",
        ),
    ],
)
def test_numbers_without_a_use(problems: Problems, variance: str, problem: str) -> None:
    rule = f'- {{match: "**", method: autoinit, variance: {variance}}}'
    found = problems(
        inputs=FEATURES,
        modules=MLP,
        outputs=ANSWER,
        initialization=ZERO_BIASES + rule,
        dtype="float64",
    )
    assert found == [problem]
