"""In evaluation, no norm holds more than its output, and the fused ones are one call."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from seobuilder.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm, statistics

WIDTH = 128
EXAMPLES, LENGTH = 64, 32
MASK = torch.arange(LENGTH) < torch.arange(EXAMPLES)[:, None] % LENGTH + 1
INPUTS: dict[str, Callable[[], tuple[Tensor, Tensor | None]]] = {
    "vector": lambda: (torch.randn(EXAMPLES * LENGTH, WIDTH), None),
    "sequence": lambda: (torch.randn(EXAMPLES, LENGTH, WIDTH), None),
    "masked": lambda: (torch.randn(EXAMPLES, LENGTH, WIDTH), MASK),
    "one example": lambda: (torch.randn(1, EXAMPLES * LENGTH, WIDTH), MASK.reshape(1, -1)),
    # As a convolution leaves a sequence: positions lie together in memory.
    "convolved": lambda: (torch.randn(EXAMPLES, WIDTH, LENGTH).mT, None),
    "convolved, masked": lambda: (torch.randn(EXAMPLES, WIDTH, LENGTH).mT, MASK),
    "map": lambda: (torch.randn(EXAMPLES, WIDTH, 8, 4), None),
}
NORMS: dict[str, nn.Module] = {
    "layer": LayerNorm(WIDTH),
    "rms": RMSNorm(WIDTH),
    "batch": BatchNorm(WIDTH),
    "batch of the moment": BatchNorm(WIDTH, track_running_stats=False),
    "instance": InstanceNorm(WIDTH),
    "instance running": InstanceNorm(WIDTH, track_running_stats=True),
    "group": GroupNorm(8, WIDTH),
}


@torch.no_grad()
def peak(norm: nn.Module, x: Tensor, mask: Tensor | None, trace: Path) -> int:
    """Most bytes that were allocated at once while `norm` ran."""
    norm(x, mask)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        y = norm(x, mask)
    del y
    profiler.export_chrome_trace(str(trace))
    events = json.loads(trace.read_text())["traceEvents"]
    held, most = 0, 0
    for event in sorted((e for e in events if e["name"] == "[memory]"), key=lambda e: e["ts"]):
        held += event["args"]["Bytes"]
        most = max(most, held)
    return most


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("given", INPUTS)
@pytest.mark.parametrize("name", NORMS)
def test_evaluation_holds_no_more_than_its_output(
    name: str, given: str, dtype: torch.dtype, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if given == "vector" and name.startswith("instance"):
        pytest.skip("a vector has no positions")
    if (name, given) == ("group", "one example"):
        pytest.skip("one group of one example is an eighth of all, and is not cut")
    # A 32nd of these inputs, so that small ones show what holds for large ones.
    monkeypatch.setattr(statistics, "BLOCK", EXAMPLES * LENGTH * WIDTH // 32)
    x, mask = INPUTS[given]()
    x = x.to(dtype)
    norm = copy.deepcopy(NORMS[name]).to(dtype).eval()
    held = peak(norm, x, mask, tmp_path / "trace.json")
    size = x.numel() * x.element_size()
    # Statistics of each position, channel or group, and the mask, come on top.
    assert size <= held <= 1.2 * size


@pytest.mark.parametrize("given", INPUTS)
@pytest.mark.parametrize("name", NORMS)
@torch.no_grad()
def test_blocks_change_nothing(name: str, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if given == "vector" and name.startswith("instance"):
        pytest.skip("a vector has no positions")
    norm = copy.deepcopy(NORMS[name]).bfloat16().eval()
    x, mask = INPUTS[given]()
    x = x.bfloat16()
    for parameter in norm.parameters():
        nn.init.normal_(parameter)
    whole = norm(x, mask)
    # 64 does not divide by 3: the last block is smaller than the others.
    monkeypatch.setattr(statistics, "BLOCK", 3 * LENGTH * WIDTH)
    torch.testing.assert_close(norm(x, mask), whole, atol=1e-4, rtol=2**-7)


def operations(norm: nn.Module, x: Tensor) -> set[str]:
    """Names of the operations with work of their own, views left out."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        norm(x)
    return {event.name for event in profiler.events()}


@pytest.mark.parametrize("order", ["channels last", "channels first"])
@pytest.mark.parametrize(
    ("norm", "call"),
    [
        (LayerNorm(WIDTH), "aten::native_layer_norm"),
        (RMSNorm(WIDTH), "aten::_fused_rms_norm"),
        (BatchNorm(WIDTH), "aten::native_batch_norm"),
        (GroupNorm(8, WIDTH), "aten::native_group_norm"),
    ],
)
def test_without_a_mask_torchs_fused_function_does_it(
    norm: nn.Module, call: str, order: str
) -> None:
    x = torch.randn(8, 64, WIDTH)
    if order == "channels first":  # as a convolution leaves a sequence
        x = torch.randn(8, WIDTH, 64).transpose(1, 2)
    found = operations(norm.eval(), x)
    assert call in found
    if isinstance(norm, BatchNorm):
        assert not found & {"aten::clone", "aten::copy_", "aten::contiguous"}


def test_a_fused_function_and_its_steps_agree_to_the_bit() -> None:
    norm, x = RMSNorm(WIDTH), torch.randn(8, 64, WIDTH)
    nn.init.normal_(norm.get_parameter("weight"))
    with torch.no_grad():
        steps = norm(x)
    assert torch.equal(steps, norm(x))
