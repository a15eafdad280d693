"""The plan as a whole: the graph, what doesn't fit in it, its size, and the model it becomes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch

import seobuilder
from seobuilder.building.compile import compile_plan
from seobuilder.errors import RecipeError
from seobuilder.norm.reparametrization import attach_all
from seobuilder.planning.model import Plan
from seobuilder.planning.planner import make_plan, plan
from seobuilder.recipe.load import LoadedRecipe, load_recipe
from seobuilder.recipe.shipped import recipe_names

Load = Callable[..., LoadedRecipe]
Planned = Callable[..., Plan]
Problems = Callable[..., list[str]]


def test_a_small_model_by_hand(planned: Planned) -> None:
    found = planned()
    assert [(a.parameter.name, a.parameter.shape) for a in found.assignments] == [
        ("words.tokens.weight", (10, 4)),
        ("facts.0.linear.weight", (8, 6)),
        ("facts.0.linear.bias", (8,)),
        ("facts.1.linear.weight", (4, 8)),
        ("facts.1.linear.bias", (4,)),
        ("answer.linear.weight", (2, 8)),
        ("answer.linear.bias", (2,)),
    ]
    assert found.parameter_count == 40 + 48 + 8 + 32 + 4 + 16 + 2
    assert found.parameter_bytes == 4 * 150
    assert found.flops == 2 * (48 + 32 + 16)
    assert (found.name, found.seed, found.dtype, found.ties) == ("test", 0, "float32", {})
    assert found.root.settings == {
        "inputs": (("query", "tokens", 0), ("page", "features", None)),
        "steps": (
            ("words", "words", ("query",), "query"),
            ("meaning", "meaning", ("words",), "query"),
            ("facts", "facts", ("page",), None),
            ("joined", "joined", ("meaning", "facts"), None),
            ("answer", "answer", ("joined",), None),
        ),
        "outputs": ("answer",),
    }


@pytest.mark.parametrize(
    ("dtype", "size"), [("float64", 8), ("float32", 4), ("bfloat16", 2), ("float16", 2)]
)
def test_bytes_follow_the_dtype(dtype: str, size: int) -> None:
    found = plan("search_intent", [f"dtype={dtype}"])
    assert found.parameter_bytes == size * found.parameter_count


@pytest.mark.parametrize(
    ("page", "fitted"),
    [("", False), (", scale: none", False), (", scale: log1p", True), (", missing: zero", True)],
)
def test_features_that_are_fitted_have_a_module(planned: Planned, page: str, fitted: bool) -> None:
    query = "query: {kind: tokens, vocab_size: 10, max_length: 5}\n"
    found = planned(inputs=query + f"page: {{kind: features, size: 6{page}}}")
    scalers = [node for node in found.root.walk() if node.kind == "feature_scaler"]
    assert [node.name for node in scalers] == (["page"] if fitted else [])


def test_what_does_not_fit_is_told_at_its_key(problems: Problems) -> None:
    assert problems(
        modules="""\
words: {kind: token_embedding, from: query, width: 6}
encoder: {kind: transformer, from: query, depth: 1, heads: 2, ffn: {kind: mlp, width: 8}}
second: {kind: transformer, from: words, depth: 1, heads: 4, ffn: {kind: mlp, width: 8}}
sum: {kind: add, from: [page, other]}
meaning: {kind: pool, from: encoder, method: mean}
joined: {kind: concat, from: [meaning, second]}""",
        inputs="""\
query: {kind: tokens, vocab_size: 10, max_length: 5, padding_id: 10}
page: {kind: features, size: 6}
other: {kind: features, size: 7}""",
        outputs="""\
answer: {kind: regression, from: words}
total: {kind: ranking, from: page, score: identity}
lost: {kind: regression, from: joined}
rest: {kind: regression, from: sum}""",
    ) == [
        "P103 inputs.query.vocab_size <10>: padding id 10 is not below vocab_size 10",
        "P101 modules.encoder.from <query>: needs a sequence, and gets tokens [batch, 5]; put a "
        "token_embedding between",
        "P101 modules.second.heads <4>: 4 heads do not divide the width 6",
        "P101 modules.sum.from <[page, other]>: widths differ: 6, 7",
        "P101 outputs.answer.from <words>: needs a vector, and gets a sequence [batch, 5, 6]; put "
        "a pool between",
        "P101 outputs.total.score <identity>: `score: identity` needs a source one wide, not 6",
    ]


def test_a_diagnostic_as_it_is_shown(load: Load) -> None:
    modules = "encoder: {kind: recurrent, from: query, cell: gru, width: 4}"
    with pytest.raises(RecipeError) as caught:
        make_plan(
            load(
                inputs="query: {kind: tokens, vocab_size: 10, max_length: 5}",
                modules=modules,
                outputs="answer: {kind: regression, from: encoder}",
            )
        )
    assert str(caught.value) == (
        "recipe.yaml:6:36 P101 modules.encoder.from: needs a sequence, and gets tokens [batch, 5]; "
        "put a token_embedding between\n"
        "    6 |   encoder: {kind: recurrent, from: query, cell: gru, width: 4}\n"
        "      |                                    ^^^^^"
    )


def test_both_sides_of_a_contrast_are_equally_wide(problems: Problems) -> None:
    assert problems(
        outputs="""\
first: {kind: embedding, from: joined, contrast: second}
second: {kind: embedding, from: joined, width: 3, contrast: first}
third: {kind: embedding, from: joined, contrast: first}"""
    ) == [
        "P101 outputs.first.contrast <second>: widths differ: 8 and 3",
        "P101 outputs.second.contrast <first>: widths differ: 3 and 8",
    ]


# Size.


def test_a_model_of_a_million_billions_is_refused_at_once(load: Load) -> None:
    loaded = load(
        modules="words: {kind: token_embedding, from: query, width: 16777216}\n"
        "encoder: {kind: transformer, from: words, depth: 12, heads: 16,\n"
        "          ffn: {kind: mlp, width: 16777216}}\n"
        "meaning: {kind: pool, from: encoder, method: mean}",
        inputs="query: {kind: tokens, vocab_size: 16777216, max_length: 5}",
        outputs="answer: {kind: regression, from: meaning}",
    )
    began = time.perf_counter()
    with pytest.raises(RecipeError) as caught:
        make_plan(loaded)
    assert time.perf_counter() - began < 1
    (problem,) = caught.value.diagnostics
    width = 2**24
    count = (
        width**2  # tokens
        + 12 * (6 * width**2 + 6 * width)  # four projections, up and down
        + width + 1  # answer
    )  # fmt: skip
    assert problem.code == "P401"
    assert problem.message == (
        f"the model would have {count:.2e} parameters, more than 1e+12; the largest is "
        "`words.tokens.weight` with 2.81e+14"
    )
    assert (problem.path, problem.mark and problem.mark.line) == ("modules.words", 6)
    assert count > 10**15


def test_a_head_can_be_what_is_too_large(problems: Problems) -> None:
    assert problems(
        inputs="page: {kind: features, size: 16777216}",
        modules="",
        outputs="answer: {kind: classification, from: page, labels: 10000000}",
    ) == [
        "P401 outputs.answer <answer>: the model would have 1.68e+14 parameters, more than 1e+12; "
        "the largest is `answer.linear.weight` with 1.68e+14"
    ]


def test_a_model_under_the_limit_is_counted_in_whole_numbers(planned: Planned) -> None:
    found = planned(
        inputs="page: {kind: features, size: 16777216}",
        modules="facts: {kind: mlp, from: page, widths: [59000]}",
        outputs="answer: {kind: regression, from: facts}",
    )
    assert found.parameter_count == 16777216 * 59000 + 59000 + 59000 + 1
    assert found.flops == 2 * (16777216 * 59000 + 59000)
    assert type(found.parameter_count) is type(found.flops) is int


def test_too_many_blocks(problems: Problems) -> None:
    encoder = "{kind: transformer, from: %s, depth: 1000, heads: 1, ffn: {kind: mlp, width: 1}}"
    names = ["words", *(f"encoder_{index}" for index in range(21))]
    lines = [f"{name}: {encoder % source}" for source, name in pairwise(names)]
    assert problems(
        inputs="query: {kind: tokens, vocab_size: 10, max_length: 5}",
        modules="\n".join(
            [
                "words: {kind: token_embedding, from: query, width: 4}",
                *lines,
                "meaning: {kind: pool, from: encoder_20, method: mean}",
            ]
        ),
        outputs="answer: {kind: regression, from: meaning}",
    ) == [
        "P402 modules.encoder_19 <encoder_19>: more than 20,000 blocks in one model, each use "
        "counted"
    ]


def test_shared_blocks_count_for_each_use(problems: Problems) -> None:
    names = ["encoder", *(f"again_{index}" for index in range(20))]
    shares = [f"{name}: {{same_as: encoder, from: {source}}}" for source, name in pairwise(names)]
    (found,) = problems(
        inputs="query: {kind: tokens, vocab_size: 10, max_length: 5}",
        modules="\n".join(
            [
                "words: {kind: token_embedding, from: query, width: 4}",
                "encoder: {kind: recurrent, from: words, cell: gru, depth: 1024, width: 4}",
                *shares,
                "meaning: {kind: pool, from: again_19, method: mean}",
            ]
        ),
        outputs="answer: {kind: regression, from: meaning}",
    )
    assert found.startswith("P402 modules.again_18 <again_18>: more than 20,000 blocks")


# What the plan becomes.


@pytest.mark.parametrize("name", recipe_names())
def test_a_compiled_model_holds_what_the_plan_says(name: str) -> None:
    found = plan(name)
    model = compile_plan(found)
    compiled = {key: tuple(p.shape) for key, p in model.named_parameters()}
    attached = {a.parameter.name for a in found.assignments if a.reparametrization}
    plain = {
        stored: a.parameter.shape
        for a in found.assignments
        if a.parameter.name not in attached
        for stored in a.parameter.stored
    }
    # Their order is the same too, which decides under which name a tied tensor is stored.
    assert list(plain.items()) == [item for item in compiled.items() if item[0] not in attached]
    attach_all(model, found)
    stored = [key for a in found.assignments for key in a.parameter.stored]
    assert sorted(stored) == sorted(key for key, _ in model.named_parameters())
    assert found.parameter_count == sum(
        torch.Size(a.parameter.shape).numel() for a in found.assignments
    )


KITCHEN_SINK = """\
words: {kind: token_embedding, from: query, width: 8, positions: learned}
encoder: {kind: transformer, from: words, depth: 2, heads: 2, kv_heads: 1, qk_norm: layer_norm,
          residual: layerscale, ffn: {kind: geglu, width: 8}}
reader: {kind: recurrent, from: encoder, cell: lstm, width: 4, depth: 2, bidirectional: true}
phrases: {kind: conv, from: reader, channels: [4], kernel: [2, 3]}
meaning: {kind: pool, from: phrases, method: attention}
seen: {kind: conv, from: picture, channels: [4, 4], kernel: 3, pool: 2}
overview: {kind: pool, from: seen, method: max}
place: {kind: category_embedding, from: country, width: 4}
facts: {kind: mlp, from: page, widths: [8, 4]}
joined: {kind: concat, from: [meaning, overview, place, facts]}"""
SINK_INPUTS = """\
query: {kind: tokens, vocab_size: 10, max_length: 5}
picture: {kind: image, channels: 3, height: 8, width: 8}
country: {kind: category, values: [us, de]}
page: {kind: features, size: 6, scale: standard}"""


@pytest.mark.parametrize("placement", ["pre", "post", "sandwich", "peri", "output", "deepnorm"])
def test_every_kind_and_placement_compiles_in_the_order_of_the_plan(
    planned: Planned, placement: str
) -> None:
    found = planned(
        inputs=SINK_INPUTS,
        modules=KITCHEN_SINK,
        normalization=f"""\
- {{match: "encoder.blocks.*", method: layer_norm, placement: {placement}}}
- {{match: "reader.**", method: rms_norm, placement: after_activation}}
- {{match: "{{phrases,seen}}.*", method: group_norm, num_groups: 2, placement: before_activation}}
- {{match: "facts.*", method: batch_norm, placement: after_activation}}""",
    )
    model = compile_plan(found)
    assert [(a.parameter.stored[0], a.parameter.shape) for a in found.assignments] == [
        (name, tuple(p.shape)) for name, p in model.named_parameters()
    ]
    assert found.unnormalized == ()


def test_planning_needs_no_torch() -> None:
    code = (
        "import sys, seobuilder\n"
        "seobuilder.plan('search_intent')\n"
        "loaded = {'torch', 'numpy', 'tokenizers'} & set(sys.modules)\n"
        "sys.exit(f'loaded {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_public_way_in(load: Load) -> None:
    assert seobuilder.plan("relevance") == make_plan(load_recipe("relevance"))
    with pytest.raises(RecipeError, match=r"P101 modules\.encoder\.heads: 5 heads do not divide"):
        seobuilder.plan("search_intent", ["modules.encoder.heads=5"])
