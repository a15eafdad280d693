"""The changes that warnings of the plan carry: after them the recipe plans, without the warning."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from seobuilder.errors import RecipeError
from seobuilder.planning.planner import make_plan
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.load import LoadedRecipe, parse_recipe
from seobuilder.recipe.rewrite import rewrite

Load = Callable[..., LoadedRecipe]

ENCODER = (
    "words: {kind: token_embedding, from: query, width: 8}\n"
    "encoder: {kind: transformer, from: words, depth: 4, heads: 2, ffn: {kind: mlp, width: 16}}\n"
    "summary: {kind: pool, from: encoder, method: mean}"
)
LAYERS = (
    "words: {kind: token_embedding, from: query, width: 8, dropout: 0.1}\n"
    "body: {kind: conv, from: words, channels: [8, 8], kernel: 3, activation: leaky_relu}\n"
    "summary: {kind: pool, from: body, method: mean}"
)
OUTPUTS = "answer: {kind: classification, from: summary, labels: 3}"
ALL = '- {match: "**", method: keep}'


def on_top(modules: str, below: str) -> str:
    """The modules with a transformer between the last two, which reads the one below."""
    *first, summary = modules.split("\n")
    size = "depth: 2, heads: 2, ffn: {kind: mlp, width: 16}"
    top = f"top: {{kind: transformer, from: {below}, {size}}}"
    return "\n".join([*first, top, summary.replace(below, "top")])


def findings(loaded: LoadedRecipe) -> tuple[Diagnostic, ...]:
    try:
        return make_plan(loaded).warnings
    except RecipeError as error:
        return error.diagnostics


READ_FIRST = on_top(
    "words: {kind: token_embedding, from: query, width: 8}\n"
    "reader: {kind: recurrent, from: words, cell: gru, width: 8, depth: LAYERS}\n"
    "summary: {kind: pool, from: reader, method: mean}",
    "reader",
)


@pytest.mark.parametrize(
    ("code", "modules", "norm", "rules"),
    [
        ("P501", LAYERS, "", '- {match: "body.**.weight", method: kaiming_normal}\n' + ALL),
        (
            "P501",
            LAYERS.replace("leaky_relu", "relu"),
            "",
            '- {match: "body.**.weight", method: kaiming_normal, nonlinearity: leaky_relu, '
            "slope: 0.2}\n" + ALL,
        ),
        (
            "P510",
            ENCODER.replace("depth: 4", "depth: 4, residual: none"),
            '- {match: "encoder.blocks.*", method: layer_norm, placement: deepnorm}',
            ALL,
        ),
        (
            "P511",
            ENCODER,
            '- {match: "encoder.blocks.*", method: rms_norm, placement: pre, final: false}',
            ALL,
        ),
        (
            "P512",
            ENCODER,
            '- {match: "encoder.blocks.*", method: layer_norm, placement: post, final: true}',
            ALL,
        ),
        (
            "P512",
            on_top(ENCODER, "encoder"),
            '- {match: "encoder.**", method: rms_norm, placement: pre}\n'
            '- {match: "top.**", method: rms_norm, placement: pre}',
            ALL,
        ),
        (
            "P512",
            on_top(ENCODER, "encoder"),
            '- {match: "**", method: rms_norm, placement: pre}',
            ALL,
        ),
        (
            "P512",
            ENCODER,
            '- {match: "encoder.blocks.{0,2}", method: rms_norm, placement: post}\n'
            '- {match: "encoder.blocks.*", method: rms_norm, placement: pre}',
            ALL,
        ),
        (
            "P512",
            on_top(LAYERS, "body"),
            '- {match: "body.*", method: layer_norm, placement: after_activation}\n'
            '- {match: "top.**", method: layer_norm, placement: pre}',
            ALL,
        ),
        *(
            (
                "P512",
                READ_FIRST.replace("LAYERS", str(layers)),
                '- {match: "reader.layers.*", method: layer_norm, placement: after_activation}\n'
                '- {match: "top.**", method: layer_norm, placement: pre}',
                ALL,
            )
            for layers in (1, 2)
        ),
        *(
            (
                "P513",
                ENCODER,
                f'- {{match: "encoder.blocks.*", method: layer_norm, placement: {placement}}}',
                "- {role: residual_out, method: zeros}\n" + ALL,
            )
            for placement in ("post", "output", "sandwich", "peri", "deepnorm")
        ),
        (
            "P513",
            ENCODER,
            '- {match: "encoder.blocks.*", method: layer_norm, placement: pre}',
            "- {role: residual_out, method: zeros}\n"
            '- {match: "**.up.weight", method: xavier_normal, gain: "(2 * depth) ** -0.5"}\n' + ALL,
        ),
        (
            "P513",
            ENCODER.replace("depth: 4", "depth: 4, residual: rezero"),
            '- {match: "encoder.blocks.*", method: layer_norm, placement: pre}',
            "- {preset: rezero}",
        ),
        (
            "P514",
            ENCODER,
            '- {match: "encoder.blocks.*", method: layer_norm, placement: deepnorm}',
            '- {match: "encoder.**.weight", role: [weight, residual_out], method: xavier_normal}\n'
            + ALL,
        ),
        (
            "P515",
            ENCODER,
            '- {match: "encoder.blocks.*", method: layer_norm, placement: post}',
            '- {role: residual_out, method: normal, std: "0.02 / sqrt(2 * depth)"}\n' + ALL,
        ),
        (
            "P516",
            LAYERS,
            '- {match: "body.*", method: batch_norm, placement: before_activation, momentum: 0.2}',
            ALL,
        ),
        (
            "P517",
            LAYERS,
            '- {match: "body.*", method: batch_norm, placement: after_activation, affine: false}',
            ALL,
        ),
        (
            "P518",
            LAYERS,
            '- {match: "body.*.**.weight", method: spectral_norm}',
            '- {match: "body.**.weight", method: orthogonal, gain: 2, per: matrix}\n' + ALL,
        ),
        *(
            (
                "P518",
                ENCODER,
                '- {match: "encoder.**.{up,down}.weight", method: spectral_norm}',
                f'- {{match: "encoder.**.weight", {draw}}}\n' + ALL,
            )
            for draw in (
                'method: normal, std: "0.02 / sqrt(2 * depth)"',
                'method: xavier_normal, gain: "1 / sqrt(2 * depth)"',
            )
        ),
        (
            "P519",
            LAYERS,
            '- {match: "body.0.**.weight", method: weight_norm}',
            '- {match: "body.**.weight", method: zeros}\n' + ALL,
        ),
    ],
)
def test_a_warning_is_gone_after_its_changes(
    load: Load, code: str, modules: str, norm: str, rules: str
) -> None:
    loaded = load(
        inputs="query: {kind: tokens, vocab_size: 10, max_length: 5}",
        modules=modules,
        outputs=OUTPUTS,
        normalization=norm,
        initialization=rules,
    )
    (warning,) = (each for each in findings(loaded) if each.code == code)
    assert warning.changes
    text = rewrite(loaded.source, warning.changes)
    after = make_plan(parse_recipe(text, loaded.file, loaded.folder))
    assert code not in {each.code for each in after.warnings}
