"""Two processes on one machine, which take part in a run as torchrun has them do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from seobuilder.recipe.load import LoadedRecipe
from seobuilder.training.run import read_record, train

Small = Callable[..., LoadedRecipe]

STILL = (
    "modules.words.dropout=0",
    "modules.body.dropout=0",
    "training.validation=0.2",
    "training.early_stopping={metric: kind.loss, patience: 9}",
    "training.checkpoints.steps=2",
    "training.log_steps=1",
)

PROGRAM = """\
import json, os, signal, sys
import torch, torchmetrics
from seobuilder.training.callbacks import Callback
from seobuilder.training.run import train

child = os.fork()  # everything is loaded once, and nothing has run yet
rank = 0 if child else 1
os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}

class Note(Callback):
    figures = []
    losses = []
    def on_step(self, state):
        self.losses.append(float(state.loss))
        if rank == 1 and len(self.losses) == 5:
            os.kill(os.getpid(), signal.SIGINT)
    def on_evaluate(self, state, split, figures):
        self.figures.append(figures)

changes = json.loads(sys.argv[1])
try:
    train("small.yaml", "out", changes, callbacks=[Note()])
except KeyboardInterrupt:
    pass
assert len(Note.losses) == 5
trained = train("small.yaml", "out", changes, callbacks=[Note()], resume=True)
torch.save(trained.model.state_dict(), f"rank_{rank}.pt")
with open(f"rank_{rank}.json", "w") as file:
    json.dump([Note.losses, Note.figures], file)
torch.distributed.destroy_process_group()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_two_processes_train_what_one_does_with_twice_the_batches(
    small: Small, folder: Path
) -> None:
    # Ctrl-C reaches the second process alone, and ends both after the same step.
    (folder / "program.py").write_text(PROGRAM)
    # 72 rows are 8 batches, of which each process takes 4.
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    ended = subprocess.run(
        [sys.executable, "program.py", json.dumps([*STILL, "training.batch={rows: 9}"])],
        env=os.environ | where | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ended.returncode == 0, ended.stderr
    ranks = [torch.load(f"rank_{rank}.pt") for rank in range(2)]
    seen = [json.loads(Path(f"rank_{rank}.json").read_text()) for rank in range(2)]
    losses, looks = seen[0]
    assert seen[0] == seen[1] and len(looks) == 5  # an epoch each, and the test rows
    record = read_record(Path("out"))
    assert record.processes == 2 and record.device == "cpu"
    assert not Path("out.partial").exists()

    one = train(small(*STILL, "training.batch={rows: 9, accumulate: 2}"))
    assert losses == pytest.approx([point.loss for point in one.record.curve], abs=1e-5)
    assert (record.steps, record.kept) == (one.record.steps, one.record.kept) == (16, 16)
    assert record.figures["test"] == pytest.approx(one.record.figures["test"], abs=1e-5)
    for name, tensor in one.model.state_dict().items():
        assert torch.equal(ranks[0][name], ranks[1][name])
        torch.testing.assert_close(ranks[0][name], tensor, rtol=1e-4, atol=1e-6)
