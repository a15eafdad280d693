"""Faults that are planted into recipes are found, in the right place; sound recipes are silent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from probed_models import KAIMING, XAVIER, built, found, mlp, transformer

from seobuilder.health.probes.findings import check_probes
from seobuilder.stages import Building


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "make",
    [
        lambda seed: mlp(depth=20, seed=seed),
        lambda seed: mlp(depth=20, activation="tanh", rules=XAVIER, seed=seed),
        lambda seed: mlp(depth=12, activation="gelu", seed=seed),
        lambda seed: transformer(depth=6, seed=seed),
        lambda seed: transformer(depth=4, placement="post", seed=seed),
        lambda seed: transformer(rules="  - {role: residual_out, method: zeros}", seed=seed),
    ],
)
def test_a_sound_model_has_no_finding(make: Callable[[int], Building], seed: int) -> None:
    assert found(make(seed).report) == []


def test_weights_too_small_for_the_activation_shrink_signal_and_gradient() -> None:
    report = mlp(depth=24, rules=XAVIER).report
    assert found(report) == [("H020", "error", "body"), ("H021", "error", "body")]
    signal = report.issues[0]
    assert signal.measured == pytest.approx(2.0**-23, rel=0.9)
    assert (signal.expected, signal.tolerance) == (1.0, 0.99)
    assert signal.message.endswith(" over 24 blocks, as the plan predicts")
    gradient = report.issues[1]
    assert (gradient.expected, gradient.tolerance) == (1.0, 0.9)
    assert gradient.message.endswith(" through 24 blocks, as the plan predicts")
    assert signal.rule == "deep.yaml:13"


def test_weights_too_large_make_the_signal_explode() -> None:
    report = mlp(rules='  - {match: "**.weight", method: normal, std: 0.5}').report
    assert ("H020", "error", "body") in found(report)
    assert (report.issues[0].expected, report.issues[0].tolerance) == (1.0, 99.0)


def test_what_the_plan_does_not_predict_is_not_said_to_be() -> None:
    building = mlp(depth=24, rules=XAVIER)
    probes = building.report.probes
    assert probes is not None
    even = [
        r.model_copy(update={"expected": 1.0, "gradient_expected": None}) for r in probes.signals
    ]
    other = probes.model_copy(update={"signals": tuple(even)})
    messages = [each.message for each in check_probes(other, building.plan, ())]
    assert len(messages) == 2 and not any("predicts" in message for message in messages)


def test_a_gradient_explodes_where_saturation_hides_it_from_the_signal() -> None:
    rules = '  - {match: "**.weight", method: normal, std: 0.5}'
    report = mlp(depth=20, activation="tanh", rules=rules).report
    assert found(report) == [("H021", "error", "body")]


def test_a_head_of_zeros_hides_no_vanishing_gradient() -> None:
    text = mlp(depth=24, rules=XAVIER).loaded.source.decode()
    text = text.replace("{role: head, method: normal, std: 0.02}", "{role: head, method: zeros}")
    report = built(text).report
    assert ("H021", "error", "body") in found(report)
    (gradient,) = (finding for finding in report.issues if finding.code == "H021")
    assert gradient.measured == pytest.approx(2.0**-11.5, rel=0.9)


def test_a_signal_beyond_the_dtype_is_told_once() -> None:
    report = mlp(depth=40, rules='  - {match: "**.weight", method: normal, std: 1000}').report
    assert [entry for entry in found(report) if entry[0] == "H020"] == [
        ("H020", "error", "body.9")  # 64e6^(10/2) is beyond 3e38
    ]
    assert not report.is_healthy


def test_dead_units_are_told_at_the_first_block() -> None:
    zeros = '  - {match: "**.bias", method: zeros}\n'
    sunk = '  - {match: "body.3.**.bias", method: constant, value: -20}\n'
    text = mlp().loaded.source.decode().replace(zeros, sunk + zeros)
    dead = [entry for entry in found(built(text).report) if entry[0] == "H022"]
    assert dead == [("H022", "error", "body.3")]


def test_a_layer_of_zeros_silences_what_is_before_it() -> None:
    rules = f'  - {{match: "body.5.*.weight", method: zeros}}\n{KAIMING}'
    report = mlp(rules=rules).report
    assert ("H020", "error", "body.5") in found(report)
    silent = [f for f in report.findings if f.code == "H025"]
    assert silent[0].place == "body.5.linear.weight"
    assert "`body.0.linear.weight`" in silent[0].message
    assert ("H022", "error", "body.5") in found(report)


def test_of_two_blocks_the_one_of_zeros_is_named() -> None:
    rules = f'  - {{match: "body.1.*.weight", method: zeros}}\n{KAIMING}'
    assert ("H020", "error", "body.1") in found(mlp(depth=2, rules=rules).report)


@pytest.mark.parametrize(
    "rules",
    [
        "  - {role: residual_out, method: zeros}",
        '  - {match: "encoder.blocks.*.ffn.**", role: weight, method: zeros}',
    ],
)
def test_zeros_that_wake_up_are_no_finding(rules: str) -> None:
    building = transformer(rules=rules)
    assert [entry for entry in found(building.report) if entry[0] == "H025"] == []


def test_a_head_of_zeros_lets_the_gradient_through_after_a_step() -> None:
    building = transformer(rules="  - {match: label.linear.weight, method: zeros}")
    text = building.loaded.source.decode().replace(
        "  - {role: head, method: normal, std: 0.02}\n", ""
    )
    report = built(text).report
    probes = report.probes
    assert probes is not None and found(report) == []
    wakes = {record.name: record.wakes for record in probes.parameters}
    assert wakes["label.linear.weight"] == 0
    assert wakes["encoder.blocks.0.attention.value.weight"] == 1


def test_saturated_attention_is_found() -> None:
    rules = '  - {match: "encoder.blocks.1.**.{query,key}.weight", method: normal, std: 3}'
    report = transformer(rules=rules).report
    saturated = [entry for entry in found(report) if entry[0] == "H023"]
    assert [place for _, _, place in saturated] == ["encoder.blocks.1.attention"]


def test_tokens_that_become_alike_are_found() -> None:
    """Without skip paths, attention averages until all tokens are the same (Dong et al. 2021)."""
    report = transformer(depth=6, residual="none", placement="pre").report
    assert ("H024", "encoder.blocks") in [(code, place) for code, _, place in found(report)]


def test_a_step_larger_than_the_weight_is_found() -> None:
    rules = f'  - {{match: "body.2.*.weight", method: normal, std: 1.0e-5}}\n{KAIMING}'
    report = mlp(rules=rules).report
    assert ("H026", "warning", "body.2.linear.weight") in found(report)


def test_outputs_without_labels_are_not_held_against_their_parameters() -> None:
    text = (
        mlp()
        .loaded.source.decode()
        .replace("outputs:\n", "outputs:\n  meaning: {kind: embedding, from: body, width: 8}\n")
    )
    report = built(text).report
    probes = report.probes
    assert probes is not None
    assert next(r.name for r in probes.parameters if r.wakes is None).startswith("meaning.")
    assert found(report) == []


CELLS = """\
version: 1
name: ends
inputs:
  query: {kind: tokens, vocab_size: 32, max_length: 6}
modules:
  words: {kind: token_embedding, from: query, width: 8}
  reader: {kind: recurrent, from: words, cell: gru, width: 8, depth: 2, DIRECTIONS}
  summary: {kind: pool, from: reader, method: METHOD}
outputs:
  label: {kind: classification, from: summary, labels: 3}
initialization:
  - {match: "**.bias", method: zeros}
  - {role: [embedding, head], method: normal, std: 0.02}
  - {match: "**.weight", method: xavier_uniform}
"""


@pytest.mark.parametrize(
    ("method", "both", "place"),
    [
        ("last", "true", "reader.layers.1.backward.hidden.weight"),
        ("first", "true", "reader.layers.1.forward.hidden.weight"),
        ("first", "false", "reader.layers"),
        ("last", "false", None),
        ("mean", "true", None),
    ],
)
def test_a_pool_that_reads_where_a_direction_begins_is_named(
    method: str, both: str, place: str | None
) -> None:
    text = CELLS.replace("DIRECTIONS", f"bidirectional: {both}").replace("METHOD", method)
    silent = [f for f in built(text).report.findings if f.code == "H025"]
    assert [f.place for f in silent] == ([place] if place else [])
    for finding in silent:
        assert "`summary` reads the end" in finding.suggestion
        (change,) = finding.changes
        assert (change.path, change.yaml) == (("modules", "summary", "method"), "mean")
