"""Headers of safetensors files, good and hostile."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from seobuilder.planning.tensor_file import TensorEntry, read_header


def written(folder: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path = folder / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(begin: int, end: int, shape: Any = None, dtype: Any = "F32") -> dict[str, Any]:
    shape = [(end - begin) // 4] if shape is None else shape
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def refusal(path: Path) -> str:
    with pytest.raises(ValueError) as caught:
        read_header(path)
    return str(caught.value)


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    tensors = {
        "b.weight": torch.zeros(2, 3),
        "a.bias": torch.zeros(3, dtype=torch.bfloat16),
        "ids": torch.zeros(1, 4, dtype=torch.int64),
        "mask": torch.zeros(5, dtype=torch.bool),
        "scalar": torch.zeros((), dtype=torch.float16),
        "empty": torch.zeros(0, 7, dtype=torch.float64),
        "narrow": torch.zeros(3, dtype=torch.float8_e4m3fn),
    }
    save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt"})
    assert read_header(tmp_path / "x.safetensors") == {
        "b.weight": TensorEntry("F32", (2, 3)),
        "a.bias": TensorEntry("BF16", (3,)),
        "ids": TensorEntry("I64", (1, 4)),
        "mask": TensorEntry("BOOL", (5,)),
        "scalar": TensorEntry("F16", ()),
        "empty": TensorEntry("F64", (0, 7)),
        "narrow": TensorEntry("F8_E4M3", (3,)),
    }


@pytest.mark.parametrize(
    ("header", "data", "reason"),
    [
        ({"a": entry(0, 8)}, b"1234567", "its tensors need 8 bytes, and 7 are there"),
        ({"a": entry(0, 8)}, b"123456789", "its tensors need 8 bytes, and 9 are there"),
        ({}, b"1", "its tensors need 0 bytes, and 1 are there"),
        (
            {"a": entry(0, 8), "b": entry(4, 12)},
            b"1" * 12,
            "its tensor `b` overlaps another tensor",
        ),
        ({"a": entry(0, 8), "b": entry(0, 8)}, b"1" * 8, "its tensor `b` overlaps another tensor"),
        ({"a": entry(4, 8)}, b"1" * 8, "its tensor `a` comes after a gap"),
        ({"a": entry(0, 8, [3])}, b"1" * 8, "its tensor `a` has 8 bytes, and its shape needs 12"),
        ({"a": entry(0, 8, [-2])}, b"1" * 8, "its tensor `a` has no usable shape"),
        ({"a": entry(0, 8, [2.0])}, b"1" * 8, "its tensor `a` has no usable shape"),
        ({"a": entry(0, 4, [True])}, b"1" * 4, "its tensor `a` has no usable shape"),
        ({"a": entry(0, 4, [1] * 65)}, b"1" * 4, "its tensor `a` has no usable shape"),
        ({"a": entry(0, 0, [2**63])}, b"", "its tensor `a` has no usable shape"),
        ({"a": entry(8, 0, [0])}, b"", "its tensor `a` has no usable place"),
        (
            {"a": entry(0, 2**62, [2**60])},
            b"1" * 8,
            f"its tensors need {2**62:,} bytes, and 8 are there",
        ),
        ({"a": entry(0, 8, [2**62] * 3)}, b"1" * 8, "its tensor `a` has 8 bytes, and its shape"),
        ({"a": {**entry(0, 8), "data_offsets": [0]}}, b"1" * 8, "its tensor `a` has no usable"),
        ({"a": entry(0, 8, dtype="F31")}, b"1" * 8, "its tensor `a` has an unknown dtype"),
        ({"a": entry(0, 8, dtype=["F32"])}, b"1" * 8, "its tensor `a` has an unknown dtype"),
        ({"a": [0, 8]}, b"", "its header says nothing usable of its tensor `a`"),
        ([], b"", "its header is not a JSON object"),
        (b"{", b"", "its header is not JSON"),
        (b"\xff\xfe", b"", "its header is not UTF-8"),
        (b"[" * 100_000, b"", "its header is not JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", b"", "its header is not JSON"),
        (b'{"a": {}, "a": {}}', b"", "its header names a key twice"),
        (b"", b"", "its header is not JSON"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    tmp_path: Path, header: Any, data: bytes, reason: str
) -> None:
    assert refusal(written(tmp_path, header, data)).startswith(reason)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is too short for a safetensors file"),
        (b"1234567", "it is too short for a safetensors file"),
        (struct.pack("<Q", 10) + b"{}", "it ends within its header of 10 bytes"),
        (b"PK\3\4" + b"\0" * 20, None),
        (b"\xff" * 64, "its header would have 18,446,744,073,709,551,615 bytes, more than"),
    ],
)
def test_files_of_another_kind(tmp_path: Path, content: bytes, reason: str | None) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    assert refusal(path).startswith(reason or "it ends within its header of 67,324,752 bytes")


def test_a_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.safetensors") == "No such file or directory"


@settings(max_examples=200)
@given(data=st.data())
def test_a_damaged_file_is_read_as_the_library_reads_it_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Where we accept a file, the library does too, with the same shapes."""
    from safetensors import safe_open

    header = {"a": entry(0, 8), "b": entry(8, 20, [3, 1])}
    content = bytearray(json.dumps(header).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.sampled_from(b'0123456789[]{},:"FIab '))
    path = written(tmp_path_factory.mktemp("damaged"), bytes(content), b"1" * 20)
    try:
        found = read_header(path)
    except ValueError as error:
        assert str(error).startswith("its ")
        return
    with safe_open(path, framework="pt") as library:
        shapes = {name: tuple(library.get_slice(name).get_shape()) for name in list(library.keys())}
    assert shapes == {name: held.shape for name, held in found.items()}


def test_no_torch_is_needed() -> None:
    code = (
        "import sys, seobuilder.planning.pretrained;"
        "print(sorted({'torch', 'numpy', 'safetensors'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
