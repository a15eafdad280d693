"""Models and files that no recipe made."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from seobuilder.errors import InvalidArgument
from seobuilder.health.survey import Found, survey, tensors_in, tensors_of


def found(**tensors: Tensor) -> list[Found]:
    return [Found(name, "tensor", lambda tensor=tensor: tensor) for name, tensor in tensors.items()]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(6, 4)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 6, bias=False)
        self.head.weight = self.words.weight
        self.twin = self.norm


def test_a_module_gives_its_tensors_once_with_all_their_names() -> None:
    tensors = {tensor.name: tensor for tensor in tensors_of(Tied())}
    assert tensors["words.weight"].aliases == ("head.weight",)
    assert tensors["norm.running_mean"].role == "buffer"
    assert tensors["norm.weight"].aliases == ("twin.weight",)
    assert "head.weight" not in tensors and "twin.running_var" not in tensors


def test_what_needs_no_declaration_is_measured() -> None:
    model = Tied()
    report = survey("Tied", tensors_of(model))
    assert report.is_healthy and report.summary.parameters == 24 + 8
    assert (report.summary.tensors, report.summary.aliases, report.summary.bytes) == (3, 3, 128)
    words = report.parameters[0]
    assert (words.name, words.layer, words.shape) == ("words.weight", "Embedding", (6, 4))
    assert (words.rule, words.method, words.declared) == (None, None, None)
    assert (words.role, words.fan_in, words.fan_out) == ("embedding", 1, 4)
    weight = model.words.weight.detach().double()
    assert words.measured.std == pytest.approx(float(weight.std(correction=0)))
    assert words.measured.l1 == pytest.approx(float(weight.abs().sum()))


def test_nan_and_infinity_are_errors_in_parameters_and_in_buffers() -> None:
    model = Tied()
    model.norm.running_var[0] = math.nan
    with torch.no_grad():
        model.words.weight[0, 0] = math.inf
    report = survey("Tied", tensors_of(model))
    assert [(f.code, f.place, f.severity) for f in report.findings] == [
        ("H002", "words.weight", "error"),
        ("H001", "norm.running_var", "error"),
    ]


def test_constant_matrices_and_copies_are_warnings() -> None:
    twin = random(8, 8)
    tensors = found(one=twin, other=twin.clone(), zeros=torch.zeros(3, 3), bias=torch.zeros(3))
    report = survey("file", tensors)
    assert [(f.code, f.place, f.severity) for f in report.findings] == [
        ("H003", "zeros", "warning"),
        ("H004", "other", "warning"),
    ]
    assert report.is_healthy


def test_values_that_are_set_rather_than_drawn_are_no_copies() -> None:
    gates = torch.tensor([0.0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0])
    tensors = found(a=torch.eye(8), b=torch.eye(8), forward=gates, backward=gates.clone())
    assert survey("file", tensors).findings == ()


def test_what_is_constant_but_for_nan_is_not_called_constant() -> None:
    report = survey("file", found(broken=torch.tensor([[1.0, 1.0], [1.0, math.nan]])))
    assert [f.code for f in report.findings] == ["H001"]


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_sparse_and_quantized_tensors_are_measured_as_what_they_stand_for() -> None:
    dense = torch.tensor([[0.0, 2.0], [0.0, -1.0]])
    whole = torch.quantize_per_tensor(dense, 0.5, 0, torch.qint8)
    tensors = found(dense=dense, coo=dense.to_sparse(), whole=whole)
    records = {record.name: record for record in survey("file", tensors).parameters}
    assert records["coo"].measured == records["whole"].measured == records["dense"].measured
    assert records["coo"].spectrum == records["dense"].spectrum
    assert (records["coo"].shape, records["whole"].dtype) == ((2, 2), "qint8")


def test_a_complex_number_is_one_parameter() -> None:
    summary = survey("file", found(turns=torch.ones(3, 5, dtype=torch.complex64))).summary
    assert (summary.parameters, summary.bytes) == (15, 15 * 8)


def test_tensors_without_numbers_are_refused_by_name() -> None:
    packed = torch.zeros(2, 2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)
    for tensor, reason in (
        (torch.empty(2, device="meta"), "on the meta device there are no numbers: odd"),
        (packed, "`odd` has the dtype torch.float4_e2m1fn_x2, whose numbers can't be measured"),
    ):
        with pytest.raises(InvalidArgument, match=reason):
            survey("file", found(odd=tensor))


def test_a_state_gives_tensors_in_lists_and_without_memory() -> None:
    state = {"rows": [torch.ones(2), {"deep": torch.eye(2).to_sparse()}], "step": 3}
    assert [tensor.name for tensor in tensors_in(state)] == ["rows.0", "rows.1.deep"]


def test_tensors_of_every_dtype_are_measured() -> None:
    tensors = found(
        ids=torch.arange(5),
        flags=torch.tensor([True, False]),
        complex=torch.tensor([3 + 4j]),
        half=torch.ones(2, 2, dtype=torch.bfloat16),
        scalar=torch.tensor(2.5),
        empty=torch.empty(0, 3),
    )
    records = {record.name: record for record in survey("file", tensors).parameters}
    assert records["ids"].measured.mean == 2 and records["ids"].dtype == "int64"
    assert records["flags"].measured.zeros == 1
    assert records["complex"].measured.l2 == 5 and records["complex"].shape == (1,)
    assert records["half"].dtype == "bfloat16" and records["scalar"].measured.max == 2.5
    assert records["empty"].measured.count == 0 and records["empty"].measured.mean is None
