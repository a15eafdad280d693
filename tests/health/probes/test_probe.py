"""One pass and a few steps, told as records; the model stays as it was."""

from __future__ import annotations

import math

import pytest
import torch
from probed_models import built, mlp, transformer
from torch import Tensor, nn

import seobuilder
from seobuilder.health.first_loss import summed_loss
from seobuilder.health.probes.probe import probe, probe_module
from seobuilder.health.probes.steps import LEARNING_RATE
from seobuilder.health.probes.tap import listen
from seobuilder.stages import Building


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def run(building: Building) -> object:
    batch, _ = building.batch
    return probe(building.model, building.plan, building.loaded.recipe, batch)


def test_the_model_stays_as_it_was_and_the_records_are_the_same_again() -> None:
    building = transformer()
    before, random = state(building.model), torch.get_rng_state()
    first, second = run(building), run(building)
    assert first == second
    after = building.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(random, torch.get_rng_state())
    assert all(p.grad is None for p in building.model.parameters()) and building.model.training


def test_it_stays_so_when_the_model_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    building = mlp()
    before = state(building.model)

    def fail(*arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr("seobuilder.health.probes.probe.first_steps", fail)
    with pytest.raises(MemoryError):
        run(building)
    after = building.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(module._forward_hooks for module in building.model.modules())


def test_signals_are_those_of_the_model_by_hand() -> None:
    building = mlp(depth=2)
    batch, _ = building.batch
    model: seobuilder.layers.SearchModel = building.model.eval()  # type: ignore[name-defined]
    x = batch.inputs["page"]
    first = model.get_submodule("body.0")(x)
    first.retain_grad()
    second = model.get_submodule("body.1")(first)
    logits = model.get_submodule("label")(second)
    nn.functional.cross_entropy(logits, batch.targets["label"]).backward()
    record = building.report.probes.signals[0]  # type: ignore[union-attr]
    assert (record.name, record.kind, record.depth, record.width) == ("body.0", "mlp_block", 0, 128)
    assert first.grad is not None
    values = first.detach()
    assert record.mean == pytest.approx(float(values.mean()), rel=1e-5)
    assert record.variance == pytest.approx(float(values.var(correction=0)), rel=1e-5)
    assert record.gradient == pytest.approx(float(first.grad.square().mean().sqrt()), rel=1e-4)


def test_attention_is_described_by_its_scores() -> None:
    building = transformer(depth=1)
    batch, _ = building.batch
    model = building.model.eval()
    block = model.get_submodule("encoder.blocks.0")
    with torch.no_grad(), listen({"attention": block.get_submodule("attention")}) as heard:
        model(**batch.inputs)
    x, mask = heard.inputs["attention"]
    with torch.no_grad():
        scores, seen = block.get_submodule("attention").scores(x, mask)  # type: ignore[operator]
    weights = scores.softmax(-1)
    entropies, logits, uniform = [], [], []
    for row in range(len(x)):
        length = int(mask[row].sum())
        for head in range(4):
            for query in range(length):
                w = weights[row, head, query, :length]
                entropies.append(float(-(w * w.log()).sum()))
                logits += scores[row, head, query, :length].tolist()
                uniform.append(math.log(length))
    (record,) = building.report.probes.attention  # type: ignore[union-attr]
    assert (record.name, record.heads) == ("encoder.blocks.0.attention", 4)
    assert record.entropy == pytest.approx(sum(entropies) / len(entropies), rel=1e-4)
    assert record.uniform == pytest.approx(sum(uniform) / len(uniform), rel=1e-4)
    assert record.logit_max == pytest.approx(max(map(abs, logits)), rel=1e-4)
    assert bool((~seen).any()) and not bool(seen[..., 0].logical_not().any())


def test_the_first_step_of_adamw_is_its_rate_times_a_sign() -> None:
    building = mlp(depth=2)
    probes = building.report.probes
    assert probes is not None and probes.steps + 1 == len(probes.losses)
    steps = {record.name: record for record in probes.parameters}
    weight = building.model.get_parameter("body.0.linear.weight")
    # Each element whose gradient is not tiny moves by the rate.
    largest = LEARNING_RATE * math.sqrt(weight.numel()) / float(weight.detach().norm())
    assert steps["body.0.linear.weight"].update == pytest.approx(largest, rel=0.1)
    assert steps["body.0.linear.bias"].update is None  # zeros have no size to compare with
    batch, _ = building.batch
    loss = summed_loss(building.model.eval(), building.loaded.recipe, batch)
    assert probes.losses[0] == pytest.approx(loss.item())
    (gradient,) = torch.autograd.grad(loss, [weight])
    assert steps["body.0.linear.weight"].gradient == pytest.approx(float(gradient.norm()), rel=1e-4)


def test_a_shared_module_is_heard_where_it_is_owned() -> None:
    building = Building(seobuilder.recipe.load.load_recipe("relevance"))
    names = [record.name for record in building.report.probes.signals]  # type: ignore[union-attr]
    assert "query_encoder.blocks.0" in names and "page_encoder" not in names
    assert len(names) == len(set(names))


def test_a_half_precision_model_is_probed_in_its_own_dtype() -> None:
    text = (
        mlp(depth=3).loaded.source.decode().replace("name: deep\n", "name: deep\ndtype: bfloat16\n")
    )

    probes = built(text).report.probes
    assert probes is not None and all(record.variance for record in probes.signals)


def test_any_module_is_probed_with_inputs() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    x = torch.randn(32, 4, generator=torch.Generator().manual_seed(0))
    before = state(model)
    report = seobuilder.inspect(model, {"input": x})
    assert report.probes == probe_module(model, {"input": x})
    linear, relu, last = report.probes.signals  # type: ignore[union-attr]
    assert (linear.name, linear.kind, relu.kind) == ("0", "Linear", "ReLU")
    with torch.no_grad():
        expected = model[0](x)
    assert linear.variance == pytest.approx(float(expected.var(correction=0)), rel=1e-5)
    assert linear.expected is None and linear.gradient is not None and last.gradient is not None
    assert relu.dead is not None and relu.dead_expected is not None
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_a_module_without_a_list_is_heard_behind_its_children() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.up = nn.Linear(3, 2), nn.Linear(2, 3)

        def forward(self, x: Tensor) -> dict[str, object]:
            return {"answer": (self.up(self.down(x)), "a word")}

    report = seobuilder.inspect(Pair(), {"x": torch.ones(5, 3)})
    assert [r.name for r in report.probes.signals] == ["down", "up"]  # type: ignore[union-attr]
