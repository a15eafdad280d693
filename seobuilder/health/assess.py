"""A built model and its plan, turned into a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seobuilder.health.checks import TESTS, check_duplicates, check_outputs, check_parameter
from seobuilder.health.histogram import histogram
from seobuilder.health.mender import Mender
from seobuilder.health.mends import mended
from seobuilder.health.probes.findings import check_probes
from seobuilder.health.probes.rehearsal import check_rehearsal
from seobuilder.health.size_checks import check_sizes
from seobuilder.health.spectral_checks import SIGMA_ERROR, check_spectral_norm
from seobuilder.health.spectrum import as_matrices, declared_edges, spectrum
from seobuilder.health.statistics import measure
from seobuilder.health.subject import Subject
from seobuilder.norm.reparametrization import divisor, locate, plain_name
from seobuilder.planning.distributions import Orthogonal
from seobuilder.planning.gains import MEANING
from seobuilder.planning.model import Assignment, Node, Plan, RuleReference
from seobuilder.recipe.diagnostics import Diagnostic
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.report.model import (
    BatchRecord,
    Finding,
    ModuleRecord,
    OutputRecord,
    Report,
    Summary,
    VocabularyRecord,
)
from seobuilder.report.parameters import ParameterRecord, RuleRecord, Spectrum, Statistics
from seobuilder.report.probes import Probes


@torch.no_grad()
def assess(
    model: nn.Module,
    plan: Plan,
    *,
    outputs: Sequence[OutputRecord] = (),
    batch: BatchRecord | None = None,
    vocabulary: Sequence[VocabularyRecord] = (),
    probes: Probes | None = None,
    loaded: LoadedRecipe | None = None,
) -> Report:
    """Measure every parameter of `model`, hold it against `plan`, and report.

    `model` is the module compiled from `plan`, with its weights drawn. `outputs`, `batch`,
    `vocabulary` and `probes` are what the caller learned by running data through it. The plan's own
    warnings are among the findings. With `loaded`, the recipe that was planned, findings say what
    to change in it.
    """
    findings = [planned(warning) for warning in plan.warnings]
    subjects = []
    for assignment in plan.assignments:
        weight = drawn_weight(model, assignment)
        subject, drawn = _subject(assignment, weight)
        findings += check_parameter(subject, drawn, TESTS * len(plan.assignments))
        findings += _check_spectral_norm(model, assignment, subject.record)
        subjects.append(subject)
    stored = {s.record.name: a for s, a in zip(subjects, plan.assignments, strict=True)}
    findings += check_duplicates(subjects, lambda r: drawn_weight(model, stored[r.name]))
    findings += check_outputs(outputs)
    findings += check_probes(probes, plan, outputs) if probes else ()
    findings += check_rehearsal(probes.rehearsal) if probes else ()
    findings += check_sizes(plan)
    if loaded is not None:
        findings = mended(Mender(loaded, plan, findings, probes))
    return Report(
        name=plan.name,
        summary=_summary(plan),
        graph=_graph(plan),
        parameters=tuple(subject.record for subject in subjects),
        outputs=tuple(outputs),
        batch=batch,
        vocabulary=tuple(vocabulary),
        probes=probes,
        findings=tuple(findings),
    )


def drawn_weight(model: nn.Module, assignment: Assignment) -> Tensor:
    """The tensor that the rule's distribution describes, in its logical shape.

    Under weight norm that is the effective weight. Spectral norm changes the scale on purpose
    (and its state, when it is read in training mode), so the stored original is the one.
    """
    stored = assignment.parameter.stored[0]
    reparametrization = assignment.reparametrization
    if reparametrization is not None and reparametrization.method == "weight_norm":
        owner, _, rest = stored.partition("parametrizations.")
        effective = getattr(model.get_submodule(owner.removesuffix(".")), rest.split(".")[0])
        assert isinstance(effective, Tensor)
        return effective
    return model.get_parameter(stored)


def _subject(assignment: Assignment, weight: Tensor) -> tuple[Subject, Tensor]:
    """What the checks look at, and the weight without its padding row."""
    parameter = assignment.parameter
    assert tuple(weight.shape) == parameter.shape, f"{parameter.name} has another shape"
    drawn = weight
    if (padding := parameter.padding_row) is not None:
        drawn = weight[1:] if padding == 0 else torch.cat([weight[:padding], weight[padding + 1 :]])
    subject = Subject(
        record=_record(assignment, weight, drawn),
        distribution=assignment.distribution,
        resolution=torch.finfo(weight.dtype).eps,
        zeroed=weight.numel() - drawn.numel(),
        parameter=parameter,
    )
    return subject, drawn


def _check_spectral_norm(
    model: nn.Module, assignment: Assignment, record: ParameterRecord
) -> list[Finding]:
    chosen = assignment.reparametrization
    if chosen is None or chosen.method != "spectral_norm":
        return []
    module, tensor_name = locate(model, plain_name(assignment.parameter.stored[0]))
    matrix, sigma = divisor(module, tensor_name)
    found = spectrum(matrix.unsqueeze(0), record.measured, error=SIGMA_ERROR)
    return [] if found is None else check_spectral_norm(record, sigma, found)


def _record(assignment: Assignment, tensor: Tensor, drawn: Tensor) -> ParameterRecord:
    parameter, distribution = assignment.parameter, assignment.distribution
    fans = parameter.fans
    measured = measure(tensor)
    moments = distribution.moments(parameter.shape)
    mean, std = (None, None) if moments is None else moments
    reparametrization = assignment.reparametrization
    return ParameterRecord(
        name=parameter.name,
        stored=parameter.stored,
        aliases=parameter.aliases,
        shape=parameter.shape,
        dtype=str(tensor.dtype).removeprefix("torch."),
        role=parameter.role,
        layer=parameter.layer,
        method=assignment.method,
        declared=distribution.describe(),
        declared_mean=mean,
        declared_std=std,
        measured=measured,
        histogram=histogram(drawn, measured, distribution, parameter.shape),
        spectrum=_spectrum(tensor, drawn, measured, assignment),
        fan_in=None if fans is None else fans.fan_in,
        fan_out=None if fans is None else fans.fan_out,
        gain=assignment.gain,
        gain_convention=MEANING[assignment.convention] if assignment.convention else None,
        reparametrization=None if reparametrization is None else reparametrization.method,
        rule=_rule(assignment.rule),
        losing=tuple(map(_rule, assignment.losing)),
    )


def _spectrum(
    weight: Tensor, drawn: Tensor, measured: Statistics, assignment: Assignment
) -> Spectrum | None:
    """Singular values of a weight of two axes or more; a vector has none."""
    if drawn.ndim < 2:
        return None
    matrices = as_matrices(drawn, assignment.parameter, assignment.distribution)
    shape = (matrices.shape[1], matrices.shape[2])
    edges = declared_edges(assignment.distribution, shape)
    if isinstance(assignment.distribution, Orthogonal) and drawn.shape != weight.shape:
        edges = None  # without one of its rows a tall matrix is not orthogonal
    return spectrum(matrices, measured, edges)


def _summary(plan: Plan) -> Summary:
    return Summary(
        parameters=plan.parameter_count,
        tensors=len(plan.assignments),
        bytes=plan.parameter_bytes,
        flops=plan.flops,
        seed=plan.seed,
        dtype=plan.dtype,
        methods_used=dict(sorted(Counter(a.method for a in plan.assignments).items())),
        normalizations_applied=dict(sorted(plan.normalizations.items())),
        unnormalized=plan.unnormalized,
        aliases=sum(len(a.parameter.aliases) for a in plan.assignments),
    )


def _graph(plan: Plan) -> tuple[ModuleRecord, ...]:
    """Inputs, modules and outputs in the order of their evaluation."""
    settings = plan.root.settings
    nodes = {child.name: child for child in plan.root.children}
    owned = Counter[str]()
    for assignment in plan.assignments:
        owned[assignment.parameter.name.partition(".")[0]] += assignment.parameter.count
    records = [
        ModuleRecord(name=name, section="inputs", kind=kind, sources=(), parameters=0, flops=0)
        for name, kind, _ in settings["inputs"]
    ]
    for name, owner, sources, _ in settings["steps"]:
        records.append(
            ModuleRecord(
                name=name,
                section="outputs" if name in settings["outputs"] else "modules",
                kind=_kind(nodes[owner]),
                sources=sources,
                parameters=owned[name],
                flops=sum(node.flops for node in nodes[owner].walk()),
                shares=None if owner == name else owner,
            )
        )
    return tuple(records)


def _kind(node: Node) -> str:
    """What a node is, or what it is a stack of."""
    return node.children[0].kind.removesuffix("_block") if node.kind == "stack" else node.kind


def _rule(rule: RuleReference) -> RuleRecord:
    return RuleRecord(place=rule.mark.place, text=rule.text, preset=rule.preset)


def planned(diagnostic: Diagnostic) -> Finding:
    """What the plan says, as a finding."""
    return Finding(
        code=diagnostic.code,
        severity=diagnostic.severity,
        place=diagnostic.path,
        message=diagnostic.message,
        rule=None if diagnostic.mark is None else diagnostic.mark.place,
        suggestion=diagnostic.help,
        changes=diagnostic.changes,
    )
