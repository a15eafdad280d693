"""Learning a few rows by heart: what can, what can't, and what is left as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seobuilder.building.losses import output_losses
from seobuilder.health.probes.rehearsal import (
    MOST_FLOPS,
    RATE,
    ROWS,
    STEPS,
    WIDTH,
    check_rehearsal,
    rehearse,
)
from seobuilder.recipe.load import load_recipe, parse_recipe
from seobuilder.report.model import Finding
from seobuilder.report.probes import RehearsalRecord
from seobuilder.report.score import LEARNED
from seobuilder.stages import Building

RECIPE = """\
version: 1
name: rows
inputs:
  x: {{kind: features, size: 6}}
modules:
  body: {{kind: mlp, from: x, widths: {widths}, activation: relu{more}}}
outputs:
  y: {{kind: classification, from: body, labels: [a, b, c]{loss}}}
data:
  split: {{train: rows.csv, test: rows.csv}}
  columns: {{x: x_<1-6>, y: y}}
normalization:
  - {{match: "body.*", {norm}}}
initialization:
  - {{match: "**.bias", method: zeros}}
  - {{role: norm_scale, method: ones, optional: true}}
  - {{match: "**", {draw}}}
"""
KAIMING = "method: kaiming_normal, nonlinearity: relu"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    numbers = torch.randn(24, 6, generator=torch.Generator().manual_seed(0))
    rows = [[*map(str, row), "abc"[i % 3]] for i, row in enumerate(numbers.tolist())]
    head = [*(f"x_{i}" for i in range(1, 7)), "y"]
    (tmp_path / "rows.csv").write_text("\n".join(map(",".join, [head, *rows])) + "\n")
    return tmp_path


def building(
    folder: Path,
    depth: int = 2,
    draw: str = KAIMING,
    norm: str = "method: none",
    more: str = "",
    loss: str = "",
    widths: Sequence[int] = (),
) -> Building:
    text = RECIPE.format(
        widths=[*widths] or [32] * depth, more=more, norm=norm, draw=draw, loss=loss
    )
    return Building(parse_recipe(text.encode(), "rows.yaml", folder))


def told(made: Building) -> list[Finding]:
    return [finding for finding in made.report.findings if finding.code == "H029"]


def test_a_small_model_learns_sixteen_rows(folder: Path) -> None:
    made = building(folder)
    (record,) = made.report.probes.rehearsal
    assert (record.name, record.rows) == ("y", 16)
    assert record.chance == pytest.approx(torch.tensor(3.0).log().item(), rel=1e-6)
    *before, last = [loss / record.chance for loss in record.losses]  # type: ignore[operator]
    assert len(before) < 21 and (last <= LEARNED or len(before) == 20) and min(before) > LEARNED
    assert record.left is not None and record.left < 0.3
    assert told(made) == []


@pytest.mark.parametrize(
    ("depth", "draw", "norm"),
    [
        (8, "method: normal, std: 0.001", "method: none"),
        (24, KAIMING, "method: layer_norm, placement: before_activation, bias: false"),
    ],
)
def test_what_is_lost_on_the_way_is_told_by_what_is_left(
    folder: Path, depth: int, draw: str, norm: str
) -> None:
    made = building(folder, depth, draw, norm)
    (finding,) = told(made)
    (record,) = made.report.probes.rehearsal
    assert finding.place == "y"
    assert finding.measured == pytest.approx((record.lowest or 0) / (record.chance or 1))
    assert finding.changes, "the next remedy of what comes before"


def test_skip_paths_let_the_same_depth_learn(folder: Path) -> None:
    norm = "method: layer_norm, placement: before_activation, bias: false"
    assert told(building(folder, 24, KAIMING, norm, ", residual: plain")) == []


@pytest.mark.parametrize(
    ("left", "severity"), [(0.49, None), (0.51, "warning"), (0.94, "warning"), (0.96, "error")]
)
def test_how_much_must_be_left(left: float, severity: str | None) -> None:
    record = RehearsalRecord(name="y", rows=16, chance=2.0, losses=(2.0, 2 * left, None))
    assert [f.severity for f in check_rehearsal([record])] == ([severity] if severity else [])


@pytest.mark.parametrize(
    "record",
    [
        RehearsalRecord(name="y", rows=16, chance=0.0, losses=(1.0,)),
        RehearsalRecord(name="y", rows=16, chance=2.0, losses=(None,)),
    ],
)
def test_nothing_is_said_where_nothing_is_known(record: RehearsalRecord) -> None:
    assert list(check_rehearsal([record])) == []


def test_the_model_stays_as_it_was(folder: Path) -> None:
    made = building(folder)
    before = {name: tensor.clone() for name, tensor in made.model.state_dict().items()}
    random = torch.get_rng_state()
    rehearse(made.model, made.plan, made.loaded.recipe, made.batch[0])
    after = made.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(p.grad is None for p in made.model.parameters()) and made.model.training
    assert torch.equal(random, torch.get_rng_state())


def test_the_first_step_is_the_smaller_the_more_inputs_a_layer_has(folder: Path) -> None:
    """AdamW's first step moves all that has a gradient by its rate."""
    made = building(folder, widths=[2 * WIDTH, 8 * WIDTH])
    model, recipe = made.model, made.loaded.recipe
    rows = made.batch[0].distinct(ROWS)
    (record,) = rehearse(model, made.plan, recipe, made.batch[0])
    output_losses(model(**rows.inputs), recipe, rows)["y"].backward()
    parts = {"body.1.linear.weight": 2, "y.linear.weight": 8}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            parameter -= RATE / parts.get(name, 1) * parameter.grad.sign()
        stepped = output_losses(model(**rows.inputs), recipe, rows)["y"]
    assert record.losses[1] == pytest.approx(float(stepped), rel=1e-3)


def test_a_model_of_more_than_some_seconds_is_not_rehearsed(folder: Path) -> None:
    made = building(folder)
    most = int(MOST_FLOPS / ROWS / STEPS / 3)  # back and forth is three times forth

    def rehearsed(flops: int) -> bool:
        root = replace(made.plan.root, flops=flops - made.plan.flops)
        plan = replace(made.plan, root=root)
        return rehearse(made.model, plan, made.loaded.recipe, made.batch[0]) != ()

    assert rehearsed(most) and not rehearsed(most + 1)


def test_strong_smoothing_and_random_rows_have_nothing_to_learn(folder: Path) -> None:
    smoothed = ", loss: {method: cross_entropy, label_smoothing: 0.3}"
    assert building(folder, loss=smoothed).report.probes.rehearsal == ()
    seeded = Building(load_recipe("page_look"))
    assert seeded.report.probes.rehearsal == ()


def test_a_head_that_cannot_grow_is_not_asked_to(folder: Path) -> None:
    norm = 'method: none}\n  - {match: "y.linear.weight", method: spectral_norm'
    assert building(folder, norm=norm).report.probes.rehearsal == ()


def test_rows_that_contradict_each_other_count_once(folder: Path) -> None:
    file = folder / "rows.csv"
    head, *rows = file.read_text().splitlines()
    alike = [f"1,2,3,4,5,6,{'abc'[i % 3]}" for i in range(48)]
    file.write_text("\n".join([head, *alike, *rows]) + "\n")
    made = building(folder)
    (record,) = made.report.probes.rehearsal
    assert len(made.batch[0]) == 64 and record.rows == 16
    assert told(made) == []
