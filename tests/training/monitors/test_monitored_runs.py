"""Runs that go wrong, and what is said of them; runs that go well, which nothing disturbs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import seobuilder
from seobuilder.cli.main import main
from seobuilder.recipe.load import LoadedRecipe
from seobuilder.training.callbacks import Callback, State
from seobuilder.training.run import read_record, train

Small = Callable[..., LoadedRecipe]


class Plant(Callback):
    """Makes one number of a parameter's gradient, or of the parameter, NaN in a step."""

    def __init__(self, name: str, step: int, *, weight: bool = False) -> None:
        self.name, self.step, self.weight, self.now = name, step, weight, 0

    def on_start(self, state: State) -> None:
        parameter = state.model.get_parameter(self.name)
        if not self.weight:
            parameter.register_hook(self.spoil)

    def on_batch(self, state: State) -> None:
        self.now = state.step + 1
        if self.weight and self.now == self.step:
            with torch.no_grad():
                state.model.get_parameter(self.name).view(-1)[3] = torch.nan

    def spoil(self, gradient: torch.Tensor) -> torch.Tensor:
        if self.now == self.step:
            gradient = gradient.clone()
            gradient.view(-1)[3] = torch.nan
        return gradient


def test_a_planted_nan_names_parameter_and_step_and_leaves_a_good_checkpoint(
    small: Small,
) -> None:
    plant = Plant("body.0.linear.weight", 7)
    with pytest.raises(seobuilder.TrainingStopped) as caught:
        train(small(), "out", callbacks=[plant])
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.path) == ("T002", "body.0.linear.weight")
    assert problem.message == (
        "step 7: the gradient is not finite; its gradient is not finite, the first that comes back"
    )
    assert problem.mark is not None and problem.mark.place == "small.yaml:18"
    assert "--set training.optimizer.learning_rate=0.005" in problem.help
    assert "the checkpoint of step 6 is kept: --resume goes on from it" in problem.help
    assert not Path("out").exists()
    lines = [json.loads(x) for x in Path("out.partial/metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 7 and lines[-1]["finding"]["code"] == "T002"

    lower = small("training.optimizer.learning_rate=0.04")
    record = train(lower, "out", resume=True).record
    assert record.steps == 24 and record.settings["optimizer"]["learning_rate"] == 0.04
    (earlier,) = record.earlier
    assert earlier.until == 6 and earlier.settings["optimizer"]["learning_rate"] == 0.05


def test_a_weight_that_is_not_finite_is_named(small: Small) -> None:
    with pytest.raises(
        seobuilder.TrainingStopped, match=r"T001 body\.0\.linear\.weight: step 3: the loss"
    ):
        train(small(), callbacks=[Plant("body.0.linear.weight", 3, weight=True)])


def test_a_rate_that_explodes_stops_with_exit_code_1(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = (
        "training.optimizer={method: sgd, learning_rate: 3000}",
        "training.clip={value: 1}",
        "training.epochs=30",
        "training.schedule.warmup_steps=0",
        "training.checkpoints.steps=1",
    )
    options = [f"--set={change}" for change in changes]
    with pytest.raises(SystemExit) as ended:
        main(["train", "small.yaml", "-o", "out", *options])
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert "T004" in said and "10 times that of the first step" in said
    assert "steps 2 to 11" in said and "learning_rate=300" in said
    assert "the checkpoint of step 1 is kept" in said  # none was written while in doubt


DEEP = (
    "modules.body={kind: mlp, from: summary, widths: [16, 16, 16, 16, 16, 16, 16, 16, 16, 16, 16, "
    "16, 16, 16], activation: sigmoid}"
)


def test_a_gradient_that_vanishes_with_depth_is_reported(small: Small) -> None:
    findings = train(small(DEEP, "training.epochs=1")).record.findings
    assert {f.code for f in findings} == {"T006"} and {f.severity for f in findings} == {"warning"}
    assert "body.0.linear.weight" in {f.place for f in findings}
    assert "body.13.linear.weight" not in {f.place for f in findings}


def test_a_sound_run_has_no_finding_and_its_interval_is_kept(small: Small) -> None:
    loaded = small("training.monitors.every=4", "training.log_steps=100")
    trained = train(loaded, "out")
    record = read_record(Path("out"))
    assert record.findings == () and record.monitors is not None
    assert record.monitors.steps == (1, 4, 8, 12, 16, 20, 24)
    body = next(p for p in record.monitors.parameters if p.name == "body.0.linear.weight")
    assert len(body.gradients) == len(body.updates) == 7
    kept = trained.model.get_parameter("body.0.linear.weight").detach().double()
    drawn = seobuilder.build(loaded).get_parameter("body.0.linear.weight").detach().double()
    assert body.change == pytest.approx(float((kept - drawn).norm() / drawn.norm()), rel=1e-4)
    assert body.before.std == pytest.approx(float(drawn.std(correction=0)))
    assert body.after.std == pytest.approx(float(kept.std(correction=0)))
    assert record.chance["kind.accuracy"] == 0.5
    assert record.chance["kind.loss"] == pytest.approx(0.693, abs=1e-3)
    report = seobuilder.inspect(seobuilder.load("out"))
    assert report.is_healthy and not report.warnings


SPECTRAL = "normalization=[{match: body.0.linear.weight, method: spectral_norm}]"


@pytest.mark.parametrize("change", ["training.clip.norm=1", SPECTRAL])
def test_weights_are_the_same_with_and_without_monitors(small: Small, change: str) -> None:
    with_them = train(small(change, "training.monitors.every=1")).model.state_dict()
    without = train(small(change, "training.monitors=false"))
    assert without.record.monitors is None
    for name, tensor in without.model.state_dict().items():
        assert torch.equal(tensor, with_them[name])
