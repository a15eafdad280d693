"""What is wrong with what the probes heard of a model that a recipe made."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby, pairwise
from math import log, sqrt

from seobuilder.health.probes.thresholds import (
    ALIKE,
    ALL_DEAD,
    COLLAPSED,
    DEAD,
    DRIFT,
    FROZEN,
    IDLE,
    OVERTHROWN,
    SATURATED,
    WEAK,
    beyond,
    change,
    dead_groups,
    distance,
    factor_of,
)
from seobuilder.health.size_checks import common_place
from seobuilder.planning.ends import pool_at_an_end
from seobuilder.planning.model import Assignment, Plan
from seobuilder.planning.rules import listed
from seobuilder.planning.sound import is_zero
from seobuilder.report.model import Finding, OutputRecord, Severity
from seobuilder.report.probes import Probes, SignalRecord

MATRICES = ("weight", "residual_out", "head", "gate", "recurrent_input", "recurrent_hidden")


def check_probes(probes: Probes, plan: Plan, outputs: Sequence[OutputRecord]) -> list[Finding]:
    """H020 to H027, in the order of the codes."""
    teller = _Teller(plan)
    stacks = _stacks(probes.signals)
    return [
        *teller.signals(probes.signals, stacks),
        *teller.gradients(stacks),
        *teller.dead_units(probes.signals),
        *teller.attention(probes),
        *teller.collapse(stacks, probes.signals),
        *teller.silence(probes, _measured(plan, outputs)),
        *teller.updates(probes),
        *teller.coordinates(probes, plan),
    ]


def _stacks(signals: Sequence[SignalRecord]) -> dict[str, list[SignalRecord]]:
    """The records of blocks by the stack that they are in, first to last."""
    blocks = [record for record in signals if record.name.rpartition(".")[2].isdecimal()]
    groups = groupby(blocks, key=lambda record: record.name.rpartition(".")[0])
    return {stack: list(members) for stack, members in groups}


def _measured(plan: Plan, outputs: Sequence[OutputRecord]) -> set[str]:
    """The steps that something flows through to an output with a loss."""
    sources = {name: (owner, *given) for name, owner, given, _ in plan.root.settings["steps"]}
    wanted = [output.name for output in outputs if output.rows]
    reached: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name not in reached:
            reached.add(name)
            wanted += sources.get(name, ())
    return reached


class _Teller:
    """Makes findings, with the rule that decides the weights of a place."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.assignments = plan, plan.assignments

    def signals(
        self, signals: Sequence[SignalRecord], stacks: dict[str, list[SignalRecord]]
    ) -> Iterator[Finding]:
        """H020: the signal is not finite, vanishes or explodes."""
        for record in signals:
            if record.variance is None:
                yield self.finding(
                    "H020",
                    "error",
                    record.name,
                    "the signal is not finite",
                    suggestion="draw the layers before it with a smaller standard deviation",
                )
                return  # what comes after it is no better
        for stack, records in stacks.items():
            factor = factor_of(records[0].variance, records[-1].variance)
            if severity := beyond(factor):
                yield self.finding(
                    "H020",
                    severity,
                    _culprit(stack, records, [record.variance for record in records]),
                    f"the signal's variance {change(factor)} over {len(records)} blocks"
                    + _foretold(factor, factor_of(records[0].expected, records[-1].expected)),
                    measured=factor,
                    expected=1.0,
                    tolerance=distance(factor, WEAK),
                    source="He et al. 2015, arXiv:1502.01852, section 2.2",
                    suggestion=_KEEP_SIZE,
                )

    def gradients(self, stacks: dict[str, list[SignalRecord]]) -> Iterator[Finding]:
        """H021: the gradient vanishes or explodes on its way back."""
        for stack, records in stacks.items():
            factor = factor_of(records[-1].gradient, records[0].gradient)
            if severity := beyond(factor * factor):
                predicted = factor_of(records[-1].gradient, records[0].gradient_expected)
                yield self.finding(
                    "H021",
                    severity,
                    _culprit(stack, records, [record.gradient for record in records]),
                    f"the gradient {change(factor)} on its way back through {len(records)} blocks"
                    + _foretold(factor**2, predicted**2),
                    measured=factor,
                    expected=1.0,
                    tolerance=distance(factor, sqrt(WEAK)),
                    source="Glorot and Bengio 2010, section 4.2",
                    suggestion=_KEEP_SIZE,
                )

    def dead_units(self, signals: Sequence[SignalRecord]) -> Iterator[Finding]:
        """H022: more units are zero on all rows than the likeness of the rows explains."""
        for record, behind in dead_groups(signals):
            more = f" (and those of {behind} more behind it)" if behind else ""
            assert record.dead is not None
            yield self.finding(
                "H022",
                "error" if record.dead >= ALL_DEAD else "warning",
                record.name,
                f"{record.dead:.0%} of the units are zero on all rows{more}",
                measured=record.dead,
                expected=record.dead_expected,
                tolerance=DEAD,
                source="rows as alike as those that come in, normal before the activation",
                suggestion="draw the biases as zeros, or take leaky_relu or gelu",
            )

    def attention(self, probes: Probes) -> Iterator[Finding]:
        """H023: attention looks at one key alone, so that its scores get no gradient."""
        for record in probes.attention:
            if record.entropy is None or not record.uniform or record.uniform < 0.5:
                continue
            share = record.entropy / record.uniform
            if share < SATURATED:
                yield self.finding(
                    "H023",
                    "error" if share < FROZEN else "warning",
                    record.name,
                    "attention is saturated: its weights have little of the entropy of equal ones",
                    measured=record.entropy,
                    expected=record.uniform,
                    tolerance=(1 - SATURATED) * record.uniform,
                    source="Zhai et al. 2023, arXiv:2303.06296",
                    suggestion="draw queries and keys with a smaller standard deviation, "
                    "or set qk_norm",
                )

    def collapse(
        self, stacks: dict[str, list[SignalRecord]], signals: Sequence[SignalRecord]
    ) -> Iterator[Finding]:
        """H024: a stack makes the tokens of a text alike."""
        for stack, records in stacks.items():
            last = records[-1]
            if last.kind != "transformer_block" or last.similarity is None:
                continue
            before = [r.similarity for r in signals if r.depth < records[0].depth]
            arrived = before[-1] if before and before[-1] is not None else 0.0
            if last.similarity >= COLLAPSED > arrived:
                yield self.finding(
                    "H024",
                    "error" if last.similarity >= ALIKE else "warning",
                    stack,
                    "the tokens of a text are all alike behind the last block",
                    measured=last.similarity,
                    expected=arrived,
                    tolerance=COLLAPSED - arrived,
                    source="Dong, Cordonnier and Loukas 2021, arXiv:2103.03404",
                    suggestion="let the skip path count for more: `residual: plain`, "
                    "`placement: pre`, or smaller residual_out weights",
                )

    def silence(self, probes: Probes, measured: Collection[str]) -> Iterator[Finding]:
        """H025: a parameter gets no gradient in any of the first steps."""
        silent = [record.name for record in probes.parameters if record.wakes is None]
        for module, members in groupby(silent, key=lambda name: name.partition(".")[0]):
            names = list(members)
            if module not in measured:
                continue
            zeros = [a.parameter.name for a in self.assignments if is_zero(a)]
            causes = [name for name in names if name in zeros and not name.endswith("bias")]
            source = "weights of zeros that are meant let the gradient through after a step"
            suggestion = "look for a layer of zeros, or of dead units, in it or behind it"
            if not causes and (pool := pool_at_an_end(self.plan, names)):
                source = "the state before the first step is zero, and its map multiplies nothing"
                suggestion = (
                    f"`{pool}` reads the end where this direction has taken one step: "
                    "`method: mean`, `max` or `attention` reads all positions"
                )
            yield self.finding(
                "H025",
                "error",
                common_place(causes or names),
                f"no gradient in the first {probes.steps} steps for {listed(names)}",
                measured=0.0,
                source=source,
                suggestion=suggestion,
            )

    def updates(self, probes: Probes) -> Iterator[Finding]:
        """H026: the first step replaces a weight, or does not move it."""
        steps = {record.name: record for record in probes.parameters}
        for assignment in self.assignments:
            parameter = assignment.parameter
            step = steps.get(parameter.name)
            update = None if step is None else step.update
            if parameter.role not in MATRICES or not update:
                continue
            if update > OVERTHROWN:
                message = "the first step of AdamW is larger than the weight itself"
                suggestion = "draw it with a larger standard deviation, or as zeros"
            elif update < IDLE:
                message = "the first step of AdamW hardly moves the weight"
                suggestion = "draw it with a smaller standard deviation"
            else:
                continue
            yield self.finding(
                "H026",
                "warning",
                parameter.name,
                message,
                measured=update,
                tolerance=OVERTHROWN if update > OVERTHROWN else IDLE,
                source=f"at a learning rate of {probes.learning_rate:g}",
                suggestion=suggestion,
            )

    def coordinates(self, probes: Probes, plan: Plan) -> Iterator[Finding]:
        """H027: signals move further in wider models, though the recipe is muP's."""
        if not any(assignment.rule.preset == "mup" for assignment in plan.assignments):
            return
        for name in dict.fromkeys(record.name for record in probes.coordinates):
            changes = [
                record.change
                for record in probes.coordinates
                if record.name == name and record.step == probes.steps and record.change
            ]
            if len(changes) < 2 or max(changes) <= DRIFT * min(changes):
                continue
            yield self.finding(
                "H027",
                "warning",
                name,
                "the signal moves further in training at one width than at another",
                measured=max(changes) / min(changes),
                expected=1.0,
                tolerance=DRIFT - 1,
                source="Yang et al. 2022, arXiv:2203.03466",
                suggestion="let every width that grows stand in the rules of the preset mup",
            )

    def finding(
        self,
        code: str,
        severity: Severity,
        place: str,
        message: str,
        *,
        measured: float | None = None,
        expected: float | None = None,
        tolerance: float | None = None,
        source: str = "",
        suggestion: str = "",
    ) -> Finding:
        """A finding at a place, with the rule of the weights in it."""
        rule = next((a.rule for a in self._weights(place)), None)
        return Finding(
            code=code,
            severity=severity,
            place=place,
            message=message,
            measured=measured,
            expected=expected,
            tolerance=tolerance,
            rule=None if rule is None else rule.mark.place,
            source=source,
            suggestion=suggestion,
        )

    def _weights(self, place: str) -> Iterator[Assignment]:
        """The matrices inside a place, or the parameter of that name."""
        for assignment in self.assignments:
            parameter = assignment.parameter
            if parameter.name == place or (
                parameter.name.startswith(f"{place}.") and parameter.role in MATRICES
            ):
                yield assignment


_KEEP_SIZE = (
    "take a method that keeps the size: kaiming for relu, xavier for tanh, lecun for selu, "
    "autoinit for any; or norms"
)


def _foretold(ratio: float, predicted: float) -> str:
    """What the plan says of a size that is not kept: the recipe makes it so, whatever the rows."""
    agrees = beyond(predicted) is not None and (predicted > 1) == (ratio > 1)
    return ", as the plan predicts" if agrees else ""


def _culprit(stack: str, records: Sequence[SignalRecord], sizes: Sequence[float | None]) -> str:
    """The block at which a size changes more than at all others together, else the stack.

    Of two blocks the second is named where nothing comes through it.
    """
    known = [max(size or 0.0, 1e-300) for size in sizes]
    steps = [abs(log(now / before)) for before, now in pairwise(known)]
    largest = max(steps)
    if (len(steps) < 2 and all(sizes)) or 2 * largest <= sum(steps):
        return stack
    return records[steps.index(largest) + 1].name
