"""What monitors say: why a run was stopped, and what looked odd in one that ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite
from statistics import median

from seobuilder.health.norms import norms
from seobuilder.health.probes.findings import MATRICES
from seobuilder.health.probes.thresholds import ALL_DEAD, FROZEN
from seobuilder.recipe.spec.training import TrainingSpec
from seobuilder.report.model import Finding
from seobuilder.report.training import (
    AttentionCourse,
    Monitored,
    ParameterCourse,
    SignalCourse,
)
from seobuilder.training.callbacks import State
from seobuilder.training.monitors.culprit import Culprit, culprit
from seobuilder.training.monitors.guard import Fault, Kind
from seobuilder.training.monitors.watched import Watched

CODES: dict[Kind, str] = {
    "loss": "T001",
    "gradient": "T002",
    "exploding": "T003",
    "diverging": "T004",
    "vanished": "T005",
}

WORDS: dict[Kind, str] = {
    "loss": "the loss is not finite",
    "gradient": "the gradient is not finite",
    "exploding": "the gradient's norm is more than {tolerance:,.0f} times its running median",
    "diverging": "the loss is more than {tolerance:g} times that of the first step",
    "vanished": "the whole gradient has vanished, though the loss has not",
}

FAINT = 1e-7
"""Norm of a weight's gradient by the largest of all weights, from which on it has vanished."""

HASTY = 0.3
"""Norm of a step by that of the weight."""

SMALLER = 10
"""What a suggestion divides a rate by that was too large."""


def stopping(fault: Fault, step: int, state: State, watched: Sequence[Watched]) -> Finding:
    """Why a run of a recipe ends at a step, counted from 1, and where it began to go wrong."""
    spec = state.recipe.training
    inputs = None if state.batch is None else state.batch.inputs
    where = blamed(fault, watched, culprit(state.model, watched, state.plan, inputs))
    return fault_finding(fault, step, where, watched, spec)


def blamed(fault: Fault, watched: Sequence[Watched], not_finite: Culprit) -> Culprit:
    """Where a fault shows: the origin of what is not finite, else the largest gradient."""
    if not_finite.name != "loss" or fault.kind in ("loss", "gradient"):
        return not_finite
    learned = [(e.name, p.grad) for e in watched for p in e.stored if p.grad is not None]
    sizes = norms([gradient for _, gradient in learned]).tolist()
    largest = max(zip(sizes, (name for name, _ in learned), strict=True), default=(0.0, "loss"))
    return Culprit(largest[1], f"its gradient is the largest, of norm {largest[0]:.4g}")


def fault_finding(
    fault: Fault,
    step: int,
    where: Culprit,
    watched: Sequence[Watched],
    spec: TrainingSpec | None = None,
) -> Finding:
    """The finding of a fault; `spec` is the recipe's, None for a loop of one's own."""
    steps = f"step {step:,}" if fault.since == step else f"steps {fault.since:,} to {step:,}"
    words = WORDS[fault.kind].format(tolerance=fault.tolerance)
    rules = {each.name: each.rule for each in watched}
    return Finding(
        code=CODES[fault.kind],
        severity="error",
        place=where.name,
        message=f"{steps}: {words}; {where.what}",
        measured=fault.measured if isfinite(fault.measured) else None,
        expected=fault.expected,
        tolerance=fault.tolerance,
        rule=rules.get(where.name),
        suggestion=_remedy(fault, step, where, spec),
    )


def _remedy(fault: Fault, step: int, where: Culprit, spec: TrainingSpec | None) -> str:
    if "numbers are not finite" in where.what:
        return f"mend the rows of {where.name}, or state what stands for a missing value"
    if fault.kind == "vanished":
        return (
            "look for a layer whose units are all dead or saturated: draw its weights smaller, or "
            "put norms between the layers"
        )
    if step == 1:
        return f"the untrained model overflows: draw {where.name} and what is before it smaller"
    return "; ".join(["lower the learning rate, or clip the gradient", *_settings(spec)])


def _settings(spec: TrainingSpec | None) -> Iterator[str]:
    """What to add to the command."""
    if spec is None:
        return
    rate = spec.optimizer.learning_rate / SMALLER
    words = f"--set training.optimizer.learning_rate={rate:g}"
    if spec.clip.norm is None and spec.clip.value is None:
        words += " --set training.clip.norm=1"
    yield words


def check_course(monitored: Monitored) -> list[Finding]:
    """T006 to T009: what looked odd in a run that ended. All are warnings or less."""
    return [
        *_faint(monitored.parameters),
        *_hasty(monitored.parameters),
        *_dead(monitored),
        *_frozen(monitored),
    ]


def _faint(parameters: Sequence[ParameterCourse]) -> Iterator[Finding]:
    """T006: the gradient of a weight is next to nothing beside that of others."""
    weights = [each for each in parameters if each.role in (*MATRICES, None)]
    usual = {each.name: _middle(each.gradients) for each in weights}
    largest = max((size for size in usual.values() if size is not None), default=0.0)
    for each in weights:
        size = usual[each.name]
        if size is not None and 0 < size < FAINT * largest:
            yield _odd(
                "T006",
                each,
                "its gradient has vanished: half of the time it was smaller than measured",
                "take an activation that does not saturate, or weights that keep the size of "
                "signal and gradient: xavier, kaiming, orthogonal or autoinit; or norms",
                evidence=(size, largest, FAINT),
                source="Glorot and Bengio 2010",
            )


def _hasty(parameters: Sequence[ParameterCourse]) -> Iterator[Finding]:
    """T007: steps as large as the weight that they change."""
    for each in parameters:
        size = _middle(each.updates) if each.role in MATRICES else None
        if size is not None and size > HASTY and len(each.updates) > 2:
            yield _odd(
                "T007",
                each,
                "half of its steps were larger, beside the weight, than measured",
                "lower the learning rate, or draw the weight larger",
                evidence=(size, 1e-3, HASTY),
            )


def _dead(monitored: Monitored) -> Iterator[Finding]:
    """T008: units of a block that nothing wakes any more."""
    for each in monitored.signals:
        share = each.dead[-1] if each.dead else None
        if share is not None and share > ALL_DEAD:
            yield _odd(
                "T008",
                each,
                "at the end nearly all of its units were zero on all rows",
                "lower the learning rate, or take leaky_relu or gelu",
                evidence=(share, None, ALL_DEAD),
            )


def _frozen(monitored: Monitored) -> Iterator[Finding]:
    """T009: attention that has decided for one key."""
    for each in monitored.attention:
        if not each.entropy or each.entropy[-1] is None or not each.uniform[-1]:
            continue
        share = each.entropy[-1] / each.uniform[-1]
        if share < FROZEN:
            yield _odd(
                "T009",
                each,
                "at the end its entropy was next to nothing beside that of equal weights",
                "lower the learning rate, or set `qk_norm`",
                evidence=(share, 1.0, FROZEN),
                source="Zhai et al. 2023, arXiv:2303.06296",
            )


def _odd(
    code: str,
    course: ParameterCourse | SignalCourse | AttentionCourse,
    message: str,
    suggestion: str,
    *,
    evidence: tuple[float, float | None, float],
    source: str = "",
) -> Finding:
    """A warning of what a course shows; `evidence` is measured, expected and tolerance."""
    measured, expected, tolerance = evidence
    return Finding(
        code=code,
        severity="warning",
        place=course.name,
        message=message,
        measured=measured,
        expected=expected,
        tolerance=tolerance,
        rule=course.rule if isinstance(course, ParameterCourse) else None,
        source=source,
        suggestion=suggestion,
    )


def _middle(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
