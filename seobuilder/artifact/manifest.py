"""`manifest.json`: what a build folder was made from, and every file that it holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, computed_field

from seobuilder.report.record import Document, Record
from seobuilder.report.schema import document_schema

MANIFEST, REPORT, TRAINING = "manifest.json", "report.json", "training.json"
RESOLVED, SOURCE, WEIGHTS = "recipe.yaml", "source.yaml", "model.safetensors"

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

# Relative, with forward slashes, and no segment that starts with a dot: nothing that could lead
# out of the folder.
FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"

FileName = Annotated[str, Field(pattern=FILE_NAME)]


class FileEntry(Record):
    """One file: the hash of its content, and its size in bytes."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]


class Versions(Record):
    """The versions that a build's bytes depend on."""

    seobuilder: str
    torch: str
    numpy: str
    safetensors: str
    tokenizers: str


class Manifest(Document):
    """What a build was made from, and what it holds.

    `digest` identifies the build: that of all `parts`. A part is anything that decides the
    content, by name: the recipe, a data file, the options of the build; its value is a hash.
    `streams` is the scheme of the random streams. `files` lists all files but the manifest.
    """

    format: Literal[1] = 1
    name: str
    digest: Sha256
    parts: dict[str, Sha256]
    versions: Versions
    seed: int
    streams: int
    dtype: str
    parameters: Annotated[int, Field(ge=0)]
    files: dict[FileName, FileEntry]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def checksum(self) -> str:
        """Hash of all other values, so that a manifest that was edited or damaged is noticed."""
        return digest(self.model_dump(mode="json", exclude={"checksum"}))

    def to_json(self) -> bytes:
        """The content of `manifest.json`: sorted keys, a newline at the end."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True)
        return text.encode() + b"\n"


def manifest_schema() -> dict[str, Any]:
    """The schema of `manifest.json`."""
    return document_schema(Manifest, "urn:seobuilder:schema:manifest:1", "seobuilder manifest")


def digest(parts: Mapping[str, Any]) -> str:
    """SHA-256 of `parts` as canonical JSON: sorted keys, no spaces, ASCII.

    Raises ValueError for NaN or infinity, TypeError for what JSON can't hold.
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def identity(manifest: Manifest) -> dict[str, str]:
    """What a build is, by label: its name, seed, size, and the versions that made it."""
    versions = manifest.versions.model_dump().items()
    return {
        "name": manifest.name,
        "seed": str(manifest.seed),
        "dtype": manifest.dtype,
        "random stream scheme": str(manifest.streams),
        "parameters": f"{manifest.parameters:,}",
        **{f"{package} version": number for package, number in versions},
    }


def differences(old: Manifest, new: Manifest) -> list[str]:
    """What makes `new` another build than `old`, one line for each thing that differs."""
    before, after = identity(old), identity(new)
    lines = [
        f"{label}: {value} before, {after[label]} now"
        for label, value in before.items()
        if value != after[label]
    ]
    for part in sorted(old.parts.keys() | new.parts.keys()):
        if part not in new.parts:
            lines.append(f"{part}: no longer used")
        elif part not in old.parts:
            lines.append(f"{part}: new")
        elif old.parts[part] != new.parts[part]:
            lines.append(f"{part}: changed")
    return lines
