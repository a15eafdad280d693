"""A build folder is complete or absent, whatever happens."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from artifact_builds import build, leftovers, manifest_of

from seobuilder.artifact import folder, places
from seobuilder.artifact.folder import status, write
from seobuilder.artifact.verify import read_manifest, require, verify
from seobuilder.errors import BuildFolderError

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def content(target: Path) -> dict[str, bytes]:
    return {
        path.relative_to(target).as_posix(): path.read_bytes()
        for path in sorted(target.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(params=["exchange", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "two renames":
        monkeypatch.setattr(folder, "exchange", lambda first, second: False)
    return str(request.param)


def test_a_build_is_written_whole(target: Path) -> None:
    manifest = build(target)
    assert verify(target) == []
    assert read_manifest(target) == require(target) == manifest
    assert sorted(content(target)) == ["manifest.json", "tokenizers/query.json", "weights.bin"]
    assert leftovers(target) == []
    assert target.stat().st_mode & 0o777 == target.parent.stat().st_mode & 0o777


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    build(tmp_path / "a")
    build(tmp_path / "b")
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_status(target: Path) -> None:
    digest = manifest_of(7)({}).digest
    assert status(target, digest) == "absent"
    build(target)
    assert status(target, digest) == "same"
    assert status(target, "0" * 64) == "different"
    (target / "weights.bin").write_bytes(b"other")
    assert status(target, digest) == "broken"
    (target / "manifest.json").write_text("{}")
    assert status(target, "0" * 64) == "broken"


def test_another_build_is_replaced_with_force_only(target: Path, way: str) -> None:
    build(target)
    before = content(target)
    with pytest.raises(BuildFolderError, match=r"holds another build; --force replaces it"):
        build(target, seed=8)
    assert content(target) == before
    build(target, seed=8, force=True)
    assert read_manifest(target).seed == 8 and verify(target) == [] and leftovers(target) == []


@pytest.mark.parametrize("kind", ["file", "folder", "empty folder", "link", "dangling link"])
def test_what_is_no_build_folder_is_left_alone_even_with_force(target: Path, kind: str) -> None:
    target.parent.mkdir()
    elsewhere = target.parent / "elsewhere"
    if kind == "file":
        target.write_text("mine")
    elif kind == "dangling link":
        target.symlink_to(elsewhere)
    elif kind == "link":
        build(elsewhere)
        target.symlink_to(elsewhere)
    else:
        target.mkdir()
        if kind == "folder":
            (target / "mine.txt").write_text("mine")
    with pytest.raises(
        BuildFolderError, match="symbolic link" if "link" in kind else "is no build"
    ):
        build(target, force=True)
    assert leftovers(target) == []
    assert kind != "file" or target.read_text() == "mine"
    assert kind != "folder" or (target / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError("a bug")])
@pytest.mark.parametrize("existing", [False, True])
def test_an_exception_changes_nothing(
    target: Path, error: BaseException | type[BaseException], existing: bool
) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise error

    if existing:
        build(target)
    before = content(target) if existing else {}
    with pytest.raises((KeyboardInterrupt, ValueError)):
        build(target, seed=8, force=True, files={"a": b"1", "b": fail})
    assert target.exists() == existing and leftovers(target) == []
    assert not existing or content(target) == before


@pytest.mark.parametrize("step", [1, 2, 3])
def test_an_interrupt_between_the_renames_puts_the_old_build_back(
    target: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(target)
    calls = 0
    rename = Path.rename

    def interrupted(path: Path, to: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == step:
            raise KeyboardInterrupt
        return rename(path, to)

    monkeypatch.setattr(folder, "exchange", lambda first, second: False)
    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(target, seed=8, force=True)
    assert verify(target) == []
    assert read_manifest(target).seed == (7 if step < 3 else 8)


def test_the_systems_reason_is_told(target: Path) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with pytest.raises(BuildFolderError, match="cannot be written: No space left on device"):
        build(target, files={"a": full})
    assert leftovers(target) == []
    target.parent.joinpath("file").write_text("")
    with pytest.raises(BuildFolderError, match="cannot be written: Not a directory"):
        build(target.parent / "file" / "intent")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_parent(target: Path) -> None:
    target.parent.mkdir(mode=0o500)
    with pytest.raises(BuildFolderError, match="cannot be written: Permission denied"):
        build(target)


CHILD = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from artifact_builds import build
from seobuilder.artifact import folder

def die(*ignored, **also):
    os.kill(os.getpid(), signal.SIGKILL)

point, target = sys.argv[1:]
files = None
if point == "in a file":
    files = {{"a": b"1", "b": lambda path: (path.write_bytes(b"half"), die())}}
elif point == "before the manifest":
    folder.Manifest.to_json = die
elif point == "before the move":
    folder._publish = die
elif point == "after the move":
    folder.shutil.rmtree = die
else:
    folder.exchange = lambda first, second: False
    rename, left = Path.rename, [int(point[-1])]
    def counted(path, to):
        left[0] -= 1
        if left[0] < 0:
            die()
        return rename(path, to)
    Path.rename = counted
build(Path(target), 8, True, files)
"""

POINTS = ["in a file", "before the manifest", "before the move", "after the move"]
BETWEEN = ["renames 0", "renames 1", "renames 2", "renames 3"]


def killed(point: str, target: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", CHILD.format(here=str(HERE)), point, str(target)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    after_all = point == "renames 3"  # there is no fourth rename
    assert child.returncode == (0 if after_all else -signal.SIGKILL), child.stderr


@pytest.mark.parametrize("point", POINTS + BETWEEN)
def test_a_killed_run_leaves_the_old_build_or_the_new_one(target: Path, point: str) -> None:
    build(target)
    killed(point, target)
    if point == "renames 1":
        assert not target.exists()  # the one moment without a build, which the next run mends
    state = status(target, manifest_of(7)({}).digest)
    assert state == ("same" if point in POINTS[:3] + BETWEEN[:2] else "different")
    assert verify(target) == []
    build(target, seed=9, force=True)
    assert read_manifest(target).seed == 9 and verify(target) == [] and leftovers(target) == []


@pytest.mark.parametrize("point", POINTS)
def test_a_killed_first_run_leaves_the_new_build_or_none(target: Path, point: str) -> None:
    killed(point, target)
    assert target.exists() == (point == "after the move")
    assert not target.exists() or verify(target) == []
    build(target, seed=9, force=True)
    assert read_manifest(target).seed == 9 and verify(target) == [] and leftovers(target) == []


def test_the_folder_of_a_run_that_is_alive_is_left_alone(target: Path) -> None:
    target.parent.mkdir()
    mine = places.new_sibling(target, "new")
    other_host = target.with_name(f".{target.name}.new-elsewhere-1-0123abcd")
    unrelated = target.with_name(f".{target.name}.new")
    for path in (mine, other_host, unrelated):
        path.mkdir()
    build(target)
    assert mine.exists() and other_host.exists() and unrelated.exists()
    os.utime(other_host, (0, 0))
    build(target, force=True)
    assert mine.exists() and not other_host.exists() and unrelated.exists()


def test_many_runs_into_one_target_end_with_one_complete_build(target: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(HERE)!r})\n"
        "from pathlib import Path; from artifact_builds import build; import artifact_builds\n"
        "from seobuilder.artifact import folder\n"
        "if int(sys.argv[1]) % 2: folder.exchange = lambda first, second: False\n"
        "for _ in range(25): build(Path(sys.argv[2]), int(sys.argv[1]), True)\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(seed), str(target)], cwd=ROOT)
        for seed in (1, 2, 3)
    ]
    assert [child.wait() for child in children] == [0, 0, 0]
    build(target, seed=read_manifest(target).seed, force=True)
    assert verify(target) == [] and leftovers(target) == []


def test_a_build_that_vanishes_before_the_move_is_no_error(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(first: Path, second: Path) -> bool:
        shutil.rmtree(second)
        return places.exchange(first, second)

    build(target)
    monkeypatch.setattr(folder, "exchange", late)
    build(target, seed=8, force=True)
    assert read_manifest(target).seed == 8 and verify(target) == [] and leftovers(target) == []


def test_a_build_that_appears_before_the_move_is_replaced_with_force(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def late(path: Path, to: Path) -> Path:
        monkeypatch.setattr(Path, "rename", rename)
        build(target, seed=9)
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", late)
    build(target, seed=8, force=True)
    assert read_manifest(target).seed == 8 and verify(target) == [] and leftovers(target) == []


def test_another_run_that_made_the_same_build_first_is_no_error(target: Path) -> None:
    def other_run(path: Path) -> None:
        path.write_bytes(b"a")
        write(target, {"a": b"a"}, manifest_of(7))

    build(target, files={"a": other_run})
    assert verify(target) == [] and leftovers(target) == []
