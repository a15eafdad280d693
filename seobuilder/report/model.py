"""The report: what was built, by which rule, what was expected, and what was measured.

A report holds nothing that changes from run to run (no time, no duration, no absolute path), so
that the same recipe gives the same bytes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import computed_field

from seobuilder.report.record import Document, Items, Number, Record

Severity = Literal["error", "warning", "info"]
Verdict = Literal["healthy", "unhealthy"]


class Statistics(Record):
    """What one tensor holds.

    `count` is every element; `nan` and `inf` are left out of all the other numbers, which are None
    if nothing finite is left, or if they exceed float64. `std` is that of the population (divided
    by n), `l1` and `l2` are norms, `zeros` counts elements that are exactly zero.
    """

    count: int
    mean: Number
    std: Number
    min: Number
    max: Number
    l1: Number
    l2: Number
    zeros: int
    nan: int
    inf: int

    @property
    def finite(self) -> int:
        """Elements that are neither NaN nor infinite."""
        return self.count - self.nan - self.inf

    @property
    def sparsity(self) -> float | None:
        """Share of zeros among the finite elements; None if there is none."""
        return self.zeros / self.finite if self.finite else None


class RuleRecord(Record):
    """A rule: where it stands (`file:line`, without folders), how it reads, and its preset."""

    place: str
    text: str
    preset: str | None = None


class ParameterRecord(Record):
    """One parameter: the rule that decided it, and the tensor that came of it.

    `stored` and `aliases` are the other names it has; `declared_mean` and `declared_std` are None
    where the rule declares no distribution. `gain_convention` says whose gain for the nonlinearity
    it is. `losing` are rules that matched but came later.
    """

    name: str
    stored: Items[str]
    aliases: Items[str]
    shape: Items[int]
    role: str
    layer: str
    method: str
    declared: str
    declared_mean: Number
    declared_std: Number
    measured: Statistics
    fan_in: int | float | None
    fan_out: int | None
    gain: Number
    gain_convention: str | None = None
    reparametrization: str | None
    rule: RuleRecord
    losing: Items[RuleRecord]


class OutputRecord(Record):
    """One output before training: its mean loss over `rows` examples, and the loss of guessing.

    `chance` is the loss, in nats, of an answer that prefers nothing: ln(labels) for a
    classification. For a regression it is that of always giving the mean. `loss` is None where it
    is not a finite number.
    """

    name: str
    kind: str
    loss: Number
    chance: Number
    rows: int


class BatchRecord(Record):
    """The examples that outputs were measured on; `source` is a data file's name or `seeded`."""

    source: str
    rows: int


class VocabularyRecord(Record):
    """A tokens input: the rows of its table, and how many no token of the tokenizer refers to."""

    input: str
    rows: int
    unused: int


class Finding(Record):
    """What a check found.

    `place` is a logical name; `measured`, `expected` and `tolerance` are the evidence, in the unit
    that `message` names; `rule` is `file:line`; `source` says where the check comes from;
    `suggestion` is a change to the recipe.
    """

    code: str
    severity: Severity
    place: str
    message: str
    measured: Number = None
    expected: Number = None
    tolerance: Number = None
    rule: str | None = None
    source: str = ""
    suggestion: str = ""


class Summary(Record):
    """The model as a whole.

    `parameters` counts elements, shared ones once; `tensors` counts parameters; `bytes` are those
    of the parameters in `dtype`; `flops` are those of one example's forward pass. `methods_used`
    counts parameters, `normalizations_applied` lists blocks (or weights) by method.
    """

    parameters: int
    tensors: int
    bytes: int
    flops: int
    seed: int
    dtype: str
    methods_used: dict[str, int]
    normalizations_applied: dict[str, Items[str]]
    unnormalized: Items[str]
    aliases: int


class Report(Document):
    """Everything that is known about a built model."""

    format: Literal[1] = 1
    name: str
    summary: Summary
    parameters: Items[ParameterRecord]
    outputs: Items[OutputRecord]
    batch: BatchRecord | None
    vocabulary: Items[VocabularyRecord]
    findings: Items[Finding]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> Verdict:
        """`healthy` unless a finding is an error."""
        return "unhealthy" if self.issues else "healthy"

    @property
    def is_healthy(self) -> bool:
        """Whether no finding is an error."""
        return not self.issues

    @property
    def issues(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(f for f in self.findings if f.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are warnings."""
        return tuple(f for f in self.findings if f.severity == "warning")
