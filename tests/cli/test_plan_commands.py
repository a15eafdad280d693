"""`plan` and `explain`."""

from __future__ import annotations

import json
import re
from math import pi
from pathlib import Path

import pytest

MINE = '{match: "facts.1.**", type: linear, method: normal, std: "1 / sqrt(fan_in)"}'

LOSING = f"""\
version: 1
name: losing
inputs:
  page: {{kind: features, size: 4}}
modules:
  facts: {{kind: mlp, from: page, widths: [16, 16], activation: relu}}
outputs:
  intent: {{kind: classification, from: facts, labels: [a, b, c]}}
normalization:
  - {{match: "facts.**.weight", method: weight_norm}}
initialization:
  - {MINE}
  - {{match: "**.weight", method: kaiming_normal, nonlinearity: relu}}
  - {{preset: torch_default}}
"""


def test_explain_a_parameter(seobuild, folder: Path) -> None:
    (folder / "losing.yaml").write_text(LOSING)
    ended = seobuild("explain", "losing.yaml", "facts.1.linear.weight")
    assert (ended.code, ended.err) == (0, "")
    told = re.sub(r"(torch_default\.yaml):\d+ (.*)  \{.*", r"\1:N \2", ended.out)
    stored = "facts.1.linear.parametrizations.weight.original"
    assert (
        told
        == f"""\
facts.1.linear.weight
  shape           16 x 16, 256 elements
  role            weight
  layer           linear
  decided by      losing.yaml:12  {MINE}
  draws           normal(0, 0.25)
  fans            in 16, out 16, average 16
  mean, std       0, 0.25
  then            weight_norm, by losing.yaml:10  {{match: "facts.**.weight", method: weight_norm}}
  not decided by  losing.yaml:13  {{match: "**.weight", method: kaiming_normal, nonlinearity: relu}}
  not decided by  presets/torch_default.yaml:N (preset torch_default)
  stored as       {stored}0, {stored}1
"""
    )


def test_explain_a_pattern_tells_gain_and_every_match(seobuild) -> None:
    ended = seobuild("explain", "small.yaml", "facts.**")
    blocks = ended.out.split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == [
        "facts.0.linear.weight",
        "facts.0.linear.bias",
    ]
    assert "  gain        1.414" in blocks[0]
    assert "  mean, std   0, 0.7071\n" in blocks[0]


def test_explain_tells_what_arrives_where_the_rule_asks_for_it(seobuild, folder: Path) -> None:
    small = (folder / "small.yaml").read_text()
    auto = "{role: head, method: autoinit}"
    (folder / "auto.yaml").write_text(small.replace("{role: head, method: xavier_uniform}", auto))
    ended = seobuild("explain", "auto.yaml", "intent.linear.weight")
    assert "  gain            1\n  input           mean 0.5642, variance 0.6817\n" in ended.out
    ended = seobuild("explain", "auto.yaml", "**.weight", "--output-format", "json")
    first, last = json.loads(ended.out)
    assert (first["input_mean"], first["input_variance"]) == (None, None)
    assert last["input_variance"] == pytest.approx(1 - 1 / pi)


def test_explain_as_json(seobuild) -> None:
    ended = seobuild("explain", "small.yaml", "facts.*.*.weight", "--output-format", "json")
    (record,) = json.loads(ended.out)
    assert record["rule"] == {
        "file": "small.yaml",
        "line": 12,
        "preset": None,
        "text": '{match: "**.weight", method: kaiming_normal, nonlinearity: relu}',
    }
    assert record["losing"] == []
    assert (record["fan_in"], record["fan_out"], record["shape"]) == (4, 16, [16, 4])
    assert record["gain"] == pytest.approx(2**0.5) and record["std"] == pytest.approx(0.5**0.5)


def test_an_alias_is_explained_by_its_owner(seobuild, folder: Path) -> None:
    ties = '\nties: {"other.0.linear.weight": "facts.0.linear.weight"}\n'
    text = (folder / "small.yaml").read_text()
    text = text.replace(
        "outputs:",
        "  other: {kind: mlp, from: page, widths: [16], activation: relu}\n"
        "  both: {kind: add, from: [facts, other]}\noutputs:",
    )
    (folder / "tied.yaml").write_text(
        text.replace("from: facts, labels", "from: both, labels") + ties
    )
    ended = seobuild("explain", "tied.yaml", "other.0.linear.weight")
    assert ended.out.startswith("facts.0.linear.weight\n")
    assert "shared with" in ended.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("R999",), "Error: `R999` is not a diagnostic's code, such as R001\n"),
        (("small.yaml",), "To explain a parameter, give the recipe and the parameter's name"),
        (
            ("small.yaml", "facts.0.linear.wieght"),
            "no parameter matches `facts.0.linear.wieght`; did you mean `facts.0.linear.weight`?",
        ),
        (
            ("small.yaml", "zzz"),
            "no parameter matches `zzz`; names are such as facts.0.linear.weight",
        ),
        (("small.yaml", "**.{a"), "`**.{a`: the `{` is never closed"),
    ],
)
def test_what_cannot_be_explained_is_a_usage_error(seobuild, arguments, message: str) -> None:
    ended = seobuild("explain", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert message in ended.err


def test_explain_a_code(seobuild) -> None:
    ended = seobuild("explain", "r010")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == (
        "R010: duplicate key\n\n"
        "The same key stands twice in one mapping; YAML readers differ in which of them counts.\n\n"
        "To mend it: Delete or rename one of them.\n"
    )


def test_plan(seobuild) -> None:
    ended = seobuild("plan", "small.yaml")
    assert (ended.code, ended.err) == (0, "")
    lines = [line.rstrip() for line in ended.out.splitlines()]
    assert lines[0].split() == ["parameter", "shape", "role", "draws", "rule"]
    assert lines[1].split("  ")[0] == "facts.0.linear.weight"
    assert lines[1].split() == [
        *("facts.0.linear.weight", "16", "x", "4", "weight", "normal(0,", "0.707107)"),
        *("line", "12"),
    ]
    assert lines[-3:] == [
        "normalization  none",
        "without a norm  facts.0",
        "131 parameters in 4 tensors, 524 B as float32, 224 FLOPs an example",
    ]


def test_plan_tells_repeated_blocks_once_and_all_on_demand(seobuild) -> None:
    few = seobuild("plan", "search_intent").out
    every = seobuild("plan", "search_intent", "--all").out
    assert "encoder.blocks.0.ffn.up.weight  (and 3 more like it)" in few
    assert "encoder.blocks.3.ffn.up.weight" not in few
    assert "encoder.blocks.3.ffn.up.weight" in every and "more like it" not in every


def test_plan_as_json(seobuild) -> None:
    ended = seobuild("plan", "small.yaml", "--set", "seed=3", "--output-format", "json")
    record = json.loads(ended.out)
    assert (record["name"], record["seed"], record["dtype"]) == ("small", 3, "float32")
    assert (record["parameters"], record["bytes"]) == (131, 524)
    assert [a["name"] for a in record["assignments"]] == [
        "facts.0.linear.weight",
        "facts.0.linear.bias",
        "intent.linear.weight",
        "intent.linear.bias",
    ]


def test_an_invalid_recipe_is_told_in_the_wanted_format(seobuild, folder: Path) -> None:
    (folder / "bad.yaml").write_text((folder / "small.yaml").read_text() + "extra: 1\n")
    for arguments in (("plan", "bad.yaml"), ("explain", "bad.yaml", "**")):
        ended = seobuild(*arguments, "--output-format", "json")
        assert (ended.code, ended.err) == (1, "")
        assert [(d["code"], d["line"]) for d in json.loads(ended.out)] == [("R104", 13)]


def test_colour_is_left_out_where_it_is_not_wanted(fresh) -> None:
    assert "\x1b[" not in fresh("plan", "small.yaml").out
    assert "\x1b[1m" in fresh("plan", "small.yaml", FORCE_COLOR="1").out
    plain = fresh("plan", "small.yaml", FORCE_COLOR="1", NO_COLOR="1").out
    assert not any(f"\x1b[3{digit}m" in plain for digit in range(8))
