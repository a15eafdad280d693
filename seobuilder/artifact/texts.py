"""Texts that are written to the disk whole, and all of them or none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from seobuilder.artifact.places import new_sibling, sync
from seobuilder.errors import EnvironmentProblem


def replace_texts(texts: Mapping[Path, tuple[bytes, bytes]]) -> None:
    """Give files other texts: for each path the one that it has, and the one that it gets.

    A link stays one, and the file that it leads to keeps its permissions. Each file is written
    beside its place first, and then renamed; should a rename fail, the earlier ones are undone.

    Raises:
        EnvironmentProblem: a file has changed meanwhile, or the disk refuses; nothing has changed
            then.
    """
    real = {Path(os.path.realpath(path)): each for path, each in texts.items()}
    staged: dict[Path, Path] = {}
    replaced: list[Path] = []
    try:
        for path, (before, after) in real.items():
            if path.read_bytes() != before:
                raise EnvironmentProblem(f"{path} has changed meanwhile; nothing was written")
            staged[path] = _staged(path, after)
        for path, new in staged.items():
            new.replace(path)
            replaced.append(path)
    except OSError as error:
        for path in replaced:
            _staged(path, real[path][0]).replace(path)
        reason = error.strerror or str(error)
        raise EnvironmentProblem(f"can't write {error.filename}: {reason}") from error
    finally:
        for new in staged.values():
            new.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a file, or replace it, such that nobody finds a part of it.

    Raises:
        EnvironmentProblem: the disk refuses; what stood there still stands.
    """
    new = new_sibling(path, "new")
    try:
        new.write_text(text, encoding="utf-8")
        sync(new)
        new.replace(path)
    except OSError as error:
        raise EnvironmentProblem(f"can't write {path}: {error.strerror or error}") from error
    finally:
        new.unlink(missing_ok=True)


def _staged(path: Path, text: bytes) -> Path:
    """The text in a file beside `path`, with the permissions of that."""
    new = new_sibling(path, "new")
    new.write_bytes(text)
    shutil.copymode(path, new)
    sync(new)
    return new
