"""Writing a build folder: complete or absent, whatever happens on the way.

All files are written to a hidden sibling of the target and forced to the disk, the manifest last.
The sibling then takes the target's name in one step. Whoever looks at the target sees the old
build or the new one, never a mixture, even if the run is killed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from seobuilder.artifact.manifest import MANIFEST, FileEntry, Manifest
from seobuilder.artifact.places import (
    discard,
    exchange,
    is_abandoned,
    new_sibling,
    siblings,
    sync,
)
from seobuilder.artifact.verify import read_manifest, verify
from seobuilder.errors import BuildFolderError

Content: TypeAlias = bytes | Callable[[Path], None]
"""A file's content, or a function that writes it to a path."""

Status: TypeAlias = Literal["absent", "same", "different", "broken"]

ATTEMPTS = 20
"""How often a folder is moved into place while other runs do the same."""


def write(
    target: Path,
    files: Mapping[str, Content],
    manifest_of: Callable[[dict[str, FileEntry]], Manifest],
    *,
    force: bool = False,
) -> Manifest:
    """Write `files` and their manifest as the build folder `target`; missing parents are made.

    Names are relative with forward slashes. `manifest_of` gets the hash and size of every file.
    A build that is there is replaced with `force` only. On any exception nothing has changed.
    Raises BuildFolderError where a build is in the way, where something that is no build folder is
    in the way even with `force`, and with the system's reason where the disk refuses.
    """
    assert MANIFEST not in files, "the manifest is written last, from `manifest_of`"
    with _system_reasons(target):
        target = Path(os.path.abspath(target))
        if target.parent.is_file():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        target.parent.mkdir(parents=True, exist_ok=True)
        recover(target)
        refuse(target, force)
        staging = new_sibling(target, "new")
        try:
            staging.mkdir()
            manifest = _fill(staging, files, manifest_of)
            _publish(staging, target, manifest, force)
        finally:
            # Half a build, the build that was replaced, or nothing. If removing fails, the next
            # run tries again.
            shutil.rmtree(staging, ignore_errors=True)
    return manifest


def status(target: Path, digest: str) -> Status:
    """Whether `target` holds the build of this `digest`, complete and unchanged."""
    with _system_reasons(target):
        target = Path(os.path.abspath(target))
        recover(target)
    if not os.path.lexists(target):
        return "absent"
    try:
        manifest = read_manifest(target)
    except BuildFolderError:
        return "broken"
    if manifest.digest != digest:
        return "different"
    return "broken" if verify(target) else "same"


def recover(target: Path) -> None:
    """Clean up after runs that were killed: put an old build back, remove half-written ones.

    Raises OSError where the disk refuses.
    """
    for old in siblings(target, "old"):
        if not os.path.lexists(target):
            with _lost_race():
                old.rename(target)
        elif is_abandoned(old):
            discard(old, target)
    for new in siblings(target, "new"):
        if is_abandoned(new):
            discard(new, target)


def _fill(
    staging: Path,
    files: Mapping[str, Content],
    manifest_of: Callable[[dict[str, FileEntry]], Manifest],
) -> Manifest:
    entries = {name: _write_file(staging / name, content) for name, content in files.items()}
    manifest = manifest_of(entries)
    assert manifest.files == entries, "a manifest lists exactly the files of its folder"
    _write_file(staging / MANIFEST, manifest.to_json())
    for folder in {(staging / name).parent for name in files} | {staging}:
        sync(folder)
    return manifest


def _write_file(path: Path, content: Content) -> FileEntry:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)
    sync(path)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(sha256=sha256, bytes=path.stat().st_size)


def _publish(staging: Path, target: Path, manifest: Manifest, force: bool) -> None:
    """Give `staging` the name `target`, and the old build, if any, the name `staging`."""
    for _ in range(ATTEMPTS):
        if not force and status(target, manifest.digest) == "same":
            return  # another run has just made the same build
        refuse(target, force)
        # Another run may come between the look and the move: then look again.
        with _lost_race(unless=staging):
            if not os.path.lexists(target):
                staging.rename(target)
            elif not exchange(staging, target):
                _swap(staging, target)
            sync(target.parent)
            return
    raise BuildFolderError(f"{target}: other runs keep writing this build folder")


def _swap(staging: Path, target: Path) -> None:
    """Exchange by renaming, where the system has no exchange; a killed run is recovered from."""
    old = new_sibling(target, "old")
    try:
        target.rename(old)
        staging.rename(target)
        old.rename(staging)
    except BaseException:
        if old.exists() and not os.path.lexists(target):
            old.rename(target)
        raise


def refuse(target: Path, force: bool) -> None:
    """Raise BuildFolderError if `target` must not be replaced."""
    kind = _kind(target)
    if kind == "absent":
        return
    if kind == "link":
        raise BuildFolderError(f"{target}: is a symbolic link; name the folder it leads to")
    if kind == "other":
        raise BuildFolderError(
            f"{target}: exists and is no build folder (it has no {MANIFEST}); it is left alone"
        )
    if not force:
        raise BuildFolderError(f"{target}: holds another build; --force replaces it")


def _kind(target: Path) -> Literal["absent", "link", "build", "other"]:
    """What is at `target`. Another run may swap it while we look: then look again."""
    for _ in range(ATTEMPTS):
        before = _identity(target)
        if before is None:
            return "absent"
        if target.is_symlink():
            return "link"
        is_build = (target / MANIFEST).is_file()
        if _identity(target) == before:
            return "build" if is_build else "other"
    raise BuildFolderError(f"{target}: other runs keep writing this build folder")


def _identity(path: Path) -> tuple[int, int, int] | None:
    """Tells two folders of one name apart, None where there is none."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_ctime_ns, found.st_mtime_ns


@contextmanager
def _lost_race(unless: Path | None = None) -> Iterator[None]:
    """Pass over errors that mean that another run has moved a folder meanwhile.

    A folder that is missing because `unless` itself was removed is an error all the same.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST):
            raise
        if unless is not None and not unless.exists():
            raise


@contextmanager
def _system_reasons(target: Path) -> Iterator[None]:
    """Tell the user why the system refused, without a traceback."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise BuildFolderError(f"{target}: the build cannot be written: {reason}") from error
