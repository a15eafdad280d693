"""`seobuild fix`."""

from __future__ import annotations

import json
from pathlib import Path

from seobuilder.fixing import Fixed
from seobuilder.recipe.load import load_recipe
from seobuilder.stages import Building

LARGE = "{role: head, method: xavier_uniform, gain: 30}  # large"
SMALL = "{role: head, method: normal, std: 0.02}  # large"


def plant(folder: Path) -> Path:
    file = folder / "small.yaml"
    file.write_text(file.read_text().replace("{role: head, method: xavier_uniform}", LARGE))
    return file


def test_changes_are_shown_and_with_write_made(seobuild, folder: Path) -> None:
    file = plant(folder)
    text = file.read_text()
    ended = seobuild("fix", "small.yaml")
    assert ended.code == 0 and file.read_text() == text
    assert ended.out.splitlines()[:2] == ["--- small.yaml", "+++ small.yaml"]
    assert [line for line in ended.out.splitlines()[3:] if line[0] in "-+"] == [
        f"-  - {LARGE}",
        f"+  - {SMALL}",
    ]
    assert "mends warning H010 intent: the loss before training" in ended.err
    assert ended.err.endswith("small.yaml: healthy after it; --write changes small.yaml\n")

    ended = seobuild("fix", "small.yaml", "--write")
    assert ended.err.endswith("small.yaml: healthy after it; wrote small.yaml\n")
    assert file.read_text() == text.replace(LARGE, SMALL)
    ended = seobuild("fix", "small.yaml", "--write")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "small.yaml: healthy, nothing to change\n"


def test_programs_get_json(seobuild, folder: Path) -> None:
    plant(folder)
    record = json.loads(seobuild("fix", "small.yaml", "--output-format", "json").out)
    assert record["healthy"] and record["left"] == [] and SMALL in record["diff"]
    assert [finding["code"] for finding in record["mended"]] == ["H010", "H028"]


def test_what_is_left_is_told_and_counts_under_strict(seobuild, folder: Path) -> None:
    ended = seobuild("fix", "small.yaml", "--strict", "--set", "initialization.2.std=0")
    assert ended.code == 1 and "initialization.2" in ended.err
    zero = ("--set", "initialization.2={match: '**.weight', method: zeros}")
    ended = seobuild("fix", "small.yaml", *zero)
    assert (ended.code, ended.out) == (0, "")
    assert "findings left for you, nothing to change" in ended.err
    assert seobuild("fix", "small.yaml", "--strict", *zero).code == 1


def test_what_is_no_file_of_the_user_is_not_written(seobuild, folder: Path) -> None:
    ended = seobuild("fix", "click_through", "--write")
    assert ended.code == 3 and "`seobuild new NAME --from click_through`" in ended.err
    ended = seobuild("fix", "-", "--write")
    assert ended.code == 2 and "standard input" in ended.err


def test_suggestions_that_make_nothing_better_are_told_as_such(
    seobuild, folder: Path, monkeypatch
) -> None:
    found = Building(load_recipe(plant(folder))).report.findings
    kept = Fixed({}, {}, (), tuple(found), 0.1)
    monkeypatch.setattr("seobuilder.fixing.fix", lambda *given: kept)
    ended = seobuild("fix", "small.yaml")
    assert ended.err.endswith(
        "small.yaml: healthy, the changes of its findings make it no better\n"
    )
