"""Texts are replaced all or none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seobuilder.artifact.texts import replace_texts
from seobuilder.errors import EnvironmentProblem


def two(folder: Path) -> tuple[Path, Path]:
    first, second = folder / "a.yaml", folder / "b.yaml"
    first.write_bytes(b"a")
    second.write_bytes(b"b")
    return first, second


def test_links_and_permissions_stay(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    first.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(first)
    replace_texts({link: (b"a", b"A"), second: (b"b", b"B")})
    assert link.is_symlink() and first.read_bytes() == b"A" and second.read_bytes() == b"B"
    assert first.stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(tmp_path)) == ["a.yaml", "b.yaml", "link.yaml"]


def test_a_file_that_has_changed_stops_all(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    with pytest.raises(EnvironmentProblem, match="changed meanwhile; nothing was written"):
        replace_texts({first: (b"a", b"A"), second: (b"x", b"B")})
    assert (first.read_bytes(), second.read_bytes()) == (b"a", b"b")
    assert sorted(os.listdir(tmp_path)) == ["a.yaml", "b.yaml"]


def test_what_was_replaced_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = two(tmp_path)
    rename = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if target == second:
            raise PermissionError(13, "Permission denied", str(target))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(EnvironmentProblem, match=r"can't write .*b\.yaml: Permission denied"):
        replace_texts({first: (b"a", b"A"), second: (b"b", b"B")})
    assert (first.read_bytes(), second.read_bytes()) == (b"a", b"b")
    assert sorted(os.listdir(tmp_path)) == ["a.yaml", "b.yaml"]
