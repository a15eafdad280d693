"""A small report with everything in it."""

from __future__ import annotations

import pytest

from seobuilder.recipe.change import Change
from seobuilder.report.model import (
    BatchRecord,
    Finding,
    OutputRecord,
    Report,
    Summary,
    VocabularyRecord,
)
from seobuilder.report.parameters import ParameterRecord, RuleRecord, Statistics
from seobuilder.report.probes import AttentionRecord, Probes, SignalRecord, StepRecord


def parameter(name: str, std: float | None, place: str = "intent.yaml:21") -> ParameterRecord:
    return ParameterRecord(
        name=name,
        stored=(name,),
        aliases=("pages.tokens.weight",) if name.startswith("words") else (),
        shape=(1024, 256),
        dtype="float32",
        role="embedding",
        layer="embedding",
        method="normal",
        declared="normal(0, 0.02)",
        declared_mean=0.0,
        declared_std=0.02,
        measured=Statistics(
            count=262144,
            mean=std and std / 100,
            std=std,
            min=std and -5 * std,
            max=std and 5 * std,
            l1=std,
            l2=std,
            zeros=0,
            nan=0 if std else 262144,
            inf=0,
        ),
        fan_in=1,
        fan_out=256,
        gain=None,
        gain_convention=None,
        reparametrization=None,
        rule=RuleRecord(place=place, text='- {match: "a|b", role: embedding}'),
        losing=(RuleRecord(place="intent.yaml:30", text="- {match: '**'}"),),
    )


@pytest.fixture
def report() -> Report:
    return Report(
        name="search_intent",
        summary=Summary(
            parameters=6_912_345,
            tensors=3,
            bytes=27_649_380,
            flops=1_234_567_890,
            seed=7,
            dtype="float32",
            methods_used={"normal": 3},
            normalizations_applied={"rms_norm": ("encoder.blocks.0",)},
            unnormalized=("facts.0",),
            aliases=1,
        ),
        graph=(),
        parameters=(
            parameter("words.tokens.weight", 0.0201),
            parameter("other.weight", None, "intent.yaml:22"),
            parameter("third.weight", 0.03),
        ),
        outputs=(
            OutputRecord(name="intent", kind="classification", loss=1.5, chance=1.386, rows=64),
            OutputRecord(name="clicks", kind="regression", loss=float("nan"), chance=1.0, rows=64),
        ),
        batch=BatchRecord(source="search_intent.csv", rows=64),
        vocabulary=(VocabularyRecord(input="query", rows=1024, unused=12),),
        probes=Probes(
            signals=(
                SignalRecord(
                    name="words",
                    kind="token_embedding",
                    depth=0,
                    width=256,
                    mean=0.0,
                    variance=0.0004,
                    expected=0.0004,
                    low=0.0003,
                    high=0.0005,
                    gradient=0.02,
                ),
                SignalRecord(
                    name="intent",
                    kind="classification",
                    depth=1,
                    width=4,
                    mean=0.1,
                    variance=0.5,
                    expected=0.1,
                    low=0.05,
                    high=0.2,
                    gradient=0.3,
                    similarity=0.25,
                    dead=0.0,
                    dead_expected=0.0,
                ),
            ),
            attention=(
                AttentionRecord(
                    name="encoder.blocks.0.attention",
                    heads=8,
                    logit_std=0.3,
                    logit_max=1.2,
                    entropy=2.1,
                    uniform=2.2,
                ),
            ),
            parameters=(StepRecord(name="third.weight", gradient=0.01, update=0.002, wakes=0),),
            learning_rate=0.0003,
            steps=2,
            losses=(1.5, 1.4, 1.3),
        ),
        findings=(
            Finding(
                code="H005",
                severity="error",
                place="third.weight",
                message="the standard deviation is not that of normal(0, 0.02)",
                measured=0.03,
                expected=0.02,
                tolerance=0.0001,
                rule="intent.yaml:21",
                source="z-test",
                suggestion="use `a|b` | [bold]not[/bold] *this*",
                changes=(
                    Change(
                        action="set",
                        file="intent.yaml",
                        path=("initialization", 2, "std"),
                        yaml="0.03",
                    ),
                    Change(action="delete", file="intent.yaml", path=("initialization", 4)),
                ),
            ),
            Finding(code="P301", severity="warning", place="encoder", message="two norms in a row"),
        ),
    )
