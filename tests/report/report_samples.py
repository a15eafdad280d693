"""Reports with numbers in every place, as a transformer of any depth would give them."""

from __future__ import annotations

from itertools import pairwise
from math import erf, exp, log, sqrt

from seobuilder.recipe.change import Change
from seobuilder.report.model import (
    BatchRecord,
    Finding,
    ModuleRecord,
    OutputRecord,
    Report,
    Summary,
    VocabularyRecord,
)
from seobuilder.report.parameters import (
    Histogram,
    ParameterRecord,
    RuleRecord,
    Spectrum,
    Statistics,
)
from seobuilder.report.probes import (
    AttentionRecord,
    CoordinateRecord,
    Probes,
    SignalRecord,
    StepRecord,
)

FILE = "search_intent.yaml"
RULES = {
    "zeros": RuleRecord(place=f"{FILE}:36", text='{match: "**.bias", method: zeros}'),
    "ones": RuleRecord(place=f"{FILE}:37", text="{role: norm_scale, method: ones}"),
    "normal": RuleRecord(
        place=f"{FILE}:38",
        text='{role: residual_out, method: normal, std: "0.02 / sqrt(2 * depth)"}',
    ),
    "truncated_normal": RuleRecord(
        place=f"{FILE}:39",
        text="{role: [embedding, position], method: truncated_normal, std: 0.02}",
    ),
    "orthogonal": RuleRecord(
        place=f"{FILE}:41", text='{match: "**.weight", method: orthogonal}', preset="bert"
    ),
}
STDS = {"zeros": 0.0, "ones": 0.0, "normal": 0.007, "truncated_normal": 0.02, "orthogonal": 0.072}
BINS = 33


def deep_report(blocks: int = 4, *, faults: int = 2) -> Report:
    """A transformer of `blocks` blocks, 13 parameters in each and 8 around them.

    Of its findings, `faults` are of one rule, and a few more of each other sort, if there are any.
    """
    parameters = (
        _parameter("words.tokens.weight", (1024, 192), "truncated_normal", "embedding"),
        _parameter("words.positions.weight", (32, 192), "truncated_normal", "position"),
        *(parameter for block in range(blocks) for parameter in _block(block)),
        _parameter("encoder.final_norm.weight", (192,), "ones", "norm_scale"),
        _parameter("summary.score.weight", (1, 192), "orthogonal", "weight"),
        _parameter("intent.linear.weight", (4, 192), "normal", "head"),
        _parameter("intent.linear.bias", (4,), "zeros", "bias"),
    )
    elements = sum(parameter.measured.count for parameter in parameters)
    return Report(
        name="search_intent",
        summary=Summary(
            parameters=elements,
            tensors=len(parameters),
            bytes=4 * elements,
            flops=64 * elements,
            seed=7,
            dtype="float32",
            methods_used=dict.fromkeys(RULES, 1 + blocks),
            normalizations_applied={
                "rms_norm": tuple(f"encoder.blocks.{i}" for i in range(blocks))
            },
            unnormalized=("facts.0",),
            aliases=1,
        ),
        graph=_graph(elements),
        parameters=parameters,
        outputs=(
            OutputRecord(name="intent", kind="classification", loss=1.411, chance=1.386, rows=64),
            OutputRecord(name="clicks", kind="regression", loss=0.98, chance=1.0, rows=64),
        ),
        batch=BatchRecord(source="search_intent.csv", rows=64),
        vocabulary=(VocabularyRecord(input="query", rows=1024, unused=12),),
        probes=_probes(blocks, parameters),
        findings=_findings(parameters, faults) if faults else (),
    )


def _block(index: int) -> list[ParameterRecord]:
    name = f"encoder.blocks.{index}"
    shapes = {
        "attention.query": (192, 192),
        "attention.key": (192, 192),
        "attention.value": (192, 192),
        "attention.output": (192, 192),
        "ffn.up": (768, 192),
        "ffn.down": (192, 768),
    }
    records = [_parameter(f"{name}.attention_norm.weight", (192,), "ones", "norm_scale")]
    for part, shape in shapes.items():
        last = part.endswith(("output", "down"))
        method, role = ("normal", "residual_out") if last else ("orthogonal", "weight")
        records.append(_parameter(f"{name}.{part}.weight", shape, method, role))
        records.append(_parameter(f"{name}.{part}.bias", shape[:1], "zeros", "bias"))
    return records


def _parameter(name: str, shape: tuple[int, ...], method: str, role: str) -> ParameterRecord:
    count, std = 1, STDS[method]
    for size in shape:
        count *= size
    mean = 1.0 if method == "ones" else 0.0
    random = std > 0
    measured_std = std * (1 + 1 / sqrt(count)) if random else 0.0
    rule = RULES[method]
    return ParameterRecord(
        name=name,
        stored=(name,),
        aliases=("pages.tokens.weight",) if name == "words.tokens.weight" else (),
        shape=shape,
        dtype="float32",
        role=role,
        layer=name.split(".")[-2],
        method=method,
        declared=f"{method}(0, {std})" if random else method,
        declared_mean=mean,
        declared_std=std,
        measured=Statistics(
            count=count,
            mean=mean + std / 100,
            std=measured_std,
            min=mean - 4.2 * std,
            max=mean + 4.4 * std,
            l1=0.8 * std * count or mean * count,
            l2=std * sqrt(count) or mean * sqrt(count),
            zeros=count if method == "zeros" else 0,
            nan=0,
            inf=0,
        ),
        histogram=_histogram(count, std) if random else None,
        spectrum=_spectrum(shape, std) if random and len(shape) == 2 and shape[0] > 4 else None,
        fan_in=shape[-1] if len(shape) > 1 else None,
        fan_out=shape[0] if len(shape) > 1 else None,
        gain=1.0 if method == "orthogonal" else None,
        reparametrization=None,
        rule=rule,
        losing=tuple(other for other in RULES.values() if other.place > rule.place)[:2],
    )


def _histogram(count: int, std: float) -> Histogram:
    low, high = -4.2 * std, 4.4 * std
    edges = [low + (high - low) * i / BINS for i in range(BINS + 1)]
    below = [(1 + erf(edge / std / sqrt(2))) / 2 for edge in edges]
    expected = tuple(count * (right - left) for left, right in pairwise(below))
    counts = tuple(
        max(0, round(value + (i * 7 % 5 - 2) * sqrt(value) / 2)) for i, value in enumerate(expected)
    )
    return Histogram(low=low, high=high, counts=counts, expected=expected)


def _spectrum(shape: tuple[int, ...], std: float) -> Spectrum:
    rows, columns = shape
    edges = (
        std * abs(sqrt(rows) - sqrt(columns)),
        std * (sqrt(rows) + sqrt(columns)),
    )
    values = tuple(edges[1] - (edges[1] - edges[0]) * sqrt(i / 63) for i in range(64))
    return Spectrum(
        rows=rows,
        columns=columns,
        largest=values[0],
        smallest=values[-1],
        method="exact",
        error=None,
        values=values,
        edges=edges,
    )


def _graph(elements: int) -> tuple[ModuleRecord, ...]:
    def module(name: str, kind: str, sources: tuple[str, ...], share: float) -> ModuleRecord:
        section = "outputs" if name in ("intent", "clicks") else "modules"
        return ModuleRecord(
            name=name,
            section=section if sources else "inputs",  # type: ignore[arg-type]
            kind=kind,
            sources=sources,
            parameters=round(share * elements),
            flops=round(64 * share * elements),
        )

    return (
        module("query", "tokens", (), 0),
        module("page", "features", (), 0),
        module("device", "category", (), 0),
        module("words", "token_embedding", ("query",), 0.1),
        module("encoder", "transformer", ("words",), 0.8),
        module("summary", "pool", ("encoder",), 0.01),
        module("facts", "mlp", ("page",), 0.05),
        module("device_vector", "category_embedding", ("device",), 0.01),
        module("joined", "concat", ("summary", "facts", "device_vector"), 0),
        module("shared", "mlp", ("joined",), 0.02),
        module("intent", "classification", ("shared",), 0.01),
        module("clicks", "regression", ("shared", "facts"), 0),
    )


def _probes(blocks: int, parameters: tuple[ParameterRecord, ...]) -> Probes:
    names = [
        ("words", "token_embedding"),
        *((f"encoder.blocks.{i}", "transformer_block") for i in range(blocks)),
        ("encoder", "transformer"),
        ("summary", "pool"),
        ("facts.0", "mlp_block"),
        ("facts.1", "mlp_block"),
        ("joined", "concat"),
        ("shared", "mlp"),
        ("intent", "classification"),
    ]
    return Probes(
        signals=tuple(
            _signal(depth, name, kind, len(names)) for depth, (name, kind) in enumerate(names)
        ),
        attention=tuple(
            AttentionRecord(
                name=f"encoder.blocks.{i}.attention",
                heads=6,
                logit_std=0.31 + 0.01 * i,
                logit_max=1.7 + 0.1 * i,
                entropy=log(9) * exp(-0.02 * (i + 1)),
                uniform=log(9),
            )
            for i in range(blocks)
        ),
        parameters=tuple(
            StepRecord(
                name=parameter.name,
                gradient=0.02 / (1 + index),
                update=None if parameter.method == "zeros" else 0.003,
                wakes=2 if index == 3 else None if index == 4 else 0,
            )
            for index, parameter in enumerate(parameters)
        ),
        learning_rate=3e-4,
        steps=5,
        losses=(2.391, 2.31, 2.19, 2.08, 1.98, 1.91),
        coordinates=(
            CoordinateRecord(name="encoder", factor=0.5, step=4, change=0.31),
            CoordinateRecord(name="encoder", factor=1.0, step=4, change=0.33),
            CoordinateRecord(name="encoder", factor=2.0, step=4, change=0.34),
        ),
    )


def _signal(depth: int, name: str, kind: str, count: int) -> SignalRecord:
    expected = 0.0008 * 1.6 ** min(depth, 12)
    gradient = 0.004 * 0.8**depth
    reach = 1.2 + 0.05 * depth
    relu = name.startswith("facts")
    stray = 3.4 if depth == count // 2 else 1.0
    return SignalRecord(
        name=name,
        kind=kind,
        depth=depth,
        width=192,
        mean=0.001 * depth,
        variance=expected * (1 + 0.02 * (depth % 3)) * stray,
        expected=expected,
        low=expected / reach,
        high=expected * reach,
        gradient=gradient * (1 + 0.05 * (depth % 4)),
        gradient_expected=gradient,
        gradient_low=gradient / reach,
        gradient_high=gradient * reach,
        similarity=min(0.95, 0.05 + 0.04 * depth),
        dead=0.12 if relu else 0.0,
        dead_expected=0.1 if relu else 0.0,
    )


def _findings(parameters: tuple[ParameterRecord, ...], faults: int) -> tuple[Finding, ...]:
    change = Change(
        action="set", file=FILE, path=("initialization", 2, "std"), yaml='"0.02 / sqrt(depth)"'
    )
    wrong = [p for p in parameters if p.method == "normal"][:faults]
    return (
        Finding(
            code="P301",
            severity="warning",
            place="encoder.blocks.0",
            message="two norms stand in a row",
            rule=f"{FILE}:30",
            suggestion="leave one out",
            changes=(
                Change(action="delete", file=FILE, path=("normalization", 1)),
                Change(
                    action="insert",
                    file=FILE,
                    path=("initialization", 3),
                    yaml='{match: "facts.**.weight", method: kaiming_normal, nonlinearity: relu}',
                ),
            ),
        ),
        *(
            Finding(
                code="H005",
                severity="error",
                place=p.name,
                message="the standard deviation is not that of normal(0, 0.007)",
                measured=0.0201,
                expected=0.007,
                tolerance=0.0001,
                rule=None if p.rule is None else p.rule.place,
                source="z-test at 0.001 over the report, relative standard error 1/sqrt(2 n)",
                suggestion="state the standard deviation that was meant",
                changes=(change,),
            )
            for p in wrong
        ),
        Finding(
            code="H006",
            severity="error",
            place="words.tokens.weight",
            message="the mean is not that of truncated_normal(0, 0.02)",
            measured=0.0013,
            expected=0.0,
            tolerance=0.0002,
            rule=f"{FILE}:39",
            suggestion="draw it again",
        ),
        Finding(
            code="H010",
            severity="warning",
            place="intent",
            message="the loss before training is far above that of guessing",
            measured=2.9,
            expected=1.386,
            tolerance=0.5,
        ),
        Finding(code="H090", severity="info", place="initialization[4]", message="keeps a default"),
    )
