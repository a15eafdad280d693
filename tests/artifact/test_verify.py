"""Every kind of damage is found and named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from artifact_builds import build

from seobuilder.artifact.verify import read_manifest, require, verify
from seobuilder.errors import BuildFolderError


def flip(path: Path, at: int = 10) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def edit(target: Path, **changes: object) -> None:
    path = target / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped": (
        lambda t: flip(t / "weights.bin"),
        "weights.bin: has other content (SHA-256 differs)",
    ),
    "truncated": (
        lambda t: os.truncate(t / "weights.bin", 4999),
        "weights.bin: has 4,999 bytes, not 5,000",
    ),
    "missing": (
        lambda t: (t / "tokenizers/query.json").unlink(),
        "tokenizers/query.json: is missing",
    ),
    "extra": (lambda t: (t / "tokenizers/a").touch(), "tokenizers/a: is not in the manifest"),
    "link": (lambda t: (t / "a").symlink_to("/"), "a: is not in the manifest"),
    "folder": (
        lambda t: ((t / "weights.bin").unlink(), (t / "weights.bin").mkdir()),
        "weights.bin: is not a regular file",
    ),
    "no manifest": (lambda t: (t / "manifest.json").unlink(), "manifest.json: is missing"),
    "no json": (lambda t: (t / "manifest.json").write_text("{"), "manifest.json: is not JSON"),
    "binary": (lambda t: (t / "manifest.json").write_bytes(b"\xff"), "manifest.json: is not JSON"),
    "deep": (
        lambda t: (t / "manifest.json").write_text("[" * 100_000),
        "manifest.json: is not JSON",
    ),
    "edited seed": (
        lambda t: edit(t, seed=8),
        "manifest.json: `checksum` does not agree with the rest of the document",
    ),
    "edited checksum": (
        lambda t: edit(t, checksum="0" * 64),
        "manifest.json: `checksum` does not agree with the rest of the document",
    ),
    "unknown key": (
        lambda t: edit(t, more=1),
        "manifest.json: $: Additional properties are not allowed ('more' was unexpected)",
    ),
    "other type": (
        lambda t: edit(t, seed="7"),
        "manifest.json: $.seed: '7' is not of type 'integer'",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found(target: Path, damage: str) -> None:
    build(target)
    act, problem = DAMAGE[damage]
    act(target)
    assert verify(target) == [problem]
    with pytest.raises(BuildFolderError) as caught:
        require(target)
    assert str(caught.value) == f"{target}: no usable build folder\n  {problem}"


def test_any_flipped_bit_of_the_manifest_is_found(target: Path) -> None:
    build(target)
    path = target / "manifest.json"
    sound = path.read_bytes()
    missed = []
    for at in range(0, len(sound), 3):
        flip(path, at)
        if not verify(target) and json.loads(path.read_bytes()) != json.loads(sound):
            missed.append(at)
        path.write_bytes(sound)
    assert missed == []


def test_all_problems_are_listed(target: Path) -> None:
    build(target)
    flip(target / "weights.bin")
    (target / "tokenizers/query.json").unlink()
    (target / "more").touch()
    assert [problem.split(":")[0] for problem in verify(target)] == [
        "tokenizers/query.json",
        "weights.bin",
        "more",
    ]


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", ".hidden", "a/../b", ""])
def test_a_manifest_cannot_name_files_outside(target: Path, name: str) -> None:
    manifest = build(target)
    entry = next(iter(manifest.files.values())).model_dump()
    edit(target, files={name: entry})
    (problem,) = verify(target)
    assert problem.startswith(f"manifest.json: files: {name}: [key]: String should match pattern")


def test_a_report_that_is_none_is_found(target: Path) -> None:
    build(target, files={"report.json": b'{"format": 1}'})
    assert "report.json: $: 'name' is a required property" in verify(target)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.touch(), "is not a folder"),
        (lambda path: path.symlink_to("."), "is a symbolic link"),
    ],
)
def test_no_folder(tmp_path: Path, make: Callable[[Path], object], problem: str) -> None:
    make(tmp_path / "a")
    assert verify(tmp_path / "a") == [problem]
    with pytest.raises(BuildFolderError, match=problem):
        read_manifest(tmp_path / "a")
