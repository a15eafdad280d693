"""What holds between families of processors; docs/initialization.md states the tolerances.

A fresh process stands for another family: PyTorch without vector instructions, and MKL's matrix
products as they are computed on any processor.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seobuilder.init.draw import draw
from seobuilder.init.streams import Stream
from seobuilder.planning.distributions import (
    DeltaOrthogonal,
    Distribution,
    Normal,
    Orthogonal,
    Sparse,
    TruncatedNormal,
    Uniform,
)

FLAT, MATRIX = (1 << 17,), (300, 200)
SAME_BITS = {"uniform": (Uniform(-0.1, 0.3), FLAT)}
WITHIN_4 = {  # of the element itself
    "normal": (Normal(0.0, 0.02), FLAT),
    "truncated": (TruncatedNormal(0.0, 0.02), FLAT),
    "sparse": (Sparse(0.1, 1.0), MATRIX),
}
WITHIN_64: dict[str, tuple[Distribution, tuple[int, ...]]] = {  # of 1, which is std or gain
    "normal with a mean": (Normal(3.0, 1.0), FLAT),
    "truncated unevenly": (TruncatedNormal(0.0, 1.0, -1, 3), FLAT),
    "truncated to a tail": (TruncatedNormal(0.0, 1.0, 3, 6), FLAT),
    "orthogonal": (Orthogonal(), MATRIX),
    "delta_orthogonal": (DeltaOrthogonal(), (64, 48, 3)),
}
DTYPES = (torch.float32, torch.float64)


def drawn() -> dict[str, Tensor]:
    """Words, uniforms, and each distribution in each dtype."""
    stream = Stream(7, "a.weight")
    tensors = {"words": torch.from_numpy(stream.words(0, 1000).astype("int64"))}
    for dtype in DTYPES:
        tensors[f"uniforms {dtype}"] = stream.uniforms(0).read_(torch.empty(FLAT, dtype=dtype))
        for name, (distribution, shape) in {**SAME_BITS, **WITHIN_4, **WITHIN_64}.items():
            key = f"{name} {dtype}"
            tensors[key] = draw(distribution, shape, name="a.weight", seed=7, dtype=dtype)
    return tensors


@pytest.fixture(scope="module")
def here() -> dict[str, Tensor]:
    return drawn()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    path = tmp_path_factory.mktemp("elsewhere") / "drawn.pt"
    plain = {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}
    subprocess.run([sys.executable, __file__, path], env={**os.environ, **plain}, check=True)
    tensors: dict[str, Tensor] = torch.load(path)
    return tensors


def test_words_and_uniforms_are_the_same_bits(
    here: dict[str, Tensor], elsewhere: dict[str, Tensor]
) -> None:
    assert here.keys() == elsewhere.keys()
    for key in here:
        if key.startswith(("words", "uniforms", *SAME_BITS)):
            assert torch.equal(here[key], elsewhere[key]), key


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_all_others_agree_within_the_stated_tolerance(
    here: dict[str, Tensor], elsewhere: dict[str, Tensor], dtype: torch.dtype
) -> None:
    resolution = torch.finfo(dtype).eps
    for name in WITHIN_4:
        pair = here[f"{name} {dtype}"], elsewhere[f"{name} {dtype}"]
        torch.testing.assert_close(*pair, rtol=4 * resolution, atol=0)
    for name in WITHIN_64:
        pair = here[f"{name} {dtype}"], elsewhere[f"{name} {dtype}"]
        torch.testing.assert_close(*pair, rtol=0, atol=64 * resolution)


if __name__ == "__main__":
    assert torch.backends.cpu.get_cpu_capability() == "DEFAULT"
    torch.save(drawn(), Path(sys.argv[1]))
