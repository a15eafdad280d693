"""Weights come back as they were."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from seobuilder.artifact.weights import load_weights, read_weights, write_weights
from seobuilder.errors import BuildFolderError


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 4)
        self.pages = nn.Embedding(7, 4)
        self.pages.weight = self.words.weight
        self.norm = nn.BatchNorm1d(4)
        self.half = nn.Linear(4, 2, dtype=torch.bfloat16)


def test_shared_tensors_are_stored_once_and_come_back_shared(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    drawn, fresh = Tied(), Tied()
    write_weights(path, drawn.state_dict())
    stored = read_weights(path)
    assert "words.weight" in stored and "pages.weight" not in stored
    load_weights(path, fresh)
    assert fresh.pages.weight is fresh.words.weight
    for name, tensor in drawn.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor), name


def test_views_and_empty_tensors_keep_their_values(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    state = {
        "t": whole.T,
        "row": whole[1],
        "overlap": whole[1:],
        "a": torch.empty(0),
        "b": torch.empty(0),
    }
    write_weights(tmp_path / "w", state)
    stored = read_weights(tmp_path / "w")
    assert stored.keys() == state.keys()
    assert all(torch.equal(stored[name], tensor) for name, tensor in state.items())


def test_the_same_state_gives_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    state = {name: tensor for name, tensor in Tied().state_dict().items() if "pages" not in name}
    write_weights(tmp_path / "a", state)
    write_weights(tmp_path / "b", dict(reversed(state.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_other_names_and_broken_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w"
    write_weights(path, nn.Linear(2, 2).state_dict())
    with pytest.raises(BuildFolderError, match="do not load"):
        load_weights(path, Tied())
    with pytest.raises(BuildFolderError, match="do not load"):
        load_weights(path, nn.Linear(3, 2))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BuildFolderError, match="cannot be read"):
        read_weights(path)
    with pytest.raises(BuildFolderError, match="cannot be read"):
        read_weights(tmp_path / "absent")


def test_a_full_disk_is_told_without_a_traceback_of_another_kind(tmp_path: Path) -> None:
    code = (
        "import resource, sys, torch\n"
        "from pathlib import Path\n"
        "from seobuilder.artifact.weights import write_weights\n"
        "from seobuilder.errors import BuildFolderError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: write_weights(Path(sys.argv[1]), {'a': torch.ones(100_000)})\n"
        "except BuildFolderError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "w")],
        cwd=Path(__file__).parent.parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "the weights cannot be written" in done.stdout and "File too large" in done.stdout
