"""Weights from files: what a plan takes from them, and what is said before a tensor is read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from seobuilder.errors import RecipeError
from seobuilder.planning.distributions import Pretrained
from seobuilder.planning.model import Plan
from seobuilder.planning.planner import make_plan

Planned = Callable[..., Plan]
Problems = Callable[..., list[str]]

MODULES = (
    "words: {kind: token_embedding, from: query, width: 4}\n"
    "deep: {kind: mlp, from: words, widths: [4, 4, 4]}\n"
    "meaning: {kind: pool, from: deep, method: mean}"
)
ANSWER = "answer: {kind: classification, from: meaning, labels: [yes, no]}"
INPUTS = "query: {kind: tokens, vocab_size: 10, max_length: 5}"
MAP = """\
  map:
    words.tokens.weight: embed.table
    deep.*.linear.{weight,bias}: layers.*.{w,b}
"""
REST = '- {match: "**", method: keep}'


def tensors() -> dict[str, Tensor]:
    content = {"embed.table": torch.ones(10, 4)}
    for index in range(3):
        content |= {f"layers.{index}.w": torch.ones(4, 4), f"layers.{index}.b": torch.ones(4)}
    return content


def rules(extra: str = MAP, match: str = "{words,deep}.**", rest: str = REST) -> str:
    return f'- match: "{match}"\n  method: pretrained\n  file: w.safetensors\n{extra}{rest}'


@pytest.fixture
def sections() -> Callable[..., dict[str, str]]:
    def build(initialization: str) -> dict[str, str]:
        return {
            "inputs": INPUTS,
            "modules": MODULES,
            "outputs": ANSWER,
            "initialization": initialization,
        }

    return build


def save(folder: Path, content: dict[str, Tensor], name: str = "w.safetensors") -> None:
    save_file(content, folder / name)


def test_each_parameter_knows_its_tensor(planned: Planned, sections, tmp_path: Path) -> None:
    save(tmp_path, tensors())
    plan = planned(**sections(rules()))
    loaded = {
        a.parameter.name: a.distribution.tensor
        for a in plan.assignments
        if isinstance(a.distribution, Pretrained)
    }
    assert loaded == {
        "words.tokens.weight": "embed.table",
        **{f"deep.{i}.linear.weight": f"layers.{i}.w" for i in range(3)},
        **{f"deep.{i}.linear.bias": f"layers.{i}.b" for i in range(3)},
    }
    first = plan.assignments[0]
    assert (first.method, first.gain) == ("pretrained", None)
    assert first.distribution.describe() == "loaded from w.safetensors: embed.table"
    assert first.distribution.moments((10, 4)) is None
    assert plan.warnings == ()


def test_without_a_map_names_are_equal(planned: Planned, sections, tmp_path: Path) -> None:
    save(tmp_path, {"words.tokens.weight": torch.ones(10, 4)})
    plan = planned(**sections(rules("", "words.**")))
    assert plan.assignments[0].distribution == Pretrained("w.safetensors", "words.tokens.weight")


def test_what_the_file_lacks_or_holds_otherwise(problems: Problems, sections, tmp_path) -> None:
    content = tensors()
    content["layers.1.w"] = torch.ones(4, 5)
    content["layers.2.w"] = torch.ones(5, 4)
    content["layers.0.bias"] = content.pop("layers.0.b")
    content["embed.table"] = torch.ones(10, 4, dtype=torch.int64)
    save(tmp_path, content)
    place = "initialization[0].map"
    assert problems(**sections(rules())) == [
        f"P604 {place}[`words.tokens.weight`] <embed.table>: in `w.safetensors`, `embed.table` has "
        "the dtype I64, and weights are one of BF16, F16, F32, F64",
        f"P603 {place}[`deep.*.linear.{{weight,bias}}`] <layers.*.{{w,b}}>: `w.safetensors` has no "
        "tensor `layers.0.b`, for `deep.0.linear.bias`; did you mean `layers.0.bias`?",
        f"P604 {place}[`deep.*.linear.{{weight,bias}}`] <layers.*.{{w,b}}>: in `w.safetensors`, "
        "`layers.1.w` has the shape [4, 5], and `deep.1.linear.weight` [4, 4] (and 1 more)",
    ]


def test_a_parameter_that_no_entry_covers(problems: Problems, sections, tmp_path: Path) -> None:
    save(tmp_path, tensors())
    extra = "  map:\n    words.tokens.weight: embed.table\n    deep.0.linear.*: layers.0.*\n"
    assert problems(**sections(rules(extra))) == [
        "P605 initialization[0].map <words.tokens.weight>: the map does not cover "
        "`deep.1.linear.weight` (and 3 more)"
    ]


def test_entries_without_effect(problems: Problems, sections, tmp_path: Path) -> None:
    save(tmp_path, tensors() | {"pooler.w": torch.ones(1)})
    extra = (
        MAP + "    deep.0.**: layers.0.**\n    facts.**: x.**\n"
        '  unused: ["pooler.*", "heads.**", "layers.0.w"]\n'
    )
    place, left = "initialization[0]", "matches nothing that is left over in `w.safetensors`"
    assert problems(**sections(rules(extra))) == [
        f"P606 {place}.map[`deep.0.**`] <deep.0.**>: the entry `deep.0.**` covers no parameter "
        "that no earlier entry covers",
        f"P606 {place}.map[`facts.**`] <facts.**>: the entry `facts.**` covers no parameter",
        f'P606 {place}.unused[1] <"heads.**">: `heads.**` {left}',
        f'P606 {place}.unused[2] <"layers.0.w">: `layers.0.w` {left}',
    ]


def test_a_rule_that_may_decide_nothing_may_have_entries_for_nothing(
    planned: Planned, sections, tmp_path: Path
) -> None:
    save(tmp_path, tensors())
    extra = MAP + "    facts.**: x.**\n  optional: true\n"
    assert "pretrained" in {a.method for a in planned(**sections(rules(extra))).assignments}


def test_tensors_that_nothing_takes_are_told(planned: Planned, sections, tmp_path) -> None:
    spare = {f"pooler.{index}": torch.ones(1) for index in range(7)}
    save(tmp_path, tensors() | spare | {"ids": torch.ones(1)})
    (warning,) = planned(**sections(rules())).warnings
    assert (warning.code, warning.severity) == ("P607", "warning")
    assert warning.path == "initialization[0].file"
    assert warning.message == (
        "nothing takes `ids`, `pooler.0`, `pooler.1`, `pooler.2`, `pooler.3` and 3 more from "
        "`w.safetensors`"
    )
    assert warning.help == "name under `unused` what is left out on purpose"
    extra = MAP + '  unused: ["pooler.<1-6>"]\n'
    (warning,) = planned(**sections(rules(extra))).warnings
    assert warning.message == "nothing takes `ids`, `pooler.0` from `w.safetensors`"
    extra = MAP + '  unused: ["pooler.*", ids]\n'
    assert planned(**sections(rules(extra))).warnings == ()


def test_two_rules_share_a_file(planned: Planned, sections, tmp_path: Path) -> None:
    save(tmp_path, tensors())
    second = '- match: "deep.**"\n  method: pretrained\n  file: w.safetensors\n  map:\n'
    second += '    "deep.*.linear.{weight,bias}": "layers.*.{w,b}"\n' + REST
    first = "  map: {words.tokens.weight: embed.table}\n"
    assert planned(**sections(rules(first, "words.**", second))).warnings == ()


@pytest.mark.parametrize("given", [True, False])
def test_a_missing_file(load, sections, tmp_path: Path, given: bool) -> None:
    extra = MAP + "  obtain: ask the search team\n"
    loaded = load(**sections(rules(extra)))
    if given:
        loaded.given["w.safetensors"] = tmp_path / "elsewhere.safetensors"  # type: ignore[index]
    else:
        (warning,) = make_plan(loaded).warnings
        assert (warning.code, warning.severity) == ("P601", "warning")
        assert warning.message == "`w.safetensors` is not there, so that nothing in it was checked"
        assert warning.help == "ask the search team"
    with pytest.raises(RecipeError) as caught:
        make_plan(loaded, files="optional" if given else "required")
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.severity) == ("P601", "error")
    assert problem.message == "can't read `w.safetensors`: there is no such file"
    assert make_plan(loaded, files="ignored").warnings == ()


def test_a_link_out_of_the_folder_is_refused_and_a_given_file_is_not(
    load, sections, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    save(elsewhere, tensors())
    os.symlink(elsewhere / "w.safetensors", tmp_path / "w.safetensors")
    loaded = load(**sections(rules()))
    with pytest.raises(RecipeError) as caught:
        make_plan(loaded)
    (problem,) = caught.value.diagnostics
    assert problem.message == "can't read `w.safetensors`: it lies outside the recipe's folder"
    loaded.given["w.safetensors"] = elsewhere / "w.safetensors"
    assert make_plan(loaded, files="required").warnings == ()


def test_what_is_no_safetensors_file(problems: Problems, sections, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"\0" * 8)
    assert problems(**sections(rules())) == [
        "P602 initialization[0].file <w.safetensors>: can't load `w.safetensors`: its header is "
        "not JSON; it is no safetensors file"
    ]


def test_an_optional_rule_that_decides_nothing_says_nothing(
    planned: Planned, sections, tmp_path: Path
) -> None:
    save(tmp_path, {"x": torch.ones(1)})
    extra = '  optional: true\n  map: {"none.*": "x.*"}\n  unused: [x]\n'
    assert planned(**sections(rules(extra, "none.**"))).warnings == ()


def test_a_large_file_does_not_stall_the_hints(problems: Problems, sections, tmp_path) -> None:
    spare = {f"some.long.name.of.a.tensor.{i}": torch.ones(0) for i in range(10_000)}
    save(tmp_path, spare | {"words.token.weight": torch.ones(10, 4)})
    (found,) = problems(**sections(rules("", "words.**")))
    assert "did you mean" not in found and "has no tensor `words.tokens.weight`" in found
