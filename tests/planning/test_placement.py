"""Which block has which norm, and which weight is reparametrized."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seobuilder.planning.model import Node, Plan
from seobuilder.planning.placement import PLACEMENTS, Normalizer
from seobuilder.recipe.load import LoadedRecipe, parse_recipe

Planned = Callable[..., Plan]
Problems = Callable[..., list[str]]

MODULES = """\
words: {kind: token_embedding, from: query, width: 8}
encoder: {kind: transformer, from: words, depth: 2, heads: 2, ffn: {kind: mlp, width: 16}}
reader: {kind: recurrent, from: encoder, cell: gru, width: 6}
meaning: {kind: pool, from: reader, method: mean}
facts: {kind: mlp, from: page, widths: [8, 6]}
joined: {kind: concat, from: [meaning, facts]}"""


def norms(plan: Plan) -> dict[str, Node]:
    """Every norm of the tree by the logical name of its place."""
    kinds = {"layer_norm", "rms_norm", "batch_norm", "instance_norm", "group_norm"}
    found: dict[str, Node] = {}

    def visit(node: Node, path: str) -> None:
        for child in node.children:
            if child.kind in kinds:
                found[path + child.name] = child
            visit(child, f"{path}{child.name}.")

    visit(plan.root, "")
    return found


def test_the_first_rule_that_matches_decides_a_block(planned: Planned) -> None:
    plan = planned(
        modules=MODULES,
        normalization="""\
- {match: "encoder.blocks.1", method: none}
- {match: "encoder.**", method: rms_norm, placement: post}
- {match: "facts.*", exclude: "facts.1", method: layer_norm, placement: before_activation}""",
    )
    assert [*norms(plan)] == [
        "encoder.blocks.0.attention_residual_norm",
        "encoder.blocks.0.ffn_residual_norm",
        "facts.0.norm",
    ]
    assert plan.normalizations == {"rms_norm": ("encoder.blocks.0",), "layer_norm": ("facts.0",)}
    assert plan.unnormalized == ("reader.layers.0", "facts.1")


def test_without_rules_no_block_has_a_norm_and_the_plan_says_so(planned: Planned) -> None:
    plan = planned(modules=MODULES)
    assert (norms(plan), plan.normalizations) == ({}, {})
    assert plan.unnormalized == (
        "encoder.blocks.0", "encoder.blocks.1", "reader.layers.0", "facts.0", "facts.1"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "settings", "parameters"),
    [
        ("layer_norm", {"eps": 1e-5, "elementwise_affine": True, "bias": True}, 2),
        ("layer_norm, bias: false", {"eps": 1e-5, "elementwise_affine": True, "bias": False}, 1),
        ("layer_norm, elementwise_affine: false",
         {"eps": 1e-5, "elementwise_affine": False, "bias": True}, 0),
        ("rms_norm, eps: 0.5", {"eps": 0.5, "elementwise_affine": True}, 1),
        ("batch_norm, momentum: 0.5",
         {"eps": 1e-5, "momentum": 0.5, "affine": True, "track_running_stats": True}, 2),
        ("instance_norm", {"eps": 1e-5, "momentum": 0.1, "affine": True,
                           "track_running_stats": False}, 2),
        ("group_norm, num_groups: 3, affine: false",
         {"eps": 1e-5, "affine": False, "num_groups": 3}, 0),
    ],
)  # fmt: skip
def test_what_a_rule_says_is_what_the_norm_gets(
    planned: Planned, rule: str, settings: dict[str, object], parameters: int
) -> None:
    text = f"- {{match: reader.layers.0, placement: after_activation, method: {rule}}}"
    (norm,) = norms(planned(modules=MODULES, normalization=text)).values()
    assert norm.settings == {"width": 6, **settings}
    assert len(norm.parameters) == parameters


def test_placements_of_blocks(problems: Problems) -> None:
    assert problems(
        modules=MODULES,
        normalization="""\
- {match: "encoder.**", method: rms_norm, placement: before_activation}
- {match: "facts.*", method: rms_norm, placement: pre}
- {match: "reader.**", method: rms_norm, placement: before_activation}""",
    ) == [
        "P301 normalization[0].placement <before_activation>: placement `before_activation` does "
        "not exist in the transformer block `encoder.blocks.0` (and 1 more) "
        "[one of pre, post, sandwich, peri, output, deepnorm]",
        "P301 normalization[1].placement <pre>: placement `pre` does not exist in the mlp block "
        "`facts.0` (and 1 more) [one of before_activation, after_activation]",
        "P301 normalization[2].placement <before_activation>: placement `before_activation` does "
        "not exist in the recurrent layer `reader.layers.0` [one of after_activation]",
    ]
    assert PLACEMENTS["conv_block"] == PLACEMENTS["conv2d_block"] == PLACEMENTS["mlp_block"]


def test_a_norm_that_can_not_stand_where_a_rule_puts_it(problems: Problems) -> None:
    assert problems(
        modules=MODULES,
        normalization="""\
- {match: facts.0, method: instance_norm, placement: before_activation}
- {match: facts.1, method: rms_norm, placement: before_activation, final: true}
- {match: "encoder.**", method: group_norm, num_groups: 3, placement: pre}
- {match: "reader.**", method: group_norm, num_groups: 3, placement: after_activation}""",
    ) == [
        "P302 normalization[0].method <instance_norm>: instance_norm needs positions to take "
        "statistics over; `facts.0` has one [layer_norm, rms_norm or batch_norm]",
        "P301 normalization[1].final <true>: only a transformer closes with a norm; `facts.1` is "
        "of another kind [delete `final`]",
        "P303 normalization[2].num_groups <3>: 3 groups do not divide the 8 channels of "
        "`encoder.blocks.0` (and 1 more) [2 do]",
    ]


@pytest.mark.parametrize(
    ("widths", "method", "problem"),
    [
        ("[8, 1]", "layer_norm",
         "method <layer_norm>: layer_norm needs channels to take statistics over; `facts.1` has "
         "one [batch_norm, or none]"),
        ("[8, 1]", "rms_norm",
         "method <rms_norm>: rms_norm needs channels to take statistics over; `facts.1` has one "
         "[batch_norm, or none]"),
        ("[8, 4]", "group_norm, num_groups: 4",
         "num_groups <4>: each group of `facts.1` is a single value, and would become zero "
         "[fewer groups]"),
    ],
)  # fmt: skip
def test_statistics_of_a_single_value(
    problems: Problems, widths: str, method: str, problem: str
) -> None:
    found = problems(
        inputs="page: {kind: features, size: 6}",
        modules=f"facts: {{kind: mlp, from: page, widths: {widths}}}",
        outputs="answer: {kind: regression, from: facts}",
        normalization=f'- {{match: "facts.*", method: {method}, placement: before_activation}}',
    )
    assert found == [f"P302 normalization[0].{problem}"]


def test_rules_for_blocks_decide_something(problems: Problems) -> None:
    assert problems(
        modules=MODULES,
        normalization="""\
- {match: "encoder.blocks.*", method: rms_norm, placement: pre, expect: 3}
- {match: "encoder.block.*", method: rms_norm, placement: pre}
- {match: "blocks.0", method: none}
- {match: "encoder.blocks.0", method: none}
- {match: "encoder.blocks.*", method: layer_norm, placement: post}
- {match: "encoder.final_norm", method: none, optional: true}
- {match: "words", method: none, expect: 0}""",
    ) == [
        "P205 normalization[0].expect <3>: the rule decides 2, and expects 3",
        'P202 normalization[1].match <"encoder.block.*">: the rule matches nothing '
        "[did you mean `encoder.blocks.*`?]",
        'P202 normalization[2].match <"blocks.0">: the rule matches nothing '
        "[a pattern matches a whole name; `**.blocks.0` would match]",
        'P203 normalization[3].match <"encoder.blocks.0">: earlier rules decide all that it '
        "matches, `encoder.blocks.0`: recipe.yaml:16 [move it above them, or delete it]",
        'P204 normalization[4].match <"encoder.blocks.*">: the same conditions as the rule at '
        "recipe.yaml:16, which comes first [delete one of the two]",
    ]


def test_a_block_that_failed_is_not_missed(problems: Problems) -> None:
    """A rule for blocks of a module that doesn't fit is not said to match nothing as well."""
    assert problems(
        modules=MODULES.replace("heads: 2", "heads: 3"),
        normalization='- {match: "encoder.**", method: rms_norm, placement: pre}',
    ) == ["P101 modules.encoder.heads <3>: 3 heads do not divide the width 8"]


def test_weight_and_spectral_norm_by_parameter(planned: Planned) -> None:
    plan = planned(
        modules=MODULES,
        normalization="""\
- {match: "facts.0.linear.weight", method: weight_norm}
- {match: "facts.*", method: batch_norm, placement: before_activation}
- {match: "{facts,answer}.**.weight", exclude: "**.norm.*", method: spectral_norm, iterations: 3}
- {match: "reader.**.hidden.weight", method: weight_norm}""",
    )
    attached = {
        a.parameter.name: (a.reparametrization, a.parameter.stored)
        for a in plan.assignments
        if a.reparametrization
    }
    assert {name: (norm.method, stored) for name, (norm, stored) in attached.items()} == {
        "reader.layers.0.forward.hidden.weight": ("weight_norm", (
            "reader.layers.0.forward_cell.parametrizations.weight_hh_l0.original0",
            "reader.layers.0.forward_cell.parametrizations.weight_hh_l0.original1",
        )),
        "facts.0.linear.weight": ("weight_norm", (
            "facts.0.linear.parametrizations.weight.original0",
            "facts.0.linear.parametrizations.weight.original1",
        )),
        "facts.1.linear.weight": (
            "spectral_norm", ("facts.1.linear.parametrizations.weight.original",)
        ),
        "answer.linear.weight": (
            "spectral_norm", ("answer.linear.parametrizations.weight.original",)
        ),
    }  # fmt: skip
    spectral = attached["answer.linear.weight"][0]
    assert spectral.settings == {"iterations": 3, "eps": 1e-12}
    assert (spectral.rule.index, spectral.rule.mark.line, spectral.rule.preset) == (2, 18, None)
    assert spectral.rule.text == (
        '{match: "{facts,answer}.**.weight", exclude: "**.norm.*", method: spectral_norm, '
        "iterations: 3}"
    )
    assert attached["facts.0.linear.weight"][0].settings == {}
    assert plan.normalizations == {
        "batch_norm": ("facts.0", "facts.1"),
        "weight_norm": ("facts.0.linear.weight", "reader.layers.0.forward.hidden.weight"),
        "spectral_norm": ("facts.1.linear.weight", "answer.linear.weight"),
    }


def test_what_can_not_be_reparametrized(problems: Problems) -> None:
    assert problems(
        modules=MODULES,
        normalization="""\
- {match: "facts.**", method: weight_norm}
- {match: "facts.0.linear.weight", method: spectral_norm}
- {match: "facts.**", method: spectral_norm}
- {match: "answr.**.weight", method: spectral_norm}
- {match: "encoder.blocks.*.ffn.up.weight", method: spectral_norm, expect: 1}
- {match: "encoder.blocks.*.ffn.down.weight", method: weight_norm}
- {match: "nothing", method: weight_norm, optional: true}""",
        ties="encoder.blocks.1.ffn.down.weight: encoder.blocks.0.ffn.down.weight",
    ) == [
        'P304 normalization[0].match <"facts.**">: weight_norm needs a matrix; '
        "`facts.0.linear.bias` is a vector (and 1 more)",
        'P203 normalization[1].match <"facts.0.linear.weight">: earlier rules decide all that it '
        "matches, `facts.0.linear.weight`: recipe.yaml:16 [move it above them, or delete it]",
        'P204 normalization[2].match <"facts.**">: the same conditions as the rule at '
        "recipe.yaml:16, which comes first [delete one of the two]",
        'P202 normalization[3].match <"answr.**.weight">: the rule matches nothing '
        "[did you mean `answer.**.weight`?]",
        "P205 normalization[4].expect <1>: the rule decides 2, and expects 1",
        'P305 normalization[5].match <"encoder.blocks.*.ffn.down.weight">: weight_norm can\'t '
        "hold for `encoder.blocks.0.ffn.down.weight`, which is tied",
    ]


def test_a_vector_under_spectral_norm_is_a_problem_where_the_signal_is_followed(
    problems: Problems,
) -> None:
    rules = (
        '- {match: "**.bias", method: zeros}\n- {role: norm_scale, method: ones}\n'
        '- {match: "**.weight", method: autoinit}'
    )
    norms = (
        '- {match: "facts.*", method: batch_norm, placement: before_activation}\n'
        '- {match: "facts.**.weight", method: spectral_norm}'
    )
    (found,) = (
        problem
        for problem in problems(normalization=norms, initialization=rules)
        if problem.startswith("P304")
    )
    assert "spectral_norm needs a matrix; `facts.0.norm.weight` is a vector" in found


@pytest.mark.parametrize("method", ["weight_norm", "spectral_norm"])
def test_transposed_convolutions_are_reparametrized(planned: Planned, method: str) -> None:
    plan = planned(
        inputs="look: {kind: image, channels: 2, height: 4, width: 4}",
        modules=(
            "larger: {kind: conv, from: look, channels: [4], kernel: 2, stride: 2, "
            "transposed: true}\n"
            "seen: {kind: pool, from: larger, method: mean}"
        ),
        outputs="answer: {kind: classification, from: seen, labels: 2}",
        normalization=f'- {{match: "larger.**.weight", method: {method}}}',
    )
    assert plan.normalizations == {method: ("larger.0.conv.weight",)}


BLOCKS = [f"{tower}.{index}" for tower in ("a", "b") for index in range(3)]
PATTERNS = ["a.*", "b.*", "**", "*.0", "*.<1-2>", "a.1", "c.*"]
RULE = st.tuples(
    st.sampled_from(PATTERNS), st.none() | st.sampled_from(PATTERNS), st.booleans()
)  # fmt: skip
MATCHED = {
    "a.*": {"a.0", "a.1", "a.2"},
    "b.*": {"b.0", "b.1", "b.2"},
    "**": set(BLOCKS),
    "*.0": {"a.0", "b.0"},
    "*.<1-2>": {"a.1", "a.2", "b.1", "b.2"},
    "a.1": {"a.1"},
    "c.*": set(),
}


def recipe_of(rules: list[tuple[str, str | None, bool]]) -> LoadedRecipe:
    lines = [
        f'  - {{match: "{match}", method: '
        + ("none" if none else "rms_norm, placement: after_activation")
        + (f', exclude: "{exclude}"}}' if exclude else "}")
        for match, exclude, none in rules
    ]
    head = """\
version: 1
name: test
inputs: {x: {kind: features, size: 1}}
outputs: {y: {kind: regression, from: x}}
initialization: [{match: "**", method: keep}]
normalization:
"""
    text = head + "\n".join(lines)
    return parse_recipe(text.encode(), "r.yaml", Path())


@settings(max_examples=60, deadline=None)
@given(st.lists(RULE, min_size=1, max_size=5))
def test_any_list_of_rules_is_decided_as_by_hand(
    rules: list[tuple[str, str | None, bool]],
) -> None:
    normalizer = Normalizer(recipe_of(rules), [])
    decided: dict[int, set[str]] = {index: set() for index in range(len(rules))}
    for block in BLOCKS:
        speaking = [
            index
            for index, (match, exclude, _) in enumerate(rules)
            if block in MATCHED[match] and not (exclude and block in MATCHED[exclude])
        ]
        norm = normalizer.decide(block, "mlp_block", 4)
        assert (norm is None) == (not speaking or rules[speaking[0]][2])
        assert (block in normalizer.unmatched()) == (not speaking)
        if speaking:
            decided[speaking[0]].add(block)
    normalizer.check()
    blamed = {problem.path for problem in normalizer.problems}
    assert blamed == {f"normalization[{i}].match" for i, names in decided.items() if not names}
