"""Tensors that two names share, and modules that run on two sources."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seobuilder.building.compile import compile_plan
from seobuilder.planning.distributions import Normal, Uniform
from seobuilder.planning.model import Assignment, Plan

Planned = Callable[..., Plan]
Problems = Callable[..., list[str]]

INPUTS = """\
query: {kind: tokens, vocab_size: 10, max_length: 5}
title: {kind: tokens, vocab_size: 10, max_length: 12}"""
TWO = """\
left: {kind: token_embedding, from: query, width: 4}
right: {kind: token_embedding, from: title, width: 4}
one: {kind: pool, from: left, method: mean}
two: {kind: pool, from: right, method: mean}
joined: {kind: concat, from: [one, two]}"""
OUTPUTS = "answer: {kind: regression, from: joined}"


def by_name(plan: Plan) -> dict[str, Assignment]:
    return {assignment.parameter.name: assignment for assignment in plan.assignments}


def compiled_names(plan: Plan) -> list[str]:
    return [name for name, _ in compile_plan(plan).named_parameters()]


def stored_names(plan: Plan) -> list[str]:
    return [name for a in plan.assignments for name in a.parameter.stored]


# Ties.


def test_the_owner_is_drawn_once_and_lists_its_aliases(planned: Planned) -> None:
    plan = planned(
        inputs=INPUTS,
        modules=TWO,
        outputs=OUTPUTS,
        ties="left.tokens.weight: right.tokens.weight",
        initialization="""\
- {match: "right.**", method: normal, std: 2}
- {match: "**", method: keep}""",
    )
    owner = by_name(plan)["right.tokens.weight"]
    assert owner.parameter.aliases == ("left.tokens.weight",)
    assert owner.distribution == Normal(0, 2)
    assert "left.tokens.weight" not in by_name(plan)
    assert plan.parameter_count == 40 + 8 + 1
    # named_parameters() shows a shared tensor once, under the name that comes first.
    assert owner.parameter.stored == ("left.tokens.weight",)
    assert plan.ties == {"left.tokens.weight": "right.tokens.weight"}
    assert sorted(stored_names(plan)) == sorted(compiled_names(plan))


def test_the_owner_may_come_first(planned: Planned) -> None:
    plan = planned(
        inputs=INPUTS,
        modules=TWO,
        outputs=OUTPUTS,
        ties="right.tokens.weight: left.tokens.weight",
    )
    owner = by_name(plan)["left.tokens.weight"].parameter
    assert (owner.aliases, owner.stored) == (("right.tokens.weight",), ("left.tokens.weight",))
    assert stored_names(plan) == compiled_names(plan)


TOWER = """\
words: {kind: token_embedding, from: query, width: 4, positions: learned}
encoder: {kind: transformer, from: words, depth: 2, heads: 2, residual: layerscale,
          ffn: {kind: mlp, width: 4}}
reader: {kind: recurrent, from: encoder, cell: lstm, width: 4, bidirectional: true}
joined: {kind: pool, from: reader, method: mean}"""


@pytest.mark.parametrize(
    "ties",
    [
        {"reader.layers.0.backward.hidden.weight": "reader.layers.0.forward.hidden.weight"},
        {"reader.layers.0.forward.hidden.bias": "reader.layers.0.backward.input.bias"},
        {"encoder.input_norm.weight": "encoder.blocks.0.attention_input_norm.weight"},
        {"encoder.blocks.0.attention_scale.weight": "encoder.blocks.0.ffn_input_norm.weight"},
        {
            "encoder.blocks.0.ffn.up.weight": "encoder.blocks.1.attention.query.weight",
            "encoder.blocks.1.ffn.up.weight": "encoder.blocks.1.attention.query.weight",
            "encoder.blocks.0.ffn.up.bias": "encoder.blocks.0.ffn.down.bias",
        },
    ],
)
def test_a_tied_tensor_is_stored_under_its_first_name(
    planned: Planned, ties: dict[str, str]
) -> None:
    plan = planned(
        inputs="query: {kind: tokens, vocab_size: 10, max_length: 5}",
        modules=TOWER,
        outputs=OUTPUTS,
        normalization='- {match: "encoder.blocks.*", method: rms_norm, placement: peri}',
        ties="\n".join(f"{alias}: {owner}" for alias, owner in ties.items()),
    )
    assert sorted(stored_names(plan)) == sorted(compiled_names(plan))
    for alias, owner in ties.items():
        assert alias in by_name(plan)[owner].parameter.aliases


def test_rules_see_the_owner_only(planned: Planned, problems: Problems) -> None:
    tied = {
        "inputs": INPUTS,
        "modules": TWO,
        "outputs": OUTPUTS,
        "ties": "left.tokens.weight: right.tokens.weight",
    }
    assert problems(
        **tied, initialization='- {match: "left.**", method: zeros}\n- {match: "**", method: keep}'
    ) == [
        'P206 initialization[0].match <"left.**">: the rule matches only `left.tokens.weight`, '
        "tied to other parameters [name the owner, on the right side of `ties`]"
    ]
    plan = planned(
        **tied,
        initialization="""\
- {match: "left.**", method: zeros, optional: true}
- {role: embedding, method: uniform, bound: 1, expect: 1}
- {match: "**", method: keep}""",
    )
    assert by_name(plan)["right.tokens.weight"].distribution == Uniform(-1.0, 1.0)
    assert by_name(plan)["right.tokens.weight"].losing[0].index == 2


def test_ties_that_can_not_be(problems: Problems) -> None:
    assert problems(
        inputs=INPUTS,
        modules=TWO + "\ndeep: {kind: mlp, from: joined, widths: [8]}",
        outputs=OUTPUTS.replace("joined", "deep"),
        ties="""\
left.token.weight: right.tokens.weight
deep.0.linear.weight: right.tokens.weigth
answer.linear.weight: deep.0.linear.bias
left.tokens.weight: right.tokens.weight
right.tokens.weight: left.tokens.weight
nothing.like.it: deep.0.linear.bias""",
    ) == [
        "P209 ties[`left.token.weight`] <left.token.weight>: there is no parameter "
        "`left.token.weight`; did you mean `left.tokens.weight`?",
        "P209 ties[`deep.0.linear.weight`] <right.tokens.weigth>: there is no parameter "
        "`right.tokens.weigth`; did you mean `right.tokens.weight`?",
        "P209 ties[`answer.linear.weight`] <deep.0.linear.bias>: the shapes differ: [1, 8] and [8]",
        "P209 ties[`left.tokens.weight`] <right.tokens.weight>: `right.tokens.weight` is tied "
        "itself; name the owner of both",
        "P209 ties[`right.tokens.weight`] <left.tokens.weight>: `left.tokens.weight` is tied "
        "itself; name the owner of both",
        "P209 ties[`nothing.like.it`] <nothing.like.it>: there is no parameter `nothing.like.it`",
    ]


def test_a_tied_model_is_counted_once_against_the_limit(planned: Planned) -> None:
    """Two tables of 0.6 * 10^12 elements are one, and one is allowed."""
    sizes = "vocab_size: 16777216"
    plan = planned(
        inputs=INPUTS.replace("vocab_size: 10", sizes),
        modules=TWO.replace("width: 4", "width: 36000"),
        outputs=OUTPUTS,
        ties="left.tokens.weight: right.tokens.weight",
    )
    assert plan.parameter_count == 16777216 * 36000 + 2 * 36000 + 1


# Shared modules.

TOWERS = """\
words: {kind: token_embedding, from: query, width: 4, positions: learned}
encoder: {kind: transformer, from: words, depth: 1, heads: 2, positions: rotary,
          ffn: {kind: mlp, width: 8}}
one: {kind: pool, from: encoder, method: attention}
other_words: {same_as: words, from: title}
other_encoder: {same_as: encoder, from: other_words}
two: {same_as: one, from: other_encoder}
joined: {kind: concat, from: [one, two]}"""


def test_a_shared_tower_owns_nothing(planned: Planned) -> None:
    plan = planned(
        inputs=INPUTS,
        modules=TOWERS,
        outputs=OUTPUTS,
        normalization='- {match: "encoder.blocks.*", method: rms_norm, placement: pre, expect: 1}',
    )
    segments = {a.parameter.name.partition(".")[0] for a in plan.assignments}
    assert segments == {"words", "encoder", "one", "answer"}
    assert plan.normalizations == {"rms_norm": ("encoder.blocks.0",)}
    children = [child.name for child in plan.root.children]
    assert children == ["words", "encoder", "one", "joined", "answer"]
    assert plan.root.settings["steps"][3:6] == (
        ("other_words", "words", ("title",), "title"),
        ("other_encoder", "encoder", ("other_words",), "title"),
        ("two", "one", ("other_encoder",), "title"),
    )
    assert stored_names(plan) == compiled_names(plan)


def test_positions_are_sized_for_the_longest_of_all_users(planned: Planned) -> None:
    plan = planned(inputs=INPUTS, modules=TOWERS, outputs=OUTPUTS)
    assert by_name(plan)["words.positions.weight"].parameter.shape == (12, 4)
    lengths = {node.settings["length"] for node in plan.root.walk() if node.kind == "rotary"}
    assert lengths == {12}
    swapped = planned(inputs=INPUTS.replace("5", "50"), modules=TOWERS, outputs=OUTPUTS)
    assert by_name(swapped)["words.positions.weight"].parameter.shape == (50, 4)


def test_flops_are_counted_for_each_use(planned: Planned) -> None:
    plan = planned(inputs=INPUTS, modules=TOWERS, outputs=OUTPUTS)

    def tower(length: int) -> int:
        projections = 4 * 2 * 4 * 4 * length
        products = 2 * 2 * length * length * 4
        network = 2 * 2 * 4 * 8 * length
        score = 2 * 4 * length
        return projections + products + network + score

    assert plan.flops == tower(5) + tower(12) + 2 * 8


def test_shares_that_can_not_be(problems: Problems) -> None:
    assert problems(
        inputs="""\
query: {kind: tokens, vocab_size: 10, max_length: 5}
title: {kind: tokens, vocab_size: 11, max_length: 5}
path: {kind: tokens, vocab_size: 10, max_length: 5, padding_id: 3}
page: {kind: features, size: 4}
more: {kind: features, size: 6}""",
        modules="""\
words: {kind: token_embedding, from: query, width: 4}
same: {same_as: words, from: title}
padded: {same_as: words, from: path}
facts: {kind: mlp, from: page, widths: [4]}
wide: {same_as: facts, from: more}
along: {same_as: facts, from: words}
one: {kind: pool, from: words, method: mean}
compared: {kind: interaction, from: [one, facts], method: dot}
again: {same_as: compared, from: one}
broken: {kind: transformer, from: words, depth: 1, heads: 3, ffn: {kind: mlp, width: 8}}
too: {same_as: broken, from: words}
odd: {kind: conv, from: words, channels: [6, 4], kernel: 3, groups: 2}
narrow: {same_as: odd, from: odd}
odder: {kind: conv, from: words, channels: [3], kernel: 3}
uneven: {same_as: odd, from: odder}""",
        outputs="\n".join(
            f"o{index}: {{kind: ranking, from: {name}}}"
            for index, name in enumerate(
                ["compared", "same", "padded", "wide", "along", "again", "too", "narrow", "uneven"]
            )
        ),
    )[:8] == [
        "P101 modules.same.from <title>: `words` would be another module for this source; one that "
        "is shared needs sources of equal width, or tokens of equal vocab_size and padding_id",
        "P101 modules.padded.from <path>: `words` would be another module for this source; one "
        "that is shared needs sources of equal width, or tokens of equal vocab_size and padding_id",
        "P101 modules.wide.from <more>: `facts` would be another module for this source; one that "
        "is shared needs sources of equal width, or tokens of equal vocab_size and padding_id",
        "P101 modules.along.from <words>: `facts` takes a vector [batch, 4], and gets a sequence "
        "[batch, 5, 4]",
        "P101 modules.again.from <one>: `compared` takes 2 values, and `same_as` gives it one",
        "P101 modules.broken.heads <3>: 3 heads do not divide the width 4",
        "P101 modules.uneven.from <odder>: 2 groups do not divide 3 input and 6 output channels",
        "P101 outputs.o7.from <narrow>: needs a vector, and gets a sequence [batch, 5, 4]; put a "
        "pool between",
    ]


def test_a_norm_that_does_not_fit_is_told_once_for_all_uses(problems: Problems) -> None:
    rule = "method: group_norm, num_groups: 3, placement: pre"
    assert problems(
        inputs=INPUTS,
        modules=TOWERS,
        outputs=OUTPUTS,
        normalization=f'- {{match: "encoder.blocks.*", {rule}}}',
    ) == [
        "P303 normalization[0].num_groups <3>: 3 groups do not divide the 4 channels of "
        "`encoder.blocks.0` [2 do]"
    ]
