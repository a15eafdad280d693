"""`seobuild diff`."""

from __future__ import annotations

import json
from pathlib import Path


def test_two_builds_are_compared(seobuild, folder: Path) -> None:
    for name, seed in (("one", "0"), ("two", "1")):
        assert seobuild("small.yaml", "-o", name, "--set", f"seed={seed}").code == 0
    same = seobuild("diff", "one", "one")
    assert (same.code, same.out) == (0, "no difference between one and one\n")
    ended = seobuild("diff", "one", "two")
    assert ended.code == 0 and ended.out.splitlines()[0].split() == ["before", "after"]
    assert ended.out.splitlines()[-1].endswith("between one and two")
    assert "recipe" in ended.out and "facts.0.linear.weight" in ended.out
    listed = json.loads(seobuild("diff", "one", "two", "--output-format", "json").out)
    assert listed[0] == {"section": "recipe", "place": "seed", "before": "0", "after": "1"}


def test_what_is_no_build_is_told(seobuild, folder: Path) -> None:
    ended = seobuild("diff", ".", "nothing")
    assert ended.code == 3 and "nothing" not in ended.out
