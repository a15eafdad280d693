"""In evaluation, no norm holds more than its output, and the fused ones are one call."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from seobuilder.norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm

WIDTH = 128
SHAPES = {"vector": (512, WIDTH), "sequence": (8, 64, WIDTH), "map": (8, WIDTH, 8, 8)}
NORMS: dict[str, nn.Module] = {
    "layer": LayerNorm(WIDTH),
    "rms": RMSNorm(WIDTH),
    "batch": BatchNorm(WIDTH),
    "batch of the moment": BatchNorm(WIDTH, track_running_stats=False),
    "instance": InstanceNorm(WIDTH),
    "instance running": InstanceNorm(WIDTH, track_running_stats=True),
    "group": GroupNorm(8, WIDTH),
}


def inputs(name: str) -> list[tuple[str, Tensor, Tensor | None]]:
    """What the norm takes: name, tensor and mask."""
    found: list[tuple[str, Tensor, Tensor | None]] = []
    for shape, size in SHAPES.items():
        if not (shape == "vector" and name.startswith("instance")):
            found.append((shape, torch.randn(size), None))
    mask = torch.arange(64) < torch.arange(8, 72, 8)[:, None]
    return [*found, ("masked", torch.randn(SHAPES["sequence"]), mask)]


CASES = [
    pytest.param(NORMS[name], x, mask, id=f"{name}-{shape}")
    for name in NORMS
    for shape, x, mask in inputs(name)
]


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


@pytest.mark.parametrize(("norm", "x", "mask"), CASES)
def test_evaluation_holds_no_more_than_its_output(
    norm: nn.Module, x: Tensor, mask: Tensor | None, tmp_path: Path
) -> None:
    held = peak(norm.eval(), x, mask, tmp_path / "trace.json")
    size = x.numel() * x.element_size()
    # Statistics of each position, channel or group, and the mask, come on top.
    assert size <= held <= 1.15 * size


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
