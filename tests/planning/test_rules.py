"""Which rule decides which parameter, and what is wrong with rules that don't."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from seobuilder.errors import RecipeError
from seobuilder.planning.distributions import Constant, Normal, Uniform
from seobuilder.planning.model import Assignment, Parameter, Plan
from seobuilder.planning.planner import make_plan
from seobuilder.planning.rules import assign
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.load import LoadedRecipe, parse_recipe

Load = Callable[..., LoadedRecipe]
Planned = Callable[..., Plan]
Problems = Callable[..., list[str]]

REST = '- {match: "**", method: keep}'


def by_name(plan: Plan) -> dict[str, Assignment]:
    return {assignment.parameter.name: assignment for assignment in plan.assignments}


def test_the_first_rule_that_matches_decides(planned: Planned) -> None:
    plan = planned(
        initialization="""\
- {match: facts.1.linear.weight, method: normal, std: 1}
- {match: "facts.**", exclude: "**.bias", method: normal, std: 2}
- {role: [embedding, head], method: normal, std: 3}
- {type: linear, role: bias, method: zeros, expect: 3}
- {match: "**.weight", method: normal, std: 4, optional: true}"""
    )
    assert {
        name: (a.rule.index, [losing.index for losing in a.losing])
        for name, a in by_name(plan).items()
    } == {
        "words.tokens.weight": (2, [4]),
        "facts.0.linear.weight": (1, [4]),
        "facts.0.linear.bias": (3, []),
        "facts.1.linear.weight": (0, [1, 4]),
        "facts.1.linear.bias": (3, []),
        "answer.linear.weight": (2, [4]),
        "answer.linear.bias": (3, []),
    }
    first = by_name(plan)["facts.1.linear.weight"]
    assert (first.method, first.distribution) == ("normal", Normal(0.0, 1.0))
    assert first.rule.text == '{match: "facts.1.linear.weight", method: normal, std: 1}'
    assert (first.rule.mark.file, first.rule.mark.line, first.rule.preset) == (
        "recipe.yaml", 14, None
    )  # fmt: skip


def test_types_and_roles_select(planned: Planned) -> None:
    plan = planned(
        normalization='- {match: "facts.*", method: layer_norm, placement: before_activation}',
        initialization="""\
- {type: [layer_norm, embedding], method: ones}
- {type: linear, role: [weight, head], method: zeros}
- {match: "**.bias", method: zeros}""",
    )
    deciding = {name: a.rule.index for name, a in by_name(plan).items()}
    assert deciding["facts.0.norm.bias"] == deciding["words.tokens.weight"] == 0
    assert deciding["answer.linear.weight"] == deciding["facts.1.linear.weight"] == 1
    assert deciding["facts.0.linear.bias"] == deciding["answer.linear.bias"] == 2


def test_undecided_parameters_are_named_and_counted(problems: Problems) -> None:
    assert problems(initialization="- {role: [embedding, bias], method: zeros}") == [
        "P201 initialization <initialization>: no rule decides the 3 parameters "
        "`facts.0.linear.weight`, `facts.1.linear.weight`, `answer.linear.weight` "
        "[add a rule such as - {role: weight, method: xavier_uniform}]"
    ]
    assert problems(
        initialization="""\
- {match: "**.weight", method: zeros}
- {match: "facts.**", method: zeros}"""
    ) == [
        "P201 initialization <initialization>: no rule decides the parameter `answer.linear.bias` "
        "[add a rule such as - {role: bias, method: zeros}]"
    ]
    deep = "facts: {kind: mlp, from: page, widths: [8, 8, 8, 8, 8, 8, 4]}"
    (found,) = problems(
        modules=deep,
        inputs="page: {kind: features, size: 6}",
        outputs="answer: {kind: regression, from: facts}",
        initialization='- {match: "**.bias", method: zeros}',
    )
    assert "no rule decides the 8 parameters `facts.0.linear.weight`" in found
    assert "`facts.4.linear.weight` and 3 more [" in found


TRANSFORMER = """\
words: {kind: token_embedding, from: query, width: 4, positions: learned}
encoder: {kind: transformer, from: words, depth: 1, heads: 2, residual: rezero,
          ffn: {kind: swiglu, width: 4}}
reader: {kind: recurrent, from: encoder, cell: gru, width: 4}
meaning: {kind: pool, from: reader, method: mean}
facts: {kind: mlp, from: page, widths: [4]}
joined: {kind: concat, from: [meaning, facts]}"""
NORMS = '- {match: "facts.*", method: layer_norm, placement: before_activation}'


def test_a_suggested_rule_can_be_added(planned: Planned) -> None:
    """Adding what each message suggests leads to a plan, in as many steps as there are roles."""
    rules: list[str] = ["- {match: answer.linear.bias, method: zeros}"]
    roles = set()
    while True:
        try:
            plan = planned(
                modules=TRANSFORMER, normalization=NORMS, initialization="\n".join(rules)
            )
        except RecipeError as error:
            (problem,) = error.diagnostics
            assert problem.code == "P201"
            rules.append(problem.help.removeprefix("add a rule such as "))
        else:
            break
        roles.add(rules[-1])
    assert {a.parameter.role for a in plan.assignments} == {
        "weight", "bias", "embedding", "position", "norm_scale", "norm_shift", "residual_out",
        "head", "recurrent_input", "recurrent_hidden", "gate", "residual_scale",
    }  # fmt: skip
    assert len(roles) == 12


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ('{match: "fact.**.weight", method: zeros}',
         'P202 initialization[0].match <"fact.**.weight">: the rule matches nothing '
         "[did you mean `facts.**.weight`?]"),
        ("{match: facts.0.linaer.weight, method: zeros}",
         "P202 initialization[0].match <facts.0.linaer.weight>: the rule matches nothing "
         "[did you mean `facts.0.linear.weight`?]"),
        ('{match: "0.linear.*", method: zeros}',
         'P202 initialization[0].match <"0.linear.*">: the rule matches nothing '
         "[a pattern matches a whole name; `**.0.linear.*` would match]"),
        ("{match: words.weight, method: zeros}",
         "P202 initialization[0].match <words.weight>: the rule matches nothing "
         "[did you mean `words.tokens.weight`?]"),
        ('{match: "facts.<4-9>.**", method: zeros}',
         'P202 initialization[0].match <"facts.<4-9>.**">: the rule matches nothing [names are '
         "such as `words.tokens.weight`, `facts.0.linear.weight`, `facts.0.linear.bias`; "
         "`seobuild plan --all` lists them]"),
        ("{role: gate, method: zeros}",
         "P202 initialization[0] <{role: gate, method: zeros}>: the rule matches nothing [no name "
         "meets all its conditions; `seobuild plan --all` lists names and roles]"),
        ('{match: "facts.**", type: conv1d, method: zeros}',
         'P202 initialization[0].match <"facts.**">: the rule matches nothing [no name meets all '
         "its conditions; `seobuild plan --all` lists names and roles]"),
        (f"{{match: {'a' * 199}, method: zeros}}",
         f"P202 initialization[0].match <{'a' * 199}>: the rule matches nothing [names are such as "
         "`words.tokens.weight`, `facts.0.linear.weight`, `facts.0.linear.bias`; "
         "`seobuild plan --all` lists them]"),
    ],
)  # fmt: skip
def test_a_rule_that_matches_nothing(problems: Problems, rule: str, problem: str) -> None:
    assert problems(initialization=f"- {rule}\n{REST}") == [problem]


def test_optional_rules_may_match_nothing(planned: Planned) -> None:
    plan = planned(
        initialization="""\
- {match: nothing, method: zeros, optional: true}
- {role: gate, method: zeros, expect: 0}
- {match: "**", method: keep}"""
    )
    assert {a.rule.index for a in plan.assignments} == {2}


def test_shadowed_and_repeated_rules(problems: Problems) -> None:
    assert problems(
        initialization="""\
- {match: "facts.0.**", method: zeros}
- {match: "facts.1.**", method: zeros}
- {match: "facts.**", role: weight, method: ones}
- {match: "facts.0.**", method: ones}
- {match: "**", method: keep}
- {role: head, method: zeros, optional: true}"""
    ) == [
        'P203 initialization[2].match <"facts.**">: earlier rules decide all that it matches, '
        "`facts.0.linear.weight`, `facts.1.linear.weight`: recipe.yaml:14, recipe.yaml:15 "
        "[move it above them, or delete it]",
        'P204 initialization[3].match <"facts.0.**">: the same conditions as the rule at '
        "recipe.yaml:14, which comes first [delete one of the two]",
    ]


def test_a_preset_of_which_no_rule_decides_anything(problems: Problems) -> None:
    assert problems(
        initialization="""\
- {match: "**", method: keep}
- {preset: gpt2}"""
    ) == [
        "P203 initialization[1].preset <gpt2>: earlier rules decide all that the preset gpt2 "
        "matches, `words.tokens.weight`, `facts.0.linear.weight`, `facts.0.linear.bias`, "
        "`facts.1.linear.weight`, `facts.1.linear.bias` and 2 more: recipe.yaml:14 "
        "[move it above them, or delete it]"
    ]


def test_of_two_presets_the_second_must_decide_something(
    planned: Planned, problems: Problems
) -> None:
    first = '- {match: "**.weight", method: zeros}\n- {preset: bert}'
    planned(initialization=first)
    (found,) = problems(initialization=f"{first}\n- {{preset: kaiming}}")
    assert found.startswith("P203 initialization[2].preset <kaiming>: ")


def test_a_preset_for_a_model_without_parameters(problems: Problems) -> None:
    assert problems(
        inputs="page: {kind: embedding, size: 4}",
        modules="twice: {kind: concat, from: [page, page]}",
        outputs="answer: {kind: embedding, from: twice}",
        initialization="- {preset: gpt2}",
    ) == ["P202 initialization[0].preset <gpt2>: the preset gpt2 matches nothing [delete it]"]


def test_a_role_alone_can_be_repeated_too(problems: Problems) -> None:
    assert problems(
        initialization=f"- {{role: head, method: zeros}}\n- {{role: head, method: ones}}\n{REST}"
    ) == [
        "P204 initialization[1] <{role: head, method: ones}>: the same conditions as the rule at "
        "recipe.yaml:14, which comes first [delete one of the two]"
    ]


def test_a_rule_may_expect_how_many_it_decides(problems: Problems) -> None:
    assert problems(
        initialization="""\
- {match: "facts.**.weight", method: zeros, expect: 3}
- {match: "facts.**", method: zeros, expect: 4}
- {match: "gone.**", method: zeros, expect: 4, optional: true}
- {match: "words.**", method: zeros, expect: 0}
- {match: "**", method: keep, expect: 2}"""
    ) == [
        "P205 initialization[0].expect <3>: the rule decides 2, and expects 3",
        "P205 initialization[1].expect <4>: the rule decides 2, and expects 4",
        "P205 initialization[2].expect <4>: the rule decides 0, and expects 4",
        "P205 initialization[3].expect <0>: the rule decides 1, and expects 0",
    ]


def test_one_method_that_does_not_suit_is_told_once(problems: Problems) -> None:
    assert problems(
        initialization="""\
- {match: "facts.**", method: orthogonal, gain: 2}
- {match: "words.**", method: normal, std: "1 / sqrt(heads)"}
- {match: "answer.**.weight", method: normal, std: "2 - fan_in"}
- {match: "**", method: keep}"""
    ) == [
        "P207 initialization[0].method <orthogonal>: orthogonal needs a matrix; "
        "`facts.0.linear.bias` has shape [8] (and 1 more)",
        'R041 initialization[1].std <"1 / sqrt(heads)">: `words.tokens.weight`: unknown variable '
        "`heads`; there are fan_in, fan_out, vocab_size, width",
        'P208 initialization[2].std <"2 - fan_in">: `2 - fan_in` is -6 for '
        "`answer.linear.weight`, and must not be negative",
    ]


def test_all_problems_are_told_together(problems: Problems) -> None:
    found = problems(
        initialization="- {match: gone, method: zeros}\n- {role: bias, method: orthogonal}"
    )
    assert [text.split()[0] for text in found] == ["P201", "P202", "P207"]


NAMES = [
    f"{tower}.{index}.{tensor}" for tower in "ab" for index in "01" for tensor in ("weight", "bias")
]
MATCHES: dict[str, Callable[[str], bool]] = {
    "**": lambda name: True,
    "**.bias": lambda name: name.endswith("bias"),
    "a.**": lambda name: name.startswith("a"),
    "*.1.*": lambda name: "1" in name,
    "a.0.weight": lambda name: name == "a.0.weight",
    "c.**": lambda name: False,
}
RULE = st.fixed_dictionaries(
    {},
    optional={
        "match": st.sampled_from([*MATCHES]),
        "exclude": st.sampled_from([*MATCHES]),
        "role": st.sampled_from(["weight", "bias"]),
        "type": st.sampled_from(["linear", "conv1d"]),
    },
).filter(lambda rule: rule.keys() & {"match", "role", "type"})


@settings(max_examples=80, deadline=None)
@given(st.lists(RULE, min_size=1, max_size=6))
def test_any_list_of_rules_is_decided_as_by_hand(rules: list[dict[str, str]]) -> None:
    parameters = [
        Parameter(
            name,
            (name,),
            (4,),
            "bias" if name.endswith("bias") else "weight",
            "linear" if name.startswith("a") else "conv1d",
        )
        for name in NAMES
    ]

    def speaks(rule: dict[str, str], parameter: Parameter) -> bool:
        return (
            MATCHES[rule.get("match", "**")](parameter.name)
            and not MATCHES[rule.get("exclude", "c.**")](parameter.name)
            and rule.get("role", parameter.role) == parameter.role
            and rule.get("type", parameter.layer) == parameter.layer
        )

    lines = [
        "  - {" + ", ".join(f'{key}: "{value}"' for key, value in rule.items()) + ", method: zeros}"
        for rule in rules
    ]
    head = "version: 1\nname: t\ninputs: {x: {kind: features, size: 1}}\n"
    head += "outputs: {y: {kind: regression, from: x}}\ninitialization:\n"
    loaded = parse_recipe((head + "\n".join(lines)).encode(), "r.yaml", Path())
    found: list[Diagnostic] = []
    assignments = assign(loaded, parameters, [], found)
    expected = {p.name: [i for i, rule in enumerate(rules) if speaks(rule, p)] for p in parameters}
    assert {
        a.parameter.name: [a.rule.index, *(r.index for r in a.losing)] for a in assignments
    } == {name: indices for name, indices in expected.items() if indices}
    blamed = sorted(p.path.split(".")[0] for p in found if p.code in ("P202", "P203", "P204"))
    idle = set(range(len(rules))) - {indices[0] for indices in expected.values() if indices}
    assert blamed == [f"initialization[{index}]" for index in sorted(idle)]
    assert any(p.code == "P201" for p in found) == any(not i for i in expected.values())


# Presets.


@pytest.mark.parametrize(
    "preset", ["bert", "gpt2", "kaiming", "orthogonal", "torch_default", "xavier"]
)
def test_a_preset_decides_a_whole_model(planned: Planned, preset: str) -> None:
    plan = planned(
        modules=TRANSFORMER, normalization=NORMS, initialization=f"- {{preset: {preset}}}"
    )
    assert {a.rule.preset for a in plan.assignments} == {preset}
    assert {a.rule.mark.file for a in plan.assignments} == {f"presets/{preset}.yaml"}


def test_gpt2_by_hand(planned: Planned) -> None:
    modules = TRANSFORMER.replace("depth: 1", "depth: 8")
    plan = planned(
        modules=modules,
        normalization=NORMS,
        initialization="- {match: answer.linear.bias, method: ones}\n- {preset: gpt2}",
    )
    found = by_name(plan)
    assert found["words.tokens.weight"].distribution == Normal(0, 0.02)
    assert found["words.positions.weight"].distribution == Normal(0, 0.01)
    for name in ("attention.output", "ffn.down"):
        assert found[f"encoder.blocks.7.{name}.weight"].distribution == Normal(0, 0.02 / 4)
    assert found["encoder.blocks.7.ffn.gate.weight"].distribution == Normal(0, 0.02)
    assert found["encoder.blocks.7.ffn_scale.weight"].distribution == Constant(1.0)
    assert found["facts.0.norm.weight"].distribution == Constant(1.0)
    assert found["facts.0.norm.bias"].distribution == Constant(0.0)
    own = found["answer.linear.bias"]
    assert (own.distribution, own.rule.preset) == (Constant(1.0), None)
    assert [losing.preset for losing in own.losing] == ["gpt2"]
    rule = found["encoder.blocks.0.ffn.down.weight"].rule
    assert rule.text == '{role: residual_out, method: normal, std: "0.02 / sqrt(2 * depth)"}'
    assert rule.preset == "gpt2"
    preset = Path(__file__).parents[2] / "recipes" / "presets" / "gpt2.yaml"
    line = preset.read_text().splitlines()[rule.mark.line - 1]
    assert line[rule.mark.column - 1 :] == rule.text


@pytest.mark.parametrize(
    ("kind", "layer"),
    [
        ("mlp, from: page, widths: [64]", nn.Linear(100, 64)),
        ("recurrent, from: words, cell: lstm, width: 64", nn.LSTM(100, 64)),
        ("recurrent, from: words, cell: gru, width: 64", nn.GRU(100, 64)),
        ("recurrent, from: words, cell: rnn, width: 64", nn.RNN(100, 64)),
        ("conv, from: words, channels: [64], kernel: 5, groups: 4",
         nn.Conv1d(100, 64, 5, groups=4)),
        ("conv, from: picture, channels: [64], kernel: 3", nn.Conv2d(100, 64, 3)),
    ],
)  # fmt: skip
def test_torch_default_is_what_torch_draws(
    planned: Planned, kind: str, layer: nn.Linear | nn.RNNBase | nn.Conv2d
) -> None:
    """Each of torch's own draws fills the interval that the plan states for it."""
    inputs = {
        "words": "query: {kind: tokens, vocab_size: 10, max_length: 5}",
        "page": "page: {kind: features, size: 100}",
        "picture": "picture: {kind: image, channels: 100, height: 4, width: 4}",
    }
    source = next(name for name in inputs if f"from: {name}" in kind)
    modules = [f"subject: {{kind: {kind}}}"]
    if source == "words":
        modules.insert(0, "words: {kind: token_embedding, from: query, width: 100}")
    if source != "page":
        modules.append("last: {kind: pool, from: subject, method: mean}")
    plan = planned(
        inputs=inputs[source],
        modules="\n".join(modules),
        outputs=f"answer: {{kind: regression, from: {modules[-1].partition(':')[0]}}}",
        initialization="- {preset: torch_default}",
    )
    decided = {
        a.parameter.stored[0].rpartition(".")[2]: a
        for a in plan.assignments
        if a.parameter.name.startswith("subject.")
    }
    torch.manual_seed(0)
    layer.reset_parameters()
    drawn = dict(layer.named_parameters())
    assert decided.keys() == drawn.keys()
    for name, tensor in drawn.items():
        interval = decided[name].distribution
        assert isinstance(interval, Uniform)
        assert interval.low == -interval.high
        assert decided[name].parameter.shape == tuple(tensor.shape)
        # The largest of n uniform draws falls short of the bound by about 1 / n of it.
        largest = float(tensor.detach().abs().max())
        shortest = interval.high * (1 - 12 / tensor.numel())
        assert shortest < largest <= interval.high * (1 + 1e-6)


def test_torch_default_by_hand(planned: Planned) -> None:
    found = by_name(
        planned(
            modules=TRANSFORMER, normalization=NORMS, initialization="- {preset: torch_default}"
        )
    )
    assert found["words.tokens.weight"].distribution == Normal(0, 1)
    assert found["facts.0.norm.weight"].distribution == Constant(1)
    assert found["facts.0.linear.bias"].distribution == Uniform(-1 / sqrt(6), 1 / sqrt(6))
    assert found["reader.layers.0.forward.input.bias"].distribution == Uniform(-0.5, 0.5)


def test_presets_may_leave_rules_unused_but_not_parameters(load: Load) -> None:
    plan = make_plan(load(initialization="- {preset: gpt2}"))
    unused = {"norm_scale", "norm_shift", "residual_scale", "residual_out", "position"}
    assert not {a.parameter.role for a in plan.assignments} & unused
