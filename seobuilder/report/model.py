"""The report: what was built, by which rule, what was expected, and what was measured.

A report holds nothing that changes from run to run (no time, no duration, no absolute path), so
that the same recipe gives the same bytes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import computed_field

from seobuilder.recipe.change import Change
from seobuilder.report.parameters import ParameterRecord
from seobuilder.report.probes import Probes
from seobuilder.report.record import Document, Items, Number, Record
from seobuilder.report.score import UNHEALTHY, score

Severity = Literal["error", "warning", "info"]
Verdict = Literal["healthy", "unhealthy"]


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
    """A tokens input: the rows of its table, and how many no token of the tokenizer refers to.

    `trained` tells a tokenizer that was trained here from a given one.
    """

    input: str
    rows: int
    unused: int
    trained: bool = False


class ModuleRecord(Record):
    """One node of the graph: an input, a module or an output, and what it reads.

    `shares` names the module whose parameters it shares; `parameters` are those that it owns.
    """

    name: str
    section: Literal["inputs", "modules", "outputs"]
    kind: str
    sources: Items[str]
    parameters: int
    flops: int
    shares: str | None = None


class Finding(Record):
    """What a check found.

    `place` is a logical name; `measured`, `expected` and `tolerance` are the evidence, in the unit
    that `message` names: `expected` is what was declared, or what a sound model has there, and
    `tolerance` how far from it is let pass (of steps in training, how many times as much; where
    nothing is expected, the limit itself). `rule` is `file:line`; `source` says where the check
    comes from; `suggestion` says what to do in words, and `changes` are the edits of the recipe
    that do it.
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
    changes: Items[Change] = ()


class Summary(Record):
    """The model as a whole.

    `parameters` counts elements, shared ones once; `tensors` counts parameters; `bytes` are those
    of the parameters in `dtype`, which lists all that occur; `flops` are those of one example's
    forward pass. `methods_used` counts parameters, `normalizations_applied` lists blocks (or
    weights) by method. A model that no recipe made has neither flops nor seed.
    """

    parameters: int
    tensors: int
    bytes: int
    flops: int | None
    seed: int | None
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
    graph: Items[ModuleRecord]
    parameters: Items[ParameterRecord]
    outputs: Items[OutputRecord]
    batch: BatchRecord | None
    vocabulary: Items[VocabularyRecord]
    probes: Probes | None = None
    findings: Items[Finding]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def score(self) -> float:
        """The risk, from 0 to 1, that training falls short, by what was found."""
        return score(self.findings, self.probes.rehearsal if self.probes else ())

    @computed_field  # type: ignore[prop-decorator]
    @property
    def verdict(self) -> Verdict:
        """`unhealthy` where there is an error, or the score is 0.5 or more; else `healthy`."""
        return "unhealthy" if self.issues or self.score >= UNHEALTHY else "healthy"

    @property
    def is_healthy(self) -> bool:
        """Whether the verdict is `healthy`."""
        return self.verdict == "healthy"

    @property
    def issues(self) -> tuple[Finding, ...]:
        """The findings that are errors."""
        return tuple(f for f in self.findings if f.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The findings that are warnings."""
        return tuple(f for f in self.findings if f.severity == "warning")
