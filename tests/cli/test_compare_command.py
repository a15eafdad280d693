"""`seobuild compare`."""

from __future__ import annotations

import json
from pathlib import Path


def test_initializations_are_shown_side_by_side(seobuild, folder: Path) -> None:
    arguments = (
        "compare",
        "small.yaml",
        "--init",
        "orthogonal",
        "--init",
        "method: normal, std: 9",
    )
    ended = seobuild(*arguments)
    header, *rows = ended.out.splitlines()
    assert ended.code == 0 and header.split() == [
        *("initialization", "verdict", "loss", "signal", "gradient")
    ]
    labels = ("as written", "orthogonal", "method: normal, std: 9")
    assert all(row.startswith(label) for row, label in zip(rows, labels, strict=False))
    ended = seobuild(*arguments, "--steps", "3")
    assert "after 3 steps" in ended.out and "held out" in ended.out
    ended = seobuild(*arguments, "--steps", "3", "--output-format", "json")
    candidates = json.loads(ended.out)["candidates"]
    assert [len(candidate["losses"]) for candidate in candidates] == [3, 3, 3]


def test_what_is_no_initialization_is_told(seobuild, folder: Path) -> None:
    ended = seobuild("compare", "small.yaml", "--init", "orthognal")
    assert ended.code == 1 and "did you mean `orthogonal`?" in ended.err
    ended = seobuild("compare", "small.yaml")
    assert ended.code == 2 and "--init" in ended.err
