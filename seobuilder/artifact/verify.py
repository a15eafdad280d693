"""Whether a build folder is complete and unchanged."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from seobuilder.artifact.manifest import (
    MANIFEST,
    REPORT,
    TRAINING,
    FileEntry,
    Manifest,
    manifest_schema,
)
from seobuilder.errors import BuildFolderError
from seobuilder.report.schema import report_schema
from seobuilder.report.training import training_schema

SCHEMAS = {REPORT: report_schema, TRAINING: training_schema}
"""Documents of a build folder, and what gives the schema that each is held against."""


def read_manifest(target: Path) -> Manifest:
    """The manifest of the build folder `target`; raises BuildFolderError with all its problems."""
    manifest, problems = _read_manifest(target)
    if manifest is None:
        raise _broken(target, problems)
    return manifest


def require(target: Path) -> Manifest:
    """The manifest of `target` after everything was verified.

    Raises BuildFolderError, which lists all problems, for a folder that is missing or broken.
    """
    if problems := verify(target):
        raise _broken(target, problems)
    return read_manifest(target)


def verify(target: Path) -> list[str]:
    """The problems of the build folder `target`, none if it is complete and unchanged.

    Checked are the manifest against its schema and its checksum, every file's presence, size and
    hash, the absence of other files, and each document against its schema.
    """
    manifest, problems = _read_manifest(target)
    if manifest is None:
        return problems
    problems = [
        f"{name}: {problem}"
        for name, entry in sorted(manifest.files.items())
        for problem in _file_problems(target / name, entry)
    ]
    expected = {MANIFEST, *manifest.files}
    problems += [
        f"{name}: is not in the manifest" for name in _names(target) if name not in expected
    ]
    for name, schema in SCHEMAS.items():
        if name in manifest.files and not any(p.startswith(f"{name}:") for p in problems):
            document, unreadable = _read_json(target / name)
            problems += unreadable or _schema_problems(name, document, schema())
    return problems


def _read_manifest(target: Path) -> tuple[Manifest | None, list[str]]:
    if target.is_symlink():
        return None, ["is a symbolic link"]
    if not target.is_dir():
        return None, ["is not a folder" if target.exists() else "does not exist"]
    document, problems = _read_json(target / MANIFEST)
    problems = problems or _schema_problems(MANIFEST, document, manifest_schema())
    if problems:
        return None, problems
    try:
        return Manifest.model_validate_json(json.dumps(document)), []
    except ValidationError as error:
        return None, [
            ": ".join([MANIFEST, *map(str, e["loc"]), e["msg"].removeprefix("Value error, ")])
            for e in error.errors()
        ]


def _read_json(path: Path) -> tuple[Any, list[str]]:
    if not os.path.lexists(path):
        return None, [f"{path.name}: is missing"]
    if path.is_symlink() or not path.is_file():
        return None, [f"{path.name}: is not a regular file"]
    try:
        return json.loads(path.read_bytes()), []
    except OSError as error:
        return None, [f"{path.name}: cannot be read: {error.strerror}"]
    except (ValueError, RecursionError):
        return None, [f"{path.name}: is not JSON"]


def _schema_problems(name: str, document: Any, schema: dict[str, Any]) -> list[str]:
    from jsonschema import Draft202012Validator  # slow to import, and needed for no build

    errors = sorted(Draft202012Validator(schema).iter_errors(document), key=lambda e: e.json_path)
    return [f"{name}: {error.json_path}: {error.message}" for error in errors]


def _file_problems(path: Path, entry: FileEntry) -> Iterator[str]:
    if not os.path.lexists(path):
        yield "is missing"
        return
    if path.is_symlink() or not path.is_file():
        yield "is not a regular file"
        return
    try:
        if (size := path.stat().st_size) != entry.bytes:
            yield f"has {size:,} bytes, not {entry.bytes:,}"
            return
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
                yield "has other content (SHA-256 differs)"
    except OSError as error:
        yield f"cannot be read: {error.strerror}"


def _names(target: Path) -> list[str]:
    """Everything under `target` that is no folder of its own, links included, with `/`."""
    names = []
    for folder, folders, files in os.walk(target):
        here = Path(folder)
        names += [here / name for name in files]
        names += [here / name for name in folders if (here / name).is_symlink()]
    return sorted(name.relative_to(target).as_posix() for name in names)


def _broken(target: Path, problems: list[str]) -> BuildFolderError:
    return BuildFolderError(
        "\n".join([f"{target}: no usable build folder", *(f"  {p}" for p in problems)])
    )
