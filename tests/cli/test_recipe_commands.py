"""`check`, `resolve`, `schema` and `new`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from seobuilder.recipe.shipped import recipe_names


def test_check(seobuild) -> None:
    ended = seobuild("check", "small.yaml")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "small.yaml: no problems; 4 parameters, each decided by one rule\n"


def test_check_reads_standard_input(fresh, folder: Path) -> None:
    ended = fresh("check", "-", stdin=(folder / "small.yaml").read_text())
    assert ended.out == "<stdin>: no problems; 4 parameters, each decided by one rule\n"
    ended = fresh("check", "-", stdin="")
    assert ended.code == 1 and ended.err.startswith("<stdin>:1:1 R008 the file is empty\n")


@pytest.mark.parametrize(("output_format", "out"), [("json", "[]\n"), ("github", "")])
def test_no_problems_for_programs(seobuild, output_format: str, out: str) -> None:
    ended = seobuild("check", "small.yaml", "--output-format", output_format)
    assert (ended.code, ended.out, ended.err) == (0, out, "")


@pytest.fixture
def bad(folder: Path) -> Path:
    path = folder / "bad.yaml"
    path.write_text((folder / "small.yaml").read_text().replace("activation", "activaton"))
    return path


def test_problems_for_people(seobuild, bad: Path) -> None:
    ended = seobuild("check", "bad.yaml")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.startswith(
        "bad.yaml:6:48 R104 modules.facts.activaton: unknown key; did you mean `activation`?\n"
        "    6 |   facts: {kind: mlp, from: page, widths: [16], activaton: relu}\n"
        "      |                                                ^^^^^^^^^\n"
    )
    concise = seobuild("check", "bad.yaml", "--output-format", "concise")
    assert concise.err.splitlines()[0] == ended.err.splitlines()[0] and "|" not in concise.err


def test_problems_for_programs(seobuild, bad: Path) -> None:
    ended = seobuild("check", "bad.yaml", "--output-format", "json")
    assert (ended.code, ended.err) == (1, "")
    (problem, *_) = json.loads(ended.out)
    assert (problem["code"], problem["file"], problem["line"], problem["column"]) == (
        "R104",
        "bad.yaml",
        6,
        48,
    )
    ended = seobuild("check", "bad.yaml", "--output-format", "github")
    assert (ended.code, ended.err) == (1, "")
    assert ended.out.startswith("::error file=bad.yaml,line=6,col=48,endColumn=57,title=R104::")
    ended = seobuild("check", "bad.yaml", "--output-format", "sarif")
    assert (ended.code, ended.err) == (1, "")
    (result,) = json.loads(ended.out)["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("R104", "error")


@pytest.mark.parametrize("command", ["check", "plan"])
def test_warnings_as_sarif(seobuild, folder: Path, command: str) -> None:
    for activation, codes in (("relu", []), ("tanh", ["P501"])):
        recipe = (folder / "small.yaml").read_text()
        (folder / "some.yaml").write_text(
            recipe.replace("activation: relu", f"activation: {activation}")
        )
        ended = seobuild(command, "some.yaml", "--output-format", "sarif")
        (run,) = json.loads(ended.out)["runs"]
        assert (ended.code, ended.err) == (0, "")
        assert [result["ruleId"] for result in run["results"]] == codes


def test_set_changes_the_recipe_and_is_where_its_mistakes_are(seobuild) -> None:
    assert "19 parameters" not in seobuild("check", "small.yaml").out
    changed = seobuild("check", "small.yaml", "--set", "modules.facts.widths=[16, 16]")
    assert "6 parameters" in changed.out
    ended = seobuild("check", "small.yaml", "--set", "modules.facts.width=9")
    assert ended.code == 1
    assert ended.err.startswith("--set modules.facts.width=9:1:1 R104 modules.facts.width: unknown")


def test_resolve_prints_a_recipe_that_says_the_same(seobuild, folder: Path) -> None:
    (folder / "mine.yaml").write_text(
        "extends: small.yaml\nname: mine\ninitialization: [{preset: xavier}]\n"
    )
    resolved = seobuild("resolve", "mine.yaml", "--set", "seed=5")
    assert (resolved.code, resolved.err) == (0, "")
    assert "preset" not in resolved.out and "extends" not in resolved.out
    (folder / "resolved.yaml").write_text(resolved.out)
    assert seobuild("resolve", "resolved.yaml").out == resolved.out
    record = json.loads(seobuild("resolve", "resolved.yaml", "--output-format", "json").out)
    assert (record["name"], record["seed"]) == ("mine", 5)
    assert record["initialization"][0] == {
        key: value for key, value in record["initialization"][0].items() if key != "preset"
    }


@pytest.mark.parametrize("document", ["recipe", "report", "manifest"])
def test_schema(seobuild, document: str) -> None:
    ended = seobuild("schema", document)
    schema = json.loads(ended.out)
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == f"seobuilder {document}"
    if document == "recipe":
        assert seobuild("schema").out == ended.out


@pytest.mark.parametrize("origin", recipe_names())
def test_new_writes_a_recipe_that_is_valid(seobuild, folder: Path, origin: str) -> None:
    ended = seobuild("new", "mine", "--from", origin)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("Next: seobuild check mine.yaml, then seobuild mine.yaml\n")
    assert (
        (folder / "mine.yaml")
        .read_text()
        .startswith("# yaml-language-server: $schema=recipe.schema.json\n")
    )
    assert json.loads((folder / "recipe.schema.json").read_text()) == json.loads(
        seobuild("schema").out
    )
    assert seobuild("check", "mine.yaml").code == 0
    assert json.loads(seobuild("resolve", "mine.yaml", "--output-format", "json").out)["name"] == (
        "mine"
    )


def test_new_is_built_at_once(seobuild, folder: Path) -> None:
    seobuild("new", "mine", "--from", "click_through")
    ended = seobuild("mine.yaml")
    assert ended.code == 0
    assert ended.out.splitlines()[-1] == (
        "healthy, 35.4 k parameters, report: builds/mine/report.html"
    )


def test_new_overwrites_nothing(seobuild, folder: Path) -> None:
    assert seobuild("new", "mine").code == 0
    assert seobuild("new", "mine").code == 0  # what is there is what would be written
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    ended = seobuild("new", "mine", "--from", "relevance")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err == "seobuild: mine.yaml is there already; nothing was written\n"
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["null", "true", "A", "a-b", "../a", "", "a" * 65])
def test_new_refuses_what_is_no_name(seobuild, folder: Path, name: str) -> None:
    ended = seobuild("new", "--", name)
    assert (ended.code, ended.out) == (2, "")
    assert "can't be a recipe's name: use lower-case letters, digits and _" in ended.err
    assert [path.name for path in folder.iterdir()] == ["small.yaml"]


def test_new_from_what_is_not_shipped(seobuild) -> None:
    ended = seobuild("new", "mine", "--from", "nothing")
    assert ended.code == 2
    assert f"nothing is not shipped; there are {', '.join(recipe_names())}" in ended.err


def test_new_where_it_cannot_write(seobuild, folder: Path) -> None:
    (folder / "data").write_text("a file where a folder is needed")
    ended = seobuild("new", "mine")
    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("seobuild: can't write data")


@pytest.fixture
def with_rows(folder: Path) -> Path:
    data = "data: {files: rows.csv, split: {test: 0.2}, columns: {page: n_<1-4>, intent: intent}}\n"
    (folder / "rows.yaml").write_text((folder / "small.yaml").read_text() + data)
    header = "n_1,n_2,n_3,n_4,intent\n"
    (folder / "rows.csv").write_text(header + "1,2,3,4,a\n5,6,7,8,b\n" * 5)
    return folder / "rows.csv"


def test_check_looks_at_data_when_asked(seobuild, with_rows: Path) -> None:
    checked = "rows.yaml: no problems; 4 parameters, each decided by one rule\n"
    ended = seobuild("check", "rows.yaml", "--data")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(
        "rows.yaml:8:55 warning D212 outputs.intent.labels: no training row has the label `c`\n"
    )
    assert ended.out.endswith("\ndata: 8 rows to train on, 2 held out\n")
    with_rows.write_text("n_1,n_2,n_3,n_4,intent\n1,2,three,4,a\n5,6,7,8,b\n")
    ended = seobuild("check", "rows.yaml", "--data")
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.splitlines()[1:3] == ["    2 | 1,2,three,4,a", "      |     ^^^^^"]
    assert seobuild("check", "rows.yaml").out == checked
    ended = seobuild("check", "small.yaml", "--data")
    assert (ended.code, ended.err.splitlines()[0]) == (1, "D100 data: the recipe names no data")


def test_checking_data_needs_no_torch(folder: Path, with_rows: Path) -> None:
    code = (
        "import sys\nfrom seobuilder.cli.main import main\n"
        "try:\n    main(['check', 'rows.yaml', *sys.argv[1:]])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'datasets', 'pyarrow', 'numpy'} & set(sys.modules)))"
    )
    for arguments, loaded in (((), "[]"), (("--data",), "['numpy', 'pyarrow']")):
        command = [sys.executable, "-c", code, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=True)
        assert ended.stdout.splitlines()[-1] == loaded
