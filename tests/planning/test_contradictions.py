"""Norms and initialization that contradict each other, and their neighbours that do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seobuilder.errors import RecipeError
from seobuilder.planning.contradictions import CHECKS, ERRORS
from seobuilder.planning.placement import TRANSFORMER_PLACEMENTS
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.codes import CODES
from seobuilder.recipe.load import LoadedRecipe, load_recipe, parse_recipe
from seobuilder.recipe.shipped import recipe_names

Load = Callable[..., LoadedRecipe]
Found = Callable[..., list[str]]

QUERY = "query: {kind: tokens, vocab_size: 10, max_length: 5}"
WORDS = "words: {kind: token_embedding, from: query, width: 16}\n"
SUMMARY = "\nsummary: {kind: pool, from: encoder, method: mean}"
FACTS = "{kind: mlp, from: page, widths: [8, 4]"
BETA = "(8 * depth) ** -0.25"


@pytest.fixture
def found(load: Load) -> Found:
    """`found(...)`: what is said of the sections, as `CODE path <marked text>: message [help]`."""

    def find(**sections: str) -> list[str]:
        loaded = load(**sections)
        try:
            problems = make_plan(loaded).warnings
        except RecipeError as error:
            problems = error.diagnostics
        lines = []
        for each in problems:
            assert each.mark is not None
            assert each.severity == ("error" if each.code in ERRORS else "warning")
            line = loaded.sources[each.mark.file][each.mark.line - 1]
            marked = line[each.mark.column - 1 : each.mark.column - 1 + each.mark.length]
            lines.append(f"{each.code} {each.path} <{marked}>: {each.message} [{each.help}]")
        return lines

    return find


def encoder(
    norm: str = "", rules: str = "- {preset: xavier}", *, depth: int = 2, settings: str = ""
) -> dict[str, str]:
    """A transformer over words whose blocks have this norm."""
    return {
        "inputs": QUERY,
        "modules": (
            f"{WORDS}encoder: {{kind: transformer, from: words, depth: {depth}, heads: 2, "
            f"ffn: {{kind: mlp, width: 64}}{settings}}}{SUMMARY}"
        ),
        "outputs": "answer: {kind: classification, from: summary, labels: 3}",
        "normalization": norm and f'- {{match: "encoder.blocks.*", method: {norm}}}',
        "initialization": rules,
    }


def sequence(modules: str, norms: str, source: str) -> dict[str, str]:
    """Modules over words, pooled from the last of them, under these norms."""
    return {
        "inputs": QUERY,
        "modules": f"{WORDS}{modules}\nsummary: {{kind: pool, from: {source}, method: mean}}",
        "outputs": "answer: {kind: classification, from: summary, labels: 3}",
        "normalization": norms,
        "initialization": "- {preset: xavier}",
    }


def facts(norm: str, rules: str = "- {preset: xavier}", *, settings: str = "") -> dict[str, str]:
    """Two layers over numbers, with these rules for norms."""
    return {
        "inputs": "page: {kind: features, size: 6}",
        "modules": f"facts: {FACTS}{settings}}}",
        "outputs": "answer: {kind: classification, from: facts, labels: 3}",
        "normalization": norm,
        "initialization": rules,
    }


# DeepNorm without a skip path: P510.


def test_deepnorm_has_nothing_to_scale_without_a_skip_path(found: Found) -> None:
    sections = encoder("layer_norm, placement: deepnorm", settings=", residual: none")
    assert found(**sections) == [
        "P510 normalization[0].placement <deepnorm>: placement deepnorm multiplies the skip path, "
        "and `encoder` has none, by `residual: none` in recipe.yaml:7 "
        "[`residual: plain`, or another placement]"
    ]


def test_another_placement_may_stand_without_a_skip_path(found: Found) -> None:
    assert found(**encoder("layer_norm, placement: post", settings=", residual: none")) == []


# Stacks without their final norm: P511.


@pytest.mark.parametrize("placement", ["pre", "sandwich", "peri", "output"])
def test_a_stack_without_its_final_norm(found: Found, placement: str) -> None:
    assert found(**encoder(f"rms_norm, placement: {placement}, final: false")) == [
        f"P511 normalization[0].final <false>: placement {placement} lets the sum of the branches "
        "grow with every block, and `final: false` hands it on from `encoder` without a norm "
        "[delete `final: false`]"
    ]


@pytest.mark.parametrize("norm", ["pre", "pre, final: true", "post, final: false", "post"])
def test_a_stack_that_ends_as_its_placement_wants(found: Found, norm: str) -> None:
    assert found(**encoder(f"rms_norm, placement: {norm}")) == []


def test_a_second_stack_that_begins_with_a_norm_goes_on_from_the_first(found: Found) -> None:
    assert found(**two_stacks("pre, final: false", "pre")) == []
    codes = [line.split()[0] for line in found(**two_stacks("pre, final: false", "post"))]
    assert codes == ["P511"]


def test_every_reader_must_begin_with_a_norm(found: Found) -> None:
    sections = two_stacks("pre, final: false", "pre")
    sections["modules"] += "\nalso: {kind: pool, from: low, method: mean}"
    sections["outputs"] += "\nother: {kind: regression, from: also}"
    (line,) = found(**sections)
    assert line.startswith("P511 ")


def two_stacks(first: str, second: str) -> dict[str, str]:
    """One transformer over another."""
    size = "depth: 2, heads: 2, ffn: {kind: mlp, width: 8}"
    return sequence(
        f"low: {{kind: transformer, from: words, {size}}}\n"
        f"high: {{kind: transformer, from: low, {size}}}",
        f'- {{match: "low.**", method: rms_norm, placement: {first}}}\n'
        f'- {{match: "high.**", method: rms_norm, placement: {second}}}',
        "high",
    )


# Two norms in a row: P512.


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("pre", "pre",
         "placement <pre>: `high.blocks.0.attention_input_norm` normalizes again what "
         "`low.final_norm` gives, with nothing between [leave one of them out]"),
        ("post", "sandwich",
         "placement <sandwich>: `high.blocks.0.attention_input_norm` normalizes again what "
         "`low.blocks.1.ffn_residual_norm` gives, with nothing between [leave one of them out]"),
        ("post", "post, embedding: true",
         "embedding <true>: `high.input_norm` normalizes again what "
         "`low.blocks.1.ffn_residual_norm` gives, with nothing between "
         "[`embedding: false` leaves out the second]"),
    ],
)  # fmt: skip
def test_a_norm_after_a_normalized_source(
    found: Found, first: str, second: str, expected: str
) -> None:
    assert found(**two_stacks(first, second)) == [f"P512 normalization[1].{expected}"]


def test_a_norm_after_a_block_that_ends_in_one(found: Found) -> None:
    assert found(**read_by_encoder("gru", "after_activation")) == [
        "P512 normalization[1].placement <pre>: `encoder.blocks.0.attention_input_norm` normalizes "
        "again what `reader.layers.0.norm` gives, with nothing between [leave one of them out]"
    ]
    (line,) = found(**read_by_encoder("conv", "after_activation"))
    assert "`reader.1.norm`" in line


def test_an_activation_stands_between(found: Found) -> None:
    assert found(**read_by_encoder("conv", "before_activation")) == []


def read_by_encoder(kind: str, placement: str) -> dict[str, str]:
    """Layers with a norm, and a transformer with pre norm over them."""
    reader = (
        "{kind: recurrent, from: words, cell: gru, width: 8}"
        if kind == "gru"
        else "{kind: conv, from: words, channels: [8, 8], kernel: 3}"
    )
    return sequence(
        f"reader: {reader}\n"
        "encoder: {kind: transformer, from: reader, depth: 2, heads: 2, "
        "ffn: {kind: mlp, width: 8}}",
        f'- {{match: "reader.**", method: layer_norm, placement: {placement}}}\n'
        '- {match: "encoder.**", method: layer_norm, placement: pre}',
        "encoder",
    )


def test_a_final_norm_after_the_norm_of_the_last_sum(found: Found) -> None:
    assert found(**encoder("rms_norm, placement: post, final: true")) == [
        "P512 normalization[0].final <true>: `encoder.final_norm` normalizes again what "
        "`encoder.blocks.1.ffn_residual_norm` gives, with nothing between [delete `final`]"
    ]


def test_blocks_of_two_placements(found: Found) -> None:
    sections = encoder("rms_norm, placement: pre", depth=5)
    first = '- {match: "encoder.blocks.{0,2}", method: rms_norm, placement: post}\n'
    sections["normalization"] = first + sections["normalization"]
    assert found(**sections) == [
        "P512 normalization[1].placement <pre>: `encoder.blocks.1.attention_input_norm` normalizes "
        "again what `encoder.blocks.0.ffn_residual_norm` gives, with nothing between (and 1 more) "
        "[leave one of them out]"
    ]


# Branches from zero beside a norm: P513.


ZEROS = "- {role: residual_out, method: zeros}\n"


@pytest.mark.parametrize("placement", ["post", "output", "sandwich", "peri", "deepnorm"])
def test_a_branch_of_zeros_before_a_norm(found: Found, placement: str) -> None:
    rules = ZEROS + ("- {preset: deepnorm}" if placement == "deepnorm" else "- {preset: xavier}")
    assert found(**encoder(f"layer_norm, placement: {placement}", rules, depth=1)) == [
        f"P513 normalization[0].placement <{placement}>: recipe.yaml:14 draws zeros for "
        "`encoder.blocks.0.attention.output.weight`, `encoder.blocks.0.ffn.down.weight`, so that "
        "branches begin at zero, as Fixup and ReZero have them in the place of norms, and "
        "layer_norm stands beside them [`method: none` for these blocks, or other draws than zeros]"
    ]


def test_fixup_beside_a_norm(found: Found) -> None:
    scaled = '- {match: "**.up.weight", method: xavier_normal, gain: "(2 * depth) ** -0.5"}\n'
    rules = ZEROS + scaled + "- {preset: xavier}"
    (line,) = found(**encoder("layer_norm, placement: pre", rules))
    assert line.startswith("P513 normalization[0].placement <pre>: recipe.yaml:14 draws zeros for ")


def test_rezero_beside_a_norm(found: Found) -> None:
    sections = encoder(
        "rms_norm, placement: pre", "- {preset: rezero}", depth=1, settings=", residual: rezero"
    )
    assert found(**sections) == [
        "P513 normalization[0].placement <pre>: the preset rezero draws zeros for "
        "`encoder.blocks.0.attention_scale.weight`, `encoder.blocks.0.ffn_scale.weight`, so that "
        "branches begin at zero, as Fixup and ReZero have them in the place of norms, and "
        "rms_norm stands beside them [`method: none` for these blocks, or other draws than zeros]"
    ]


@pytest.mark.parametrize(
    ("norm", "rules", "residual"),
    [
        ("", "- {preset: rezero}", "rezero"),
        ("", "- {preset: fixup}", "plain"),
        ("none", "- {preset: fixup}", "plain"),
        ("layer_norm, placement: pre", "- {preset: layerscale}", "layerscale"),
        # Before a branch a norm changes nothing of its zeros.
        ("layer_norm, placement: pre", ZEROS + "- {preset: gpt2}", "plain"),
        ("layer_norm, placement: pre", ZEROS + "- {preset: layerscale}", "layerscale"),
        ("layer_norm, placement: pre", "- {preset: xavier}", "rezero"),
        # A head and biases of zeros are no branches.
        ("layer_norm, placement: pre", "- {role: head, method: zeros}\n- {preset: bert}", "plain"),
    ],
)
def test_branches_from_zero_alone_and_norms_alone(
    found: Found, norm: str, rules: str, residual: str
) -> None:
    assert found(**encoder(norm, rules, settings=f", residual: {residual}")) == []


# DeepNorm without its beta: P514.


def test_deepnorm_without_its_beta(found: Found) -> None:
    assert found(**encoder("layer_norm, placement: deepnorm", "- {preset: xavier}", depth=1)) == [
        "P514 normalization[0].placement <deepnorm>: placement deepnorm goes with weights of "
        "(8 * depth) ** -0.25 times Xavier's, and the preset xavier draws others for "
        "`encoder.blocks.0.attention.value.weight`, `encoder.blocks.0.attention.output.weight`, "
        "`encoder.blocks.0.ffn.up.weight`, `encoder.blocks.0.ffn.down.weight` "
        "[`- {preset: deepnorm}` under `initialization` draws them so]"
    ]


def test_each_layer_of_a_branch_has_its_beta(found: Found) -> None:
    rules = '- {match: "**.up.weight", method: keep}\n- {preset: deepnorm}'
    (line,) = found(**encoder("layer_norm, placement: deepnorm", rules))
    assert line.startswith("P514 normalization[0].placement <deepnorm>: ")
    assert "and recipe.yaml:14 draws others for `encoder.blocks.0.ffn.up.weight`, `enc" in line


@pytest.mark.parametrize(
    "method",
    [
        f'xavier_uniform, gain: "{BETA}"',
        f'normal, std: "{BETA} / sqrt((fan_in + fan_out) / 2)"',
        # One of four outputs to each input is the largest distance from Xavier's.
        f'orthogonal, gain: "{BETA}"',
    ],
)
def test_beta_in_other_words(found: Found, method: str) -> None:
    rules = (
        f'- {{match: "**.{{value,output,up,down}}.weight", method: {method}}}\n- {{preset: xavier}}'
    )
    assert found(**encoder("layer_norm, placement: deepnorm", rules)) == []


@pytest.mark.parametrize("ffn", ["mlp", "swiglu"])
def test_the_preset_goes_with_its_placement(found: Found, ffn: str) -> None:
    sections = encoder("layer_norm, placement: deepnorm", "- {preset: deepnorm}", depth=6)
    sections["modules"] = sections["modules"].replace("kind: mlp", f"kind: {ffn}")
    assert found(**sections) == []


# Depth scaling undone: P515.


@pytest.mark.parametrize(
    ("placement", "undone"),
    [
        ("post", "and the norm after each sum keeps its size at any depth"),
        ("output", "which the norm after each branch divides out"),
        ("sandwich", "which the norm after each branch divides out"),
        ("peri", "which the norm after each branch divides out"),
    ],
)
def test_depth_scaling_that_a_norm_undoes(found: Found, placement: str, undone: str) -> None:
    assert found(**encoder(f"rms_norm, placement: {placement}", DEPTH_SCALED, depth=1)) == [
        f"P515 normalization[0].placement <{placement}>: recipe.yaml:14 scales "
        "`encoder.blocks.0.attention.output.weight`, `encoder.blocks.0.ffn.down.weight` by the "
        f"depth, {undone} (placement {placement}) "
        "[a rule for residual_out without `depth`, or placement pre]"
    ]


DEPTH_SCALED = (
    '- {role: residual_out, method: normal, std: "0.02 / sqrt(2 * depth)"}\n- {preset: bert}'
)


def test_no_message_says_where_a_command_was_started_from(load: Load) -> None:
    loaded = load(**encoder("rms_norm, placement: post", DEPTH_SCALED))
    text = "\n".join(loaded.sources["recipe.yaml"]).encode()
    (problem,) = make_plan(parse_recipe(text, "far/away/recipe.yaml", Path())).warnings
    assert "recipe.yaml:14 scales" in problem.message and "away" not in problem.message


def test_depth_scaling_where_no_norm_undoes_it(found: Found) -> None:
    assert found(**encoder("rms_norm, placement: pre", DEPTH_SCALED)) == []
    assert found(**encoder("", DEPTH_SCALED)) == []
    by_layer = DEPTH_SCALED.replace("2 * depth", "layer + 1")
    assert found(**encoder("rms_norm, placement: post", by_layer)) == []


# Batch norm on tokens: P516.


@pytest.mark.parametrize(
    "module",
    ["{kind: conv, from: words, channels: [8, 8], kernel: 3}",
     "{kind: mlp, from: words, widths: [8, 8]}"],
)  # fmt: skip
def test_batch_norm_as_the_first_layer_on_tokens(found: Found, module: str) -> None:
    norm = '- {match: "body.*", method: batch_norm, placement: before_activation}'
    expected = (
        "P516 normalization[0].method <batch_norm>: batch_norm in `body.0`, the first layer on "
        "the tokens of `words`, takes the statistics of the words that a batch happens to hold "
        "[layer_norm or rms_norm, which take each position by itself]"
    )
    sections = sequence(f"body: {module}", norm, "body")
    assert found(**sections) == [expected]
    sections["normalization"] = norm.replace("body.*", "body.1")
    assert found(**sections) == []
    sections["normalization"] = norm.replace("batch_norm", "layer_norm")
    assert found(**sections) == []


def test_batch_norm_opens_a_transformer_on_tokens(found: Found) -> None:
    (line,) = found(**encoder("batch_norm, placement: pre"))
    assert line.startswith("P516 ") and "`encoder.blocks.0`, the first layer on" in line
    assert found(**encoder("batch_norm, placement: post")) == []


def test_batch_norm_after_a_recurrent_layer(found: Found) -> None:
    norm = '- {match: "body.**", method: batch_norm, placement: after_activation}'
    body = "body: {kind: recurrent, from: words, cell: gru, width: 8}"
    assert found(**sequence(body, norm, "body")) == []


# Dropout before batch norm: P517.

BATCH_NORM = '- {match: "facts.1", method: batch_norm, placement: before_activation}'


def test_dropout_before_batch_norm(found: Found) -> None:
    assert found(**facts(BATCH_NORM, settings=", dropout: 0.1")) == [
        "P517 normalization[0].method <batch_norm>: batch_norm in `facts.1` learns the variance of "
        "what `facts.0` gives under dropout, which has another one in evaluation "
        "[no dropout in `facts`, or layer_norm]"
    ]


@pytest.mark.parametrize(
    ("norm", "dropout"),
    [
        (BATCH_NORM, "0"),
        (BATCH_NORM.replace("batch_norm", "layer_norm"), "0.1"),
        # Dropout behind the last batch norm is where it belongs.
        (BATCH_NORM.replace("facts.1", "facts.0"), "0.1"),
    ],
)
def test_dropout_elsewhere(found: Found, norm: str, dropout: str) -> None:
    assert found(**facts(norm, settings=f", dropout: {dropout}")) == []


@pytest.mark.parametrize(
    ("modules", "place", "reads"),
    [
        ("low: {kind: conv, from: words, channels: [8], kernel: 3, dropout: 0.1}", "body.0",
         "low.0"),
        ("low: {kind: recurrent, from: words, cell: gru, width: 8, dropout: 0.1}", "body.0",
         "low.layers.0"),
    ],
)  # fmt: skip
def test_dropout_at_the_end_of_the_module_before(
    found: Found, modules: str, place: str, reads: str
) -> None:
    norm = '- {match: "body.*", method: batch_norm, placement: before_activation}'
    body = "\nbody: {kind: mlp, from: low, widths: [8]}"
    (line,) = found(**sequence(modules + body, norm, "body"))
    assert line.startswith("P517 ") and f"`{place}` learns the variance of what `{reads}`" in line


def test_batch_norm_in_a_transformer_with_dropout(found: Found) -> None:
    sections = encoder("batch_norm, placement: post", depth=1, settings=", dropout: 0.1")
    (line,) = found(**sections)
    assert line.startswith("P517 ") and line.endswith("[no dropout in `encoder`, or layer_norm]")
    assert found(**encoder("batch_norm, placement: post")) == []


def test_batch_norm_behind_a_transformer_that_ends_in_a_norm(found: Found) -> None:
    sections = encoder("layer_norm, placement: pre", settings=", dropout: 0.1")
    body = "\nbody: {kind: mlp, from: encoder, widths: [8]}"
    sections["modules"] = sections["modules"].replace(SUMMARY, body + SUMMARY)
    sections["modules"] = sections["modules"].replace("pool, from: encoder", "pool, from: body")
    sections["normalization"] += (
        '\n- {match: "body.*", method: batch_norm, placement: before_activation}'
    )
    assert found(**sections) == []


# Gains under spectral norm: P518.

SPECTRAL = '- {match: "facts.*.linear.weight", method: spectral_norm}'


@pytest.mark.parametrize(
    ("method", "what"),
    [
        ("orthogonal, gain: 1.5", "gain of 1.5"),
        ('normal, std: "1 / sqrt(fan_in * depth)"', "scale by the depth"),
    ],
)
def test_a_gain_under_spectral_norm(found: Found, method: str, what: str) -> None:
    rules = f'- {{match: "facts.**.weight", method: {method}}}\n- {{preset: xavier}}'
    assert found(**facts(SPECTRAL, rules)) == [
        "P518 normalization[0].method <spectral_norm>: spectral_norm divides "
        "`facts.0.linear.weight`, `facts.1.linear.weight` by the largest singular value, and with "
        f"it the {what} that recipe.yaml:12 gives "
        "[delete the factor there, or exclude these weights here]"
    ]


@pytest.mark.parametrize(
    ("norm", "method"),
    [
        (SPECTRAL, "orthogonal"),
        (SPECTRAL, "kaiming_normal"),
        # Weight norm begins with the weight as it was drawn.
        (SPECTRAL.replace("spectral", "weight"), "orthogonal, gain: 1.5"),
        (SPECTRAL.replace("facts.*", "answer"), "orthogonal, gain: 1.5"),
    ],
)
def test_what_spectral_norm_leaves_in_peace(found: Found, norm: str, method: str) -> None:
    rules = f'- {{match: "facts.**.weight", method: {method}}}\n- {{preset: xavier}}'
    assert found(**facts(norm, rules)) == []


# Zeros under weight and spectral norm: P519.


@pytest.mark.parametrize("method", ["weight_norm", "spectral_norm"])
@pytest.mark.parametrize("zeros", ["zeros", "constant, value: 0"])
def test_zeros_under_a_reparametrization(found: Found, method: str, zeros: str) -> None:
    rules = f'- {{match: "facts.**.weight", method: {zeros}}}\n- {{preset: xavier}}'
    assert found(**facts(SPECTRAL.replace("spectral_norm", method), rules)) == [
        f"P519 normalization[0].method <{method}>: {method} divides `facts.0.linear.weight`, "
        "`facts.1.linear.weight` by a norm, which is zero, for recipe.yaml:12 draws zeros "
        "[draw them by another method there, or exclude them here]"
    ]
    assert found(**facts(SPECTRAL.replace("facts.*", "answer"), rules)) == []


# What is usual.


@pytest.mark.parametrize(
    ("norm", "preset"),
    [
        ("layer_norm, placement: pre", "gpt2"),
        ("layer_norm, placement: post", "bert"),
        ("layer_norm, placement: post, embedding: true", "bert"),
        ("layer_norm, placement: pre, embedding: true", "gpt2"),
        ("rms_norm, placement: pre", "timm"),
        ("layer_norm, placement: sandwich", "bert"),
        ("rms_norm, placement: peri", "xavier"),
        ("rms_norm, placement: output", "bert"),
        ("layer_norm, placement: deepnorm", "deepnorm"),
        ("none", "t_fixup"),
        ("", "torch_default"),
    ],
)
def test_usual_architectures_are_no_reason_for_a_warning(
    found: Found, norm: str, preset: str
) -> None:
    settings = ", dropout: 0.1, qk_norm: rms_norm"
    assert found(**encoder(norm, f"- {{preset: {preset}}}", depth=12, settings=settings)) == []


def test_no_rules_for_norms_are_none_to_contradict(load: Load) -> None:
    plan = make_plan(load(**facts("")))
    assert (plan.warnings, plan.unnormalized) == ((), ("facts.0", "facts.1"))


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_do_not_contradict_themselves(name: str) -> None:
    codes = {warning.code for warning in make_plan(load_recipe(name)).warnings}
    assert codes & CHECKS.keys() == set()


def test_a_tied_weight_is_drawn_as_its_owner(found: Found) -> None:
    sections = encoder("layer_norm, placement: post", DEPTH_SCALED)
    down = "encoder.blocks.{}.ffn.down.weight"
    (line,) = found(**sections, ties=f"{down.format(1)}: {down.format(0)}")
    assert line.startswith("P515 ") and f"`{down.format(0)}`" in line


def test_a_module_that_is_shared_is_told_once(found: Found) -> None:
    sections = sequence(
        "body: {kind: mlp, from: words, widths: [8]}\n"
        "other_words: {same_as: words, from: query}\n"
        "other: {same_as: body, from: other_words}\n"
        "both: {kind: concat, from: [body, other]}",
        '- {match: "body.*", method: batch_norm, placement: before_activation}',
        "both",
    )
    (line,) = found(**sections)
    assert line.startswith("P516 ") and "(and" not in line


def test_every_check_has_its_explanation() -> None:
    assert CHECKS.keys() <= CODES.keys() and CHECKS.keys() >= ERRORS


def test_the_page_on_norms_has_every_placement_and_every_contradiction() -> None:
    page = (Path(__file__).parents[2] / "docs" / "normalization.md").read_text(encoding="utf-8")
    for name in TRANSFORMER_PLACEMENTS:
        assert f"\n| `{name}` |" in page
    for code in CHECKS:
        assert f"\n| {code}" in page
