"""Gradients: their norms, what is wrong with them, clipping, and how long a step takes.

    from autograd_utils import GradientClipper, autograd_debugger, autograd_monitor

    loss.backward()
    print(autograd_monitor.monitor_gradients(model)["total_norm"])
    GradientClipper.clip_grad_norm_(model, max_norm=1.0)

`autograd_monitor`, `autograd_debugger` and `autograd_profiler` are ready to use; their classes are
there for limits and times of your own.
"""

from __future__ import annotations

from seobuilder.service.calls.gradients import (
    AutogradDebugger,
    AutogradMonitor,
    AutogradProfiler,
    GradientClipper,
    autograd_debugger,
    autograd_monitor,
    autograd_profiler,
)

__all__ = [
    "AutogradDebugger",
    "AutogradMonitor",
    "AutogradProfiler",
    "GradientClipper",
    "autograd_debugger",
    "autograd_monitor",
    "autograd_profiler",
]
