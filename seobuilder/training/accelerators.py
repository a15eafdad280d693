"""The device that a run is on, and the processes that take part in it, by accelerate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator, PartialState
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs

from seobuilder.errors import EnvironmentProblem

PRECISIONS = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}


def start_accelerator(precision: str, *, finds_unused: bool = False) -> Accelerator:
    """What knows the device and the other processes.

    Raises:
        EnvironmentProblem: float16 is asked for where there is no accelerator.
    """
    cpu = not torch.accelerator.is_available()
    if cpu and precision == "float16":
        raise EnvironmentProblem(
            "float16 needs a GPU; on a processor, `training.precision: bfloat16` does as well"
        )
    mixed = PRECISIONS[precision]
    held = AcceleratorState._shared_state
    if held and held.get("_mixed_precision") != mixed:
        AcceleratorState._reset_state()  # it keeps the first precision of a process, else refuses
    ddp = DistributedDataParallelKwargs(find_unused_parameters=finds_unused)
    return Accelerator(mixed_precision=mixed, cpu=cpu, kwargs_handlers=[ddp])


def process_count() -> int:
    """Processes that take part in the run whose accelerator was started."""
    return int(PartialState().num_processes)


@contextmanager
def among_others() -> Iterator[None]:
    """Where this process waits for one that has ended, say so, and not where a connection broke.

    Raises:
        EnvironmentProblem: another process of the run has ended.
    """
    try:
        yield
    except RuntimeError as error:
        # Gloo has no error of its own, but shows which of its files it comes from.
        if isinstance(error, torch.distributed.DistError) or "gloo" in str(error):
            message = "another process of this run has ended; it says why"
            raise EnvironmentProblem(message) from error
        raise
