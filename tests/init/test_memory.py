"""What drawing holds beyond the weight: little, whatever the family, the dtype and the size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# In a process of its own, whose peak can be reset, and where nothing else was freed before.
PROGRAM = """
import json, re, torch
from pathlib import Path
from seobuilder.init.draw import fill_
from seobuilder.planning.distributions import *

torch.set_num_threads(2)
CASES = {
    "normal": (Normal(0, 1), torch.float32, (4096, 4096)),
    "bfloat16": (Normal(0, 1), torch.bfloat16, (8192, 4096)),
    "float64": (Normal(0, 1), torch.float64, (4096, 4096)),
    "uneven": (TruncatedNormal(0, 1, -1, 3), torch.float32, (4096, 4096)),
    "identity": (Identity(), torch.bfloat16, (8192, 4096)),
    "sparse": (Sparse(0.7, 1), torch.float32, (4096, 4096)),
    "sparse, narrow": (Sparse(0.7, 1), torch.float16, (4096, 4096)),
    "sparse, barely": (Sparse(1 / 62, 1), torch.float32, (1 << 16, 64)),
}

def status(key):
    return int(re.search(key + r":\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

found = {}
fill_(torch.zeros(70000), Normal(0, 1), name="warm", seed=0)
fill_(torch.zeros(300, 300), Sparse(0.5, 1), name="warm", seed=0)
for name, (distribution, dtype, shape) in CASES.items():
    weight = torch.ones(shape, dtype=dtype)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what is held now
    before = status("VmRSS")
    fill_(weight, distribution, name="w", seed=1)
    found[name] = status("VmHWM") - before
    if name.startswith("sparse"):
        assert (weight != 0).any(dim=1).all(), name
print(json.dumps(found))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is Linux's")
def test_drawing_holds_little_beyond_the_weight() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    mebibytes = json.loads(ended.stdout)
    assert len(mebibytes) == 8
    # A copy in float32 of any of these weights, or the places of a dense one, would be 64 or more.
    assert all(beyond < 40 for beyond in mebibytes.values()), mebibytes
