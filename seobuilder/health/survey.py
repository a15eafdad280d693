"""A model or a weights file that no recipe made, turned into a report.

Nothing is declared, so nothing is held against a declaration: what can be measured is measured, and
findings are what is wrong, or looks odd, in any model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from seobuilder.building.describe import describe
from seobuilder.errors import InvalidArgument
from seobuilder.health.checks import check_duplicates, check_finite
from seobuilder.health.histogram import histogram
from seobuilder.health.probes.undeclared import check_undeclared
from seobuilder.health.spectrum import as_matrices, spectrum
from seobuilder.health.statistics import measure
from seobuilder.health.subject import Subject
from seobuilder.planning.model import Parameter
from seobuilder.report.model import Finding, Report, Summary
from seobuilder.report.parameters import ParameterRecord
from seobuilder.report.probes import Probes

BUFFER = "buffer"
"""The role of state that is not learned."""

PACKED = "float4_e2m1fn_x2"
"""A dtype with two numbers in an element, which torch does not take apart, and has since 2.8."""


@dataclass(frozen=True, slots=True)
class Found:
    """A tensor under its first name; `read` gives it, from a file each time anew.

    `parameter` says what it is for, where a module's layers tell.
    """

    name: str
    layer: str
    read: Callable[[], Tensor]
    role: str | None = None
    aliases: tuple[str, ...] = ()
    parameter: Parameter | None = None


def tensors_of(model: nn.Module) -> Iterator[Found]:
    """Parameters and buffers of a module, each once, with the other names that it has.

    Raises:
        InvalidArgument: a lazy module has no shapes yet.
    """
    known = {p.stored[0]: p for p in describe(model).known if len(p.stored) == 1}
    names: dict[int, list[str]] = {}
    first: dict[int, tuple[Tensor, str, str | None]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        prefix = f"{path}." if path else ""
        for role, held in ((None, module._parameters), (BUFFER, module._buffers)):
            for name, tensor in held.items():
                if tensor is not None:
                    names.setdefault(id(tensor), []).append(prefix + name)
                    first.setdefault(id(tensor), (tensor, type(module).__name__, role))
    for identity, (tensor, layer, role) in first.items():
        name, *aliases = dict.fromkeys(names[identity])
        parameter = known.get(name)
        role = role if parameter is None else parameter.role
        yield Found(name, layer, tensor.detach, role, tuple(aliases), parameter)


def tensors_in(state: Mapping[Any, Any]) -> Iterator[Found]:
    """The tensors of a checkpoint, each once, named by the keys that lead to it; else is left out.

    Those of one memory and shape are one, as in the model that they are of.
    """
    names: dict[object, list[str]] = {}
    first: dict[object, Tensor] = {}
    for name, tensor in _walk(state, ""):
        identity = _identity(tensor) or name
        names.setdefault(identity, []).append(name)
        first.setdefault(identity, tensor)
    for key, tensor in first.items():
        name, *aliases = names[key]
        yield Found(name, "tensor", tensor.detach, aliases=tuple(aliases))


def _identity(tensor: Tensor) -> object:
    """What tensors of one memory and shape have alike; None where there is no such memory."""
    if tensor.layout != torch.strided or tensor.is_nested or not tensor.data_ptr():
        return None
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


def _walk(state: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(state, Tensor):
        yield name or "tensor", state
    elif isinstance(state, Mapping | list | tuple):
        held = state.items() if isinstance(state, Mapping) else enumerate(state)
        for key, value in held:
            yield from _walk(value, f"{name}.{key}" if name else str(key))


@torch.no_grad()
def survey(
    name: str, tensors: Iterable[Found], probes: Probes | None = None, *, shapes: bool = True
) -> Report:
    """Measure tensors without a declaration, and report.

    Histograms and singular values, which take most of the time, are left out unless `shapes`.
    Sparse and quantized tensors are measured as what they stand for.

    NaN and infinities are errors, in weights and in the signals that `probes` heard. Weights that
    are constant, or equal to others, and signals that vanish, explode or become alike are warnings,
    for they may be meant.
    """
    found = {tensor.name: tensor for tensor in tensors}
    subjects = [_subject(tensor, shapes) for tensor in found.values()]
    learned = [subject for subject in subjects if subject.record.role != BUFFER]
    findings = [
        *(finding for subject in subjects for finding in check_finite(subject.record)),
        *(finding for subject in learned for finding in _constant(subject.record)),
        *(
            _doubtful(each)
            for each in check_duplicates(learned, lambda record: _real(found[record.name]))
            if _is_varied(_real(found[each.place]))
        ),
        *(check_undeclared(probes) if probes else ()),
    ]
    return Report(
        name=name,
        summary=_summary([subject.record for subject in learned]),
        graph=(),
        parameters=tuple(subject.record for subject in subjects),
        outputs=(),
        batch=None,
        vocabulary=(),
        probes=probes,
        findings=tuple(findings),
    )


def _real(tensor: Found) -> Tensor:
    """What the tensor holds, element by element: complex numbers as pairs, others as fractions.

    Raises:
        InvalidArgument: it has none that can be read.
    """
    values = tensor.read()
    if values.is_meta:
        raise InvalidArgument(f"on the meta device there are no numbers: {tensor.name}")
    if values.is_nested or values.dtype == getattr(torch, PACKED, None):
        what = "is nested" if values.is_nested else f"has the dtype {values.dtype}"
        raise InvalidArgument(f"`{tensor.name}` {what}, whose numbers can't be measured")
    if values.is_quantized:
        return values.dequantize()
    if values.layout != torch.strided:
        values = values.to_dense()
    if values.is_complex():
        return torch.view_as_real(values)
    return values if values.is_floating_point() else values.to(torch.float64)


def _subject(tensor: Found, shapes: bool) -> Subject:
    values, shape = _real(tensor), tuple(tensor.read().shape)
    measured = measure(values)
    is_matrix = shapes and len(shape) >= 2 and values.numel() > 0
    parameter = tensor.parameter
    fans = None if parameter is None else parameter.fans
    record = ParameterRecord(
        name=tensor.name,
        stored=(tensor.name,),
        aliases=tensor.aliases,
        shape=shape,
        dtype=str(tensor.read().dtype).removeprefix("torch."),
        role=tensor.role,
        layer=tensor.layer,
        method=None,
        declared=None,
        declared_mean=None,
        declared_std=None,
        measured=measured,
        histogram=histogram(values, measured, None, shape) if shapes else None,
        spectrum=spectrum(as_matrices(values, parameter), measured) if is_matrix else None,
        fan_in=None if fans is None else fans.fan_in,
        fan_out=None if fans is None else fans.fan_out,
        gain=None,
        reparametrization=None,
        rule=None,
        losing=(),
    )
    return Subject(record, None, torch.finfo(values.dtype).eps)


def _constant(record: ParameterRecord) -> list[Finding]:
    """H003, of a matrix: its units stay equal in training unless something tells them apart."""
    measured = record.measured
    if len(record.shape) < 2 or measured.count < 2 or measured.min != measured.max:
        return []
    if measured.min is None or measured.finite < measured.count:
        return []
    return [
        Finding(
            code="H003",
            severity="warning",
            place=record.name,
            message=f"all elements are {measured.min:g}",
            suggestion="if it is not meant, draw it at random",
        )
    ]


def _is_varied(values: Tensor) -> bool:
    """Whether it holds more than two values: identities and biases of gates are alike anywhere."""
    return len(torch.unique(values)) > 2


def _doubtful(finding: Finding) -> Finding:
    """The same as a warning: without a declaration, it may be meant."""
    suggestion = (
        "tie the two if they are meant to be one parameter; layers that were copied from one "
        "another, as nn.TransformerEncoder does, begin alike: draw each by itself"
    )
    return finding.model_copy(update={"severity": "warning", "suggestion": suggestion})


def _summary(records: list[ParameterRecord]) -> Summary:
    widths = {record.dtype: _bytes(record.dtype) for record in records}
    counts = [prod(record.shape) for record in records]  # a complex number is measured as two
    return Summary(
        parameters=sum(counts),
        tensors=len(records),
        bytes=sum(n * widths[each.dtype] for n, each in zip(counts, records, strict=True)),
        flops=None,
        seed=None,
        dtype=", ".join(sorted(widths)) or "none",
        methods_used={},
        normalizations_applied={},
        unnormalized=(),
        aliases=sum(len(record.aliases) for record in records),
    )


def _bytes(dtype: str) -> int:
    found = getattr(torch, dtype)
    assert isinstance(found, torch.dtype)
    return found.itemsize
