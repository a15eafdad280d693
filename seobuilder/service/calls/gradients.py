"""Gradients of any module after a backward pass: how large, what is wrong, and kept in bounds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import hypot, inf, isfinite, nan
from typing import Any

import torch
from torch import Tensor, nn

from seobuilder.health.norms import norms

VANISHING = 1e-8
"""Norm of a parameter's gradient up to which it learns nothing in float32."""

EXPLODING = 1e3
"""Norm of a parameter's gradient from which on a step goes astray."""


class GradientClipper:
    """Keeps gradients in bounds, in place, as `torch.nn.utils` does."""

    @staticmethod
    def clip_grad_norm_(
        model: nn.Module | Iterable[Tensor], max_norm: float, norm_type: float = 2.0
    ) -> float:
        """Scale all gradients together to `max_norm` where their norm is larger.

        Args:
            model: a module, or its parameters.
            max_norm: the bound.
            norm_type: which norm; 2 is the Euclidean one.

        Returns:
            The norm before; NaN or infinite where a gradient is, and 0 where there is none.
        """
        return float(nn.utils.clip_grad_norm_(_parameters(model), max_norm, norm_type))

    @staticmethod
    def clip_grad_value_(model: nn.Module | Iterable[Tensor], clip_value: float) -> None:
        """Cut each number of the gradients to [-clip_value, clip_value]."""
        nn.utils.clip_grad_value_(_parameters(model), clip_value)


class AutogradMonitor:
    """Measures gradients."""

    def monitor_gradients(self, model: nn.Module) -> dict[str, Any]:
        """Norms of the gradients that `backward` left; nothing is changed.

        Keys: `total_norm` (of all together), `parameter_norms` (by name, in the model's order),
        `max_norm` and `min_norm` with `largest` and `smallest`, the names that they belong to,
        `mean_norm`, `without_gradient` (names of what could learn and got none), and `non_finite`
        (names). With no gradient at all, norms are 0 and names None.
        """
        sizes = _norms(model)
        finite = {name: size for name, size in sizes.items() if isfinite(size)}
        largest = max(finite, key=finite.__getitem__, default=None)
        smallest = min(finite, key=finite.__getitem__, default=None)
        return {
            "total_norm": hypot(*sizes.values()),
            "parameter_norms": sizes,
            "max_norm": 0.0 if largest is None else finite[largest],
            "min_norm": 0.0 if smallest is None else finite[smallest],
            "mean_norm": sum(finite.values()) / len(finite) if finite else 0.0,
            "largest": largest,
            "smallest": smallest,
            "without_gradient": _without(model),
            "non_finite": [name for name, size in sizes.items() if not isfinite(size)],
        }


@dataclass
class AutogradDebugger:
    """Says what is wrong with gradients.

    `vanishing` and `exploding` are norms of one parameter's gradient.
    """

    vanishing: float = VANISHING
    exploding: float = EXPLODING

    def check_gradients(self, model: nn.Module) -> dict[str, Any]:
        """What is wrong with the gradients that `backward` left.

        Keys: `has_issues`; `issues`, a text for each, that names the parameter: a gradient that has
        NaN or infinite numbers, is missing, vanishes or explodes; and `by_kind`, names under
        `nan`, `infinite`, `missing`, `vanishing` and `exploding`. Only weights of two axes or more
        are said to vanish: a bias before a norm, or of an attention's keys, moves nothing.
        """
        by_kind: dict[str, list[str]] = {
            kind: [] for kind in ("nan", "infinite", "missing", "vanishing", "exploding")
        }
        issues = []
        by_kind["missing"] = _without(model)
        for name, norm in _norms(model).items():
            kind = self._kind(norm, model.get_parameter(name).ndim)
            if kind:
                by_kind[kind].append(name)
                issues.append(f"{name}: {_WORDS[kind].format(norm=norm)}")
        issues += [f"{name}: no gradient reached it" for name in by_kind["missing"]]
        return {"has_issues": bool(issues), "issues": issues, "by_kind": by_kind}

    def _kind(self, norm: float, axes: int) -> str:
        if norm != norm:
            return "nan"
        if norm == inf:
            return "infinite"
        if norm >= self.exploding:
            return "exploding"
        return "vanishing" if axes > 1 and norm <= self.vanishing else ""


_WORDS = {
    "nan": "its gradient has NaN",
    "infinite": "its gradient has infinite numbers",
    "exploding": "its gradient explodes, with norm {norm:.3g}",
    "vanishing": "its gradient vanishes, with norm {norm:.3g}",
}


@dataclass
class AutogradProfiler:
    """Measures how long parts of a step take."""

    durations: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def profile_autograd(self, name: str = "step") -> Iterator[None]:
        """Measure what runs inside, on the clock of the wall.

        An accelerator is waited for before and after, so that its work counts.
        """
        _wait()
        start = time.perf_counter()
        try:
            yield
        finally:
            _wait()
            self.durations.setdefault(name, []).append(time.perf_counter() - start)

    def get_profile_summary(self, name: str | None = None) -> dict[str, Any]:
        """Times in seconds, of one name or of all.

        Keys: `count`, `total_duration`, `avg_duration`, `min_duration`, `max_duration`, and without
        a name `by_name`, the same for each. Durations are NaN where nothing was measured.
        """
        if name is not None:
            return _summary(self.durations.get(name, []))
        every = [duration for each in self.durations.values() for duration in each]
        by_name = {each: _summary(durations) for each, durations in self.durations.items()}
        return {**_summary(every), "by_name": by_name}

    def reset(self) -> None:
        """Forget what was measured."""
        self.durations.clear()


def _summary(durations: list[float]) -> dict[str, Any]:
    some = bool(durations)
    return {
        "count": len(durations),
        "total_duration": sum(durations),
        "avg_duration": sum(durations) / len(durations) if some else nan,
        "min_duration": min(durations) if some else nan,
        "max_duration": max(durations) if some else nan,
    }


def _wait() -> None:
    if torch.accelerator.is_available():
        torch.accelerator.synchronize()


def _parameters(model: nn.Module | Iterable[Tensor]) -> list[Tensor]:
    return list(model.parameters() if isinstance(model, nn.Module) else model)


def _norms(model: nn.Module) -> dict[str, float]:
    """L2 norms of the gradients by name; one transfer from the device for all."""
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    return dict(zip(gradients, norms([*gradients.values()]).tolist(), strict=True))


def _without(model: nn.Module) -> list[str]:
    return [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]


autograd_monitor = AutogradMonitor()
autograd_debugger = AutogradDebugger()
autograd_profiler = AutogradProfiler()
