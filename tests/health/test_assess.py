"""A model held against its plan."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from seobuilder.health.assess import assess
from seobuilder.init.draw import draw
from seobuilder.norm.reparametrization import settle
from seobuilder.planning.distributions import Constant, Distribution, Normal, Orthogonal
from seobuilder.planning.model import (
    Assignment,
    Fans,
    Node,
    Parameter,
    Plan,
    Reparametrization,
    RuleReference,
)
from seobuilder.recipe.diagnostics import Diagnostic, Mark
from seobuilder.report.model import BatchRecord, OutputRecord, VocabularyRecord

RULE = RuleReference(3, "- {match: '**.weight'}", Mark("/home/someone/recipes/intent.yaml", 21, 5))


def assignment(
    name: str,
    shape: tuple[int, ...],
    distribution: Distribution,
    stored: tuple[str, ...] = (),
    padding_row: int | None = None,
    reparametrization: Literal["weight_norm", "spectral_norm"] | None = None,
) -> Assignment:
    parameter = Parameter(
        name,
        stored or (name,),
        shape,
        "weight",
        "linear",
        fans=Fans(shape[-1], shape[0]),
        padding_row=padding_row,
        aliases=("twin.weight",) if name.startswith("table") else (),
    )
    attached = reparametrization and Reparametrization(reparametrization, {}, RULE)
    losing = (RuleReference(4, "- {role: weight}", Mark("base.yaml", 3, 1), "gpt2"),)
    return Assignment(
        parameter, distribution.family, distribution, RULE, losing, reparametrization=attached
    )


def plan(*assignments: Assignment) -> Plan:
    table = Node("table", "stack", children=(Node("0", "mlp_block", flops=3),))
    settings = {
        "inputs": (("query", "tokens", 0),),
        "steps": (("table", "table", ("query",), None), ("again", "table", ("query",), None)),
        "outputs": ("again",),
    }
    root = Node("", "model", settings, (table,), flops=10)
    return Plan("intent", 7, "float32", root, assignments, {"rms_norm": ("a", "b")}, ("c",))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.table = nn.Embedding(40, 64, padding_idx=0)
        self.first, self.second, self.third = (nn.Linear(64, 64) for _ in range(3))
        for module in self.children():
            nn.init.normal_(module.weight, std=0.1, generator=generator)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.table.weight[0] = 0
        self.second = parametrizations.weight_norm(self.second)
        self.third = parametrizations.spectral_norm(self.third)
        settle(self.third, "weight", torch.randn(64, generator=generator))


DRAWN = Normal(0, 0.1)
SECOND = tuple(f"second.parametrizations.weight.original{i}" for i in (0, 1))
PLAN = plan(
    assignment("table.weight", (40, 64), DRAWN, padding_row=0),
    assignment("first.weight", (64, 64), DRAWN),
    assignment("first.bias", (64,), Constant(0)),
    assignment("second.weight", (64, 64), DRAWN, SECOND, reparametrization="weight_norm"),
    assignment("second.bias", (64,), Constant(0)),
    assignment(
        "third.weight",
        (64, 64),
        DRAWN,
        ("third.parametrizations.weight.original",),
        reparametrization="spectral_norm",
    ),
    assignment("third.bias", (64,), Constant(0)),
)


def test_a_sound_model_is_healthy() -> None:
    report = assess(Model(), PLAN)
    assert report.findings == () and report.is_healthy and report.verdict == "healthy"
    summary = report.summary
    assert (summary.parameters, summary.tensors) == (40 * 64 + 3 * 64 * 65, 7)
    assert summary.methods_used == {"constant": 3, "normal": 4}
    assert [(r.name, r.section, r.kind, r.shares, r.flops) for r in report.graph] == [
        ("query", "inputs", "tokens", None, 0),
        ("table", "modules", "mlp", None, 3),
        ("again", "outputs", "mlp", "table", 3),
    ]
    assert summary.normalizations_applied == {"rms_norm": ("a", "b")}
    assert (summary.bytes, summary.flops, summary.aliases) == (summary.parameters * 4, 13, 1)
    assert [p.name for p in report.parameters] == [a.parameter.name for a in PLAN.assignments]


def test_a_record_holds_rule_losers_and_fans_without_folders() -> None:
    record = assess(Model(), PLAN).parameters[0]
    assert record.rule.place == "intent.yaml:21"
    assert [(r.place, r.preset) for r in record.losing] == [("base.yaml:3", "gpt2")]
    assert (record.fan_in, record.fan_out, record.declared_std) == (64, 40, 0.1)
    assert record.declared == "normal(0, 0.1)"


def test_the_effective_weight_is_measured_under_weight_norm() -> None:
    model = Model()
    with torch.no_grad():
        model.second.parametrizations.weight.original0.mul_(2)
    report = assess(model, PLAN)
    assert [(f.code, f.place) for f in report.issues] == [("H005", "second.weight")]
    assert report.issues[0].measured == pytest.approx(0.2, rel=0.05)


def test_spectral_norm_is_measured_before_it_scales_and_is_left_as_it_was() -> None:
    model = Model()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    std = assess(model, PLAN).parameters[5].measured.std
    assert std == pytest.approx(0.1, rel=0.05)
    after = model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_faults_make_the_model_unhealthy() -> None:
    model = Model()
    with torch.no_grad():
        model.first.weight.mul_(1.5)
        model.first.bias[3] = torch.nan
        model.third.parametrizations.weight.original.copy_(model.second.weight)
    report = assess(model, PLAN)
    assert [(f.code, f.place) for f in report.findings] == [
        ("H005", "first.weight"),
        ("H001", "first.bias"),
        ("H013", "third.weight"),  # its singular vectors were not copied
        ("H004", "third.weight"),
    ]
    assert not report.is_healthy and report.verdict == "unhealthy"


def test_outputs_batch_vocabulary_and_the_plans_warnings_are_reported() -> None:
    warned = replace(
        PLAN,
        warnings=(
            Diagnostic(
                "P301", "two norms in a row", Mark("x/r.yaml", 4, 1), "a", "warning", "drop"
            ),
        ),
    )
    batch = BatchRecord(source="intent.csv", rows=64)
    vocabulary = (VocabularyRecord(input="query", rows=40, unused=3),)
    output = OutputRecord(name="intent", kind="classification", loss=9.0, chance=1.4, rows=64)
    report = assess(Model(), warned, outputs=[output], batch=batch, vocabulary=vocabulary)
    assert [(f.code, f.place, f.rule) for f in report.warnings] == [
        ("P301", "a", "r.yaml:4"),
        ("H010", "intent", None),
    ]
    assert report.is_healthy
    assert (report.outputs, report.batch, report.vocabulary) == ((output,), batch, vocabulary)


def test_the_same_model_gives_the_same_report() -> None:
    assert assess(Model(), PLAN) == assess(Model(), PLAN)


def test_an_orthogonal_table_without_its_padding_row_is_no_finding() -> None:
    table = nn.Module()
    table.table = nn.Embedding(12, 8, padding_idx=0)
    orthogonal = assignment("table.weight", (12, 8), Orthogonal(), padding_row=0)
    with torch.no_grad():
        table.table.weight.copy_(draw(Orthogonal(), (12, 8), name="t", seed=0, padding_row=0))
    report = assess(table, plan(orthogonal))
    assert report.findings == ()
    spectrum = report.parameters[0].spectrum
    assert spectrum is not None and (spectrum.rows, spectrum.edges) == (11, None)


def test_matrices_have_a_spectrum_and_what_varies_a_histogram() -> None:
    records = {record.name: record for record in assess(Model(), PLAN).parameters}
    first, bias = records["first.weight"], records["first.bias"]
    assert first.spectrum is not None and first.spectrum.edges == pytest.approx((0, 1.6))
    assert first.histogram is not None and first.histogram.expected is not None
    assert sum(first.histogram.expected) == pytest.approx(64 * 64, rel=1e-3)
    assert bias.spectrum is None and bias.histogram is None
