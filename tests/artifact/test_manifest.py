"""The manifest as a document, the digest, and what differs between two builds."""

from __future__ import annotations

import json
import math

import pytest
from artifact_builds import manifest_of
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from seobuilder.artifact.manifest import Manifest, differences, digest, manifest_schema

FILES = {"a.bin": {"sha256": "0" * 64, "bytes": 3}}


@pytest.fixture
def manifest() -> Manifest:
    document = manifest_of(7)({}).model_dump() | {"files": FILES}
    del document["checksum"]
    return Manifest.model_validate_json(json.dumps(document))


def test_it_round_trips_and_agrees_with_its_schema(manifest: Manifest) -> None:
    text = manifest.to_json()
    assert text.endswith(b"}\n") and Manifest.model_validate_json(text) == manifest
    Draft202012Validator.check_schema(manifest_schema())
    Draft202012Validator(manifest_schema()).validate(json.loads(text))
    assert list(json.loads(text)) == sorted(json.loads(text))


def test_an_edited_one_is_refused(manifest: Manifest) -> None:
    with pytest.raises(ValidationError, match="checksum"):
        Manifest.model_validate_json(manifest.to_json().replace(b'"seed": 7', b'"seed": 8'))


json_values = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers())


@given(st.dictionaries(st.text(), json_values))
def test_a_digest_does_not_depend_on_order(parts: dict[str, object]) -> None:
    assert digest(parts) == digest(dict(reversed(parts.items())))
    assert digest(parts) != digest(parts | {"one more": 1} if parts != {"one more": 1} else {})


def test_a_digest_is_frozen_and_refuses_what_is_not_json() -> None:
    assert digest({"b": [1, None], "a": "é"}) == (
        "9b10bedce64e86a275540261fbe95bc6c195bfb10d5def7a5fc12eefcc7d0a87"
    )
    with pytest.raises(ValueError, match="JSON"):
        digest({"a": math.nan})


def test_differences_are_named(manifest: Manifest) -> None:
    parts = {"recipe": "1" * 64, "data/a.csv": "2" * 64}
    old = manifest.model_copy(update={"parts": parts})
    new = old.model_copy(
        update={
            "seed": 8,
            "parts": {"recipe": "3" * 64, "data/b.csv": "2" * 64},
            "versions": old.versions.model_copy(update={"torch": "2.1"}),
        }
    )
    assert differences(old, old) == []
    assert differences(old, new) == [
        "seed: 7 before, 8 now",
        "torch version: 2.0 before, 2.1 now",
        "data/a.csv: no longer used",
        "data/b.csv: new",
        "recipe: changed",
    ]
