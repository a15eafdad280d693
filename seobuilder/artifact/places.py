"""Folders beside a build folder that belong to one run, and moves that happen in one step.

A run works in a hidden sibling of its target, named `.NAME.new-HOST-PID-TOKEN`. If the run is
killed, the next one finds the sibling, sees that its process is gone, and removes it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

ABANDONED = 24 * 3600
"""Seconds after which a sibling of another host, whose processes can't be seen, is given up."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)


def new_sibling(target: Path, use: Literal["new", "old"]) -> Path:
    """A path beside `target` that no other run uses. `old` is a build on its way out."""
    return target.with_name(f".{target.name}.{use}-{_host()}-{os.getpid()}-{secrets.token_hex(4)}")


def siblings(target: Path, use: Literal["new", "old"]) -> Iterator[Path]:
    """What runs have left, or are working in, beside `target`."""
    pattern = re.compile(re.escape(f".{target.name}.{use}-") + r"\w+-\d+-[0-9a-f]{8}")
    if target.parent.is_dir():
        for name in sorted(os.listdir(target.parent)):
            if pattern.fullmatch(name):
                yield target.with_name(name)


def is_abandoned(sibling: Path) -> bool:
    """Whether the run that `sibling` belongs to has ended."""
    host, pid, _ = sibling.name.rsplit("-", 3)[1:]
    if host != _host() or os.name == "nt":  # os.kill(pid, 0) would end a process on Windows
        try:
            return time.time() - sibling.stat().st_mtime > ABANDONED
        except FileNotFoundError:
            return False
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:
        pass
    return False


def discard(folder: Path, target: Path) -> None:
    """Remove a sibling of `target`, if it is still there.

    It is renamed first: should its run be alive after all, that run then fails to find it, and
    cannot publish a folder of which half is gone.
    """
    doomed = new_sibling(target, "new")
    try:
        folder.rename(doomed)
    except FileNotFoundError:
        return
    # What can't be removed stays hidden beside the target, and the next run tries again.
    shutil.rmtree(doomed, ignore_errors=True)


def exchange(first: Path, second: Path) -> bool:
    """Swap two names in one step, or return False where the system can't.

    Linux has renameat2(2), on most file systems.
    """
    rename = (
        None if os.name == "nt" else getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    )
    if rename is None:
        return False
    paths = os.fsencode(first), os.fsencode(second)
    if rename(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNSUPPORTED:
        return False
    raise OSError(code, os.strerror(code), os.fspath(second))


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _host() -> str:
    return re.sub(r"\W", "_", platform.node(), flags=re.ASCII) or "host"
