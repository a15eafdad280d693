"""`build` and `verify`."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from seobuilder.artifact.verify import verify

LAST = "healthy, 131 parameters, report: {}/report.html"


def test_a_build_from_start_to_end(fresh, folder: Path) -> None:
    ended = fresh("small.yaml")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == "small: healthy"
    assert lines[-1] == LAST.format("builds/small")
    assert sorted(os.listdir("builds/small")) == [
        "manifest.json",
        "model.safetensors",
        "recipe.yaml",
        "report.html",
        "report.json",
        "report.md",
        "source.yaml",
    ]
    assert Path("builds/small/source.yaml").read_bytes() == Path("small.yaml").read_bytes()
    assert verify(Path("builds/small")) == []
    assert os.listdir("builds") == ["small"]


def test_build_is_the_command_that_a_recipe_alone_is_short_for(seobuild, folder: Path) -> None:
    assert seobuild("small.yaml", "-o", "a").code == 0
    assert seobuild("build", "small.yaml", "-o", "b/c").code == 0
    assert files(folder / "a") == files(folder / "b/c")


def test_a_recipe_on_standard_input(seobuild, standard_input) -> None:
    text = Path("small.yaml").read_text()
    standard_input(text)
    ended = seobuild("-")
    assert ended.out.splitlines()[-1] == LAST.format("builds/small")
    assert Path("builds/small/source.yaml").read_text() == text


def test_a_shipped_recipe_by_name(seobuild) -> None:
    ended = seobuild("page_look")
    assert ended.out.splitlines()[-1] == (
        "healthy, 21.9 k parameters, report: builds/page_look/report.html"
    )


def test_the_same_again_is_unchanged(seobuild, folder: Path) -> None:
    seobuild("small.yaml", "-o", "out")
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}
    ended = seobuild("small.yaml", "-o", "out")
    assert (ended.code, ended.out) == (0, f"unchanged, {LAST.format('out')}\n")
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "out").iterdir()}


def test_another_build_is_told_apart_and_wants_force(seobuild, folder: Path) -> None:
    seobuild("small.yaml", "-o", "out")
    before = files(folder / "out")
    changes = ("--set", "seed=9", "--set", "modules.facts.widths=[8]")
    ended = seobuild("small.yaml", "-o", "out", *changes)
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == (
        "seobuild: out holds another build:\n"
        "  seed: 0 before, 9 now\n"
        "  parameters: 131 before, 67 now\n"
        "  recipe: changed\n"
        "  recipe text: changed\n"
        "--force replaces it, -o names another folder\n"
    )
    assert files(folder / "out") == before
    ended = seobuild("small.yaml", "-o", "out", *changes, "--force")
    assert ended.out.splitlines()[-1] == "healthy, 67 parameters, report: out/report.html"
    assert sorted(os.listdir(folder)) == ["out", "small.yaml"]


def test_a_comment_is_a_change_because_the_folder_holds_the_text(seobuild, folder: Path) -> None:
    seobuild("small.yaml", "-o", "out")
    (folder / "small.yaml").write_text("# why\n" + (folder / "small.yaml").read_text())
    ended = seobuild("small.yaml", "-o", "out")
    assert "holds another build:\n  recipe text: changed\n--force" in ended.err


def test_data_are_part_of_what_a_build_is_of(seobuild, folder: Path) -> None:
    text = (folder / "small.yaml").read_text()
    columns = "{page: [a, b, c, d], intent: label}"
    (folder / "small.yaml").write_text(text + f"data: {{files: rows.csv, columns: {columns}}}\n")
    rows = "a,b,c,d,label\n" + "1,2,3,4,a\n5,6,7,9,b\n" * 4
    (folder / "rows.csv").write_text(rows)
    assert seobuild("small.yaml", "-o", "out").code == 0
    (folder / "rows.csv").write_text(rows.replace("9", "8"))
    ended = seobuild("small.yaml", "-o", "out")
    assert "holds another build:\n  rows.csv: changed\n--force" in ended.err
    (folder / "rows.csv").unlink()
    ended = seobuild("small.yaml", "-o", "other")
    assert ended.code == 1 and "rows.csv" in ended.err and not (folder / "other").exists()


def test_a_damaged_build_is_replaced_with_force(seobuild, folder: Path) -> None:
    seobuild("small.yaml", "-o", "out")
    good = files(folder / "out")
    (folder / "out/model.safetensors").write_bytes(b"")
    ended = seobuild("small.yaml", "-o", "out")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith(
        "seobuild: out: no usable build folder\n  model.safetensors: has 0 bytes, not "
    )
    assert ended.err.endswith("--force replaces a damaged build, -o names another folder\n")
    assert seobuild("small.yaml", "-o", "out", "--force").code == 0
    assert files(folder / "out") == good


@pytest.mark.parametrize("force", [(), ("--force",)])
def test_what_is_no_build_is_left_alone(seobuild, folder: Path, force: tuple[str, ...]) -> None:
    (folder / "mine").mkdir()
    (folder / "mine/thesis.txt").write_text("ten years of work")
    (folder / "file").write_text("a file")
    for target in ("mine", "file", ".", "file/below", "/proc/nowhere/out"):
        ended = seobuild("small.yaml", "-o", target, *force)
        assert (ended.code, ended.out) == (3, "")
        assert target in ended.err or str(folder) in ended.err
        assert "--force" not in ended.err
    assert sorted(os.listdir(folder)) == ["file", "mine", "small.yaml"]
    assert os.listdir(folder / "mine") == ["thesis.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder(seobuild, folder: Path) -> None:
    folder.chmod(0o555)
    try:
        ended = seobuild("small.yaml")
    finally:
        folder.chmod(0o755)
    assert (ended.code, ended.out) == (3, "")
    assert "the build cannot be written: Permission denied" in ended.err


def test_strict_is_about_the_verdict(seobuild, folder: Path) -> None:
    assert seobuild("small.yaml", "--strict").code == 0
    text = (folder / "small.yaml").read_text()
    overflow = "{role: head, method: constant, value: 60000}"
    (folder / "sick.yaml").write_text(
        text.replace("name: small", "name: sick\ndtype: float16").replace(
            "{role: head, method: xavier_uniform}", overflow
        )
    )
    relaxed = seobuild("sick.yaml")
    assert relaxed.code == 0 and relaxed.out.splitlines()[-1].startswith("unhealthy, 131 ")
    strict = seobuild("sick.yaml", "--strict")
    assert strict.code == 1 and strict.out.startswith("unchanged, unhealthy, 131 ")
    strict = seobuild("sick.yaml", "--strict", "-o", "other/sick")
    assert (
        strict.code == 1
        and "error H010 intent: the loss before training is not a finite number" in strict.out
    )
    assert verify(folder / "other/sick") == []


def test_json_is_the_report(seobuild, folder: Path) -> None:
    for _ in ("built", "unchanged"):
        ended = seobuild("small.yaml", "--output-format", "json")
        assert (ended.code, ended.err) == (0, "")
        assert ended.out == (folder / "builds/small/report.json").read_text()
        assert json.loads(ended.out)["verdict"] == "healthy"
    (folder / "bad.yaml").write_text("version: 1\n")
    ended = seobuild("bad.yaml", "--output-format", "json")
    assert ended.code == 1 and {d["file"] for d in json.loads(ended.out)} == {"bad.yaml"}


def test_the_report_is_in_whole_lines_where_nobody_looks(seobuild) -> None:
    rows = seobuild("search_intent").out.splitlines()
    table = rows[next(i for i, row in enumerate(rows) if row.startswith("rule")) :]
    assert table[0].split("  ")[0] == "rule" and "parameters" in table[0]
    assert len(table) == 8  # the head, a row for each of the six rules, and the last sentence


def test_too_large_a_model_is_refused_before_it_is_drawn(seobuild, folder: Path) -> None:
    ended = seobuild("small.yaml", "--set", "modules.facts.widths=[1000000, 900000]")
    assert (ended.code, ended.out) == (3, "")
    assert "small needs 3,353 GiB for its weights, and this machine has" in ended.err
    assert os.listdir(folder) == ["small.yaml"]


def test_a_killed_build_leaves_all_or_nothing(start, seobuild, folder: Path) -> None:
    process = start("small.yaml", "--set", "modules.facts.widths=[600, 600]", "-o", "out/small")
    end = time.monotonic() + 60
    while process.poll() is None and not list(folder.glob("out/.small.new-*")):
        assert time.monotonic() < end, "it took too long"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    target = folder / "out/small"
    assert not target.exists() or verify(target) == []
    assert seobuild("small.yaml", "-o", "out/small", "--force").code == 0
    assert os.listdir(folder / "out") == ["small"] and verify(target) == []


def test_verify(seobuild, folder: Path) -> None:
    seobuild("small.yaml", "-o", "out")
    ended = seobuild("verify", "out")
    assert (ended.code, ended.out, ended.err) == (
        0,
        "out: complete and unchanged, 7 files\n",
        "",
    )


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda out: (out / "report.md").unlink(), "report.md: is missing"),
        (lambda out: (out / "extra").write_text(""), "extra: is not in the manifest"),
        (lambda out: flip(out / "model.safetensors"), "model.safetensors: has other content"),
        (lambda out: (out / "recipe.yaml").write_text("a"), "recipe.yaml: has 1 bytes, not "),
        (lambda out: (out / "manifest.json").unlink(), "manifest.json: is missing"),
        (lambda out: (out / "manifest.json").write_text("{"), "manifest.json: is not JSON"),
        (lambda out: edit(out / "manifest.json"), "`checksum` does not agree with the rest"),
        (lambda out: relink(out / "report.json"), "report.json: is not a regular file"),
    ],
)
def test_verify_tells_damage(seobuild, folder: Path, damage, problem: str) -> None:
    seobuild("small.yaml", "-o", "out")
    damage(folder / "out")
    ended = seobuild("verify", "out")
    assert (ended.code, ended.out) == (3, "")
    first, *rest = ended.err.splitlines()
    assert first == "seobuild: out: no usable build folder"
    assert len(rest) == 1 and problem in rest[0]


@pytest.mark.parametrize(
    ("target", "problem"), [("nowhere", "does not exist"), ("small.yaml", "is not a folder")]
)
def test_verify_what_is_no_folder(seobuild, target: str, problem: str) -> None:
    ended = seobuild("verify", target)
    assert (ended.code, ended.err) == (
        3,
        f"seobuild: {target}: no usable build folder\n  {problem}\n",
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def edit(path: Path) -> None:
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))


def relink(path: Path) -> None:
    elsewhere = path.parent.parent / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def test_inspect_measures_a_weights_file(seobuild, folder: Path) -> None:
    assert seobuild("small.yaml").code == 0
    ended = seobuild("inspect", "builds/small/model.safetensors", "--strict")
    assert ended.code == 0 and ended.out.startswith("model: healthy\n")
    report = json.loads(
        seobuild("inspect", "builds/small/model.safetensors", "--output-format", "json").out
    )
    assert len(report["parameters"]) == 4 and report["findings"] == []
    ended = seobuild("inspect", "small.yaml")
    assert ended.code == 3 and ended.err.startswith("seobuild: can't read weights from small.yaml")


def test_inspect_writes_a_page(seobuild, folder: Path) -> None:
    save_file({"a.weight": torch.eye(3)}, folder / "a.safetensors")
    ended = seobuild("inspect", "a.safetensors", "--html", "a.html")
    assert ended.code == 0 and ended.out.startswith("a: healthy")
    text = (folder / "a.html").read_text(encoding="utf-8")
    assert text.lstrip().startswith("<!doctype html>") and "a.weight" in text
    ended = seobuild("inspect", "a.safetensors", "--html", "nowhere/a.html")
    assert ended.code == 3
    assert ended.err == "seobuild: can't write nowhere/a.html: No such file or directory\n"


def test_inspect_is_strict_where_weights_are_not_finite(seobuild, folder: Path) -> None:
    save_file({"a.weight": torch.full((2, 2), torch.nan)}, folder / "a.safetensors")
    assert seobuild("inspect", "a.safetensors").code == 0
    ended = seobuild("inspect", "a.safetensors", "--strict")
    assert ended.code == 1 and "H001 a.weight: 4 of 4 elements are NaN" in ended.out


@pytest.fixture
def large(folder: Path) -> str:
    """A recipe whose head starts far above the loss of guessing."""
    text = (folder / "small.yaml").read_text()
    text = text.replace("method: xavier_uniform", "method: normal, std: 5e4")
    (folder / "large.yaml").write_text(text)
    return "large.yaml"


def test_findings_are_workflow_commands(seobuild, large: str) -> None:
    ended = seobuild(large, "--output-format", "github")
    first, *rest = ended.out.splitlines()
    assert first.startswith("::warning file=large.yaml,line=8,col=3,endColumn=9,title=H010::intent")
    assert any(line.startswith("small: healthy (") for line in rest)
    again = seobuild(large, "--output-format", "github")
    assert again.out.splitlines()[0] == first and "small: healthy" not in again.out


def test_findings_are_one_line_each(seobuild, large: str) -> None:
    lines = seobuild(large, "--output-format", "concise").out.splitlines()
    assert lines[0].startswith("large.yaml:8:3 warning H010 intent: the loss before training is")
    assert lines[-1].startswith("healthy, 131 parameters, report: ")


def test_findings_are_sarif(seobuild, large: str) -> None:
    (run,) = json.loads(seobuild(large, "--output-format", "sarif").out)["runs"]
    found = {(result["ruleId"], result["level"]) for result in run["results"]}
    assert ("H010", "warning") in found
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == {code for code, _ in found}


def test_findings_of_a_weights_file_are_sarif(seobuild, folder: Path) -> None:
    save_file({"a.weight": torch.full((2, 2), torch.nan)}, folder / "a.safetensors")
    ended = seobuild("inspect", "a.safetensors", "--strict", "--output-format", "sarif")
    (result,) = json.loads(ended.out)["runs"][0]["results"]
    assert (ended.code, result["ruleId"]) == (1, "H001")
    location = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location == {"uri": "a.safetensors"}
