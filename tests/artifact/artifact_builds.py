"""A small build: two files and their manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from seobuilder.artifact.folder import Content, write
from seobuilder.artifact.manifest import FileEntry, Manifest, Versions, digest


def manifest_of(seed: int) -> Callable[[dict[str, FileEntry]], Manifest]:
    parts = {"recipe": hashlib.sha256(str(seed).encode()).hexdigest()}
    return lambda files: Manifest(
        name="intent",
        digest=digest(parts),
        parts=parts,
        versions=Versions(
            seobuilder="0.1.0", torch="2.0", numpy="2.0", safetensors="0.8", tokenizers="0.2"
        ),
        seed=seed,
        streams=1,
        dtype="float32",
        parameters=10,
        files=files,
    )


def build(
    target: Path, seed: int = 7, force: bool = False, files: Mapping[str, Content] | None = None
) -> Manifest:
    if files is None:
        files = {
            "weights.bin": lambda path: path.write_bytes(bytes([seed]) * 5000) and None,
            "tokenizers/query.json": b"{}\n",
        }
    return write(target, files, manifest_of(seed), force=force)


def leftovers(target: Path) -> list[str]:
    return [path.name for path in target.parent.iterdir() if path.name.startswith(".")]
