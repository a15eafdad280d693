"""A compiled model gets the weights that its plan decided, whatever surrounds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import pytest
import torch
from torch import nn

from seobuilder.errors import RecipeError
from seobuilder.init.draw import draw
from seobuilder.init.initialize import allocate, initialize
from seobuilder.norm.reparametrization import attach_all
from seobuilder.planning.distributions import (
    Constant,
    Distribution,
    Keep,
    Normal,
    Orthogonal,
    Sparse,
)
from seobuilder.planning.model import (
    Assignment,
    Node,
    Parameter,
    Plan,
    Reparametrization,
    RuleReference,
)
from seobuilder.recipe.diagnostics import Mark

RULE = RuleReference(0, "{match: '**', method: normal}", Mark("r.yaml", 3, 5))
NORMAL = Normal(0, 0.02)


def plan_for(
    model: nn.Module,
    distributions: Mapping[str, Distribution],
    dtype: Literal["float32", "bfloat16"] = "float32",
    logical: Mapping[str, str] | None = None,
) -> Plan:
    """A plan of the model's parameters; those without a distribution are normal."""
    assignments = tuple(
        Assignment(
            Parameter((logical or {}).get(name, name), (name,), tuple(p.shape), "weight", "linear"),
            "some method",
            distributions.get(name, NORMAL),
            RULE,
        )
        for name, p in model.named_parameters()
    )
    return Plan("test", 7, dtype, Node("model", "model"), assignments, {}, ())


def reparametrized(plan: Plan, name: str, method: Any, settings: Mapping[str, Any]) -> Plan:
    owner, _, tensor = name.rpartition(".")
    form = f"{owner}.parametrizations.{tensor}.original"
    stored = (form + "0", form + "1") if method == "weight_norm" else (form,)
    assignments = tuple(
        replace(
            a,
            parameter=replace(a.parameter, stored=stored),
            reparametrization=Reparametrization(method, settings, RULE),
        )
        if a.parameter.stored[0] == name
        else a
        for a in plan.assignments
    )
    return replace(plan, assignments=assignments)


class Positions(nn.Module):
    """Owns a buffer, as our layers do, and a parameter with a default of its own."""

    steps: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.empty(4), persistent=False)
        self.weight = nn.Parameter(torch.empty(4, 3))

    def reset_buffers(self) -> None:
        self.steps = torch.arange(4.0, device=self.steps.device)

    def reset_parameters(self) -> None:
        nn.init.uniform_(self.weight)


def build() -> nn.Module:
    with torch.device("meta"):
        return nn.ModuleDict(
            {
                "words": nn.Embedding(10, 6, padding_idx=0),
                "positions": Positions(),
                "norm": nn.BatchNorm1d(6),
                "cell": nn.LSTM(6, 5),
                "up": nn.Linear(6, 8),
                "down": nn.Linear(8, 6),
            }
        )


def state(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def test_every_parameter_is_drawn_by_its_logical_name() -> None:
    model = build()
    plan = plan_for(
        model,
        {"up.weight": Orthogonal(), "down.bias": Constant(0.5), "down.weight": Sparse(0.5, 1)},
        logical={"cell.weight_hh_l0": "cell.hidden.weight"},
    )
    initialize(model, plan)
    for a in plan.assignments:
        expected = draw(a.distribution, a.parameter.shape, name=a.parameter.name, seed=7)
        assert torch.equal(model.get_parameter(a.parameter.stored[0]).detach(), expected)
    assert torch.isfinite(model["cell"](torch.ones(2, 1, 6))[0]).all()  # type: ignore[index]


def test_buffers_are_computed() -> None:
    model = build()
    initialize(model, plan_for(model, {}))
    assert model.get_buffer("positions.steps").tolist() == [0, 1, 2, 3]
    assert model.get_buffer("norm.running_mean").tolist() == [0] * 6
    assert model.get_buffer("norm.running_var").tolist() == [1] * 6
    assert model.get_buffer("norm.num_batches_tracked").item() == 0


def test_allocation_alone_gives_memory_and_buffers_but_draws_nothing() -> None:
    model = build()
    before = torch.get_rng_state()
    allocate(model, plan_for(model, {}, dtype="bfloat16"))
    assert {(p.device.type, p.dtype) for p in model.parameters()} == {("cpu", torch.bfloat16)}
    assert model.get_buffer("positions.steps").tolist() == [0, 1, 2, 3]
    assert torch.equal(torch.get_rng_state(), before)


def test_a_buffer_that_nothing_computes_is_our_mistake() -> None:
    model = build()
    model["up"].register_buffer("forgotten", torch.empty(1))  # type: ignore[index]
    with pytest.raises(AssertionError, match="forgotten"):
        initialize(model, plan_for(model, {}))


def test_padding_rows_are_zero() -> None:
    model = build()
    plan = plan_for(model, {})
    first = replace(
        plan.assignments[0], parameter=replace(plan.assignments[0].parameter, padding_row=2)
    )
    assert first.parameter.name == "words.weight"
    initialize(model, replace(plan, assignments=(first, *plan.assignments[1:])))
    assert [bool(row.any()) for row in model.get_parameter("words.weight")] == [
        True,
        True,
        False,
        *[True] * 7,
    ]


def test_kept_parameters_hold_the_layer_s_default_and_others_do_not() -> None:
    model = build()
    kept = dict.fromkeys(
        ["up.weight", "norm.weight", "cell.weight_hh_l0", "positions.weight"], Keep()
    )
    initialize(model, plan_for(model, kept))
    bound = 1 / 6**0.5
    up = model.get_parameter("up.weight")
    assert 0.8 * bound < up.abs().max() <= bound
    assert model.get_parameter("norm.weight").tolist() == [1] * 6
    assert model.get_parameter("positions.weight").min() >= 0
    for name in ("up.bias", "norm.bias", "cell.weight_ih_l0"):
        expected = draw(NORMAL, tuple(model.get_parameter(name).shape), name=name, seed=7)
        assert torch.equal(model.get_parameter(name).detach(), expected)


def test_defaults_depend_on_the_layer_alone() -> None:
    every = {name: Keep() for name, _ in build().named_parameters()}
    states = []
    for distributions in (every, {"up.weight": Keep(), "down.weight": Keep()}):
        torch.rand(1)
        model = build()
        initialize(model, plan_for(model, distributions))
        states.append(state(model))
    for name in ("up.weight", "down.weight"):
        assert torch.equal(states[0][name], states[1][name])
    assert not torch.equal(states[0]["up.weight"].T, states[0]["down.weight"])


def test_a_shared_parameter_stays_shared_and_keeps_its_owner_s_default() -> None:
    def tied() -> nn.Module:
        model = build()
        model["out"] = nn.Linear(6, 10, device="meta")  # type: ignore[operator]
        model.get_submodule("out").weight = model.get_parameter("words.weight")
        return model

    model = tied()
    initialize(model, plan_for(model, {}))
    assert model.get_parameter("out.weight") is model.get_parameter("words.weight")

    model, alone = tied(), build()
    initialize(model, plan_for(model, {"words.weight": Keep(), "out.bias": Keep()}))
    initialize(alone, plan_for(alone, {"words.weight": Keep()}))
    assert torch.equal(model.get_parameter("out.weight"), alone.get_parameter("words.weight"))


def test_the_recipe_s_dtype_is_the_parameters() -> None:
    model = build()
    plan = plan_for(model, {"up.weight": Keep()}, dtype="bfloat16")
    initialize(model, plan)
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    expected = draw(NORMAL, (8,), name="up.bias", seed=7).bfloat16()
    assert torch.equal(model.get_parameter("up.bias").detach(), expected)


def test_plan_and_model_must_hold_the_same_parameters() -> None:
    model = build()
    plan = plan_for(model, {})
    with pytest.raises(AssertionError, match=r"does not know \['down.bias'\]"):
        initialize(model, replace(plan, assignments=plan.assignments[:-1]))
    narrower = nn.ModuleDict(dict(model.named_children()))
    del narrower["down"]
    with pytest.raises(AssertionError, match=r"the model has no down.weight"):
        initialize(narrower, plan)


@pytest.mark.parametrize(
    ("method", "settings"),
    [("weight_norm", {}), ("spectral_norm", {"iterations": 1, "eps": 1e-12})],
)
def test_reparametrized_weights(method: str, settings: Mapping[str, Any]) -> None:
    def initialized() -> tuple[nn.Module, Plan]:
        model = build()
        plan = plan_for(model, {})
        for name in ("up.weight", "cell.weight_ih_l0"):
            plan = reparametrized(plan, name, method, settings)
        initialize(model, plan)
        return model.eval(), plan

    before = torch.get_rng_state()
    model, plan = initialized()
    assert torch.equal(torch.get_rng_state(), before)
    stored = {name for a in plan.assignments for name in a.parameter.stored}
    assert {name for name, _ in model.named_parameters()} == stored

    drawn = draw(NORMAL, (8, 6), name="up.weight", seed=7)
    effective = model["up"].weight.detach()  # type: ignore[index]
    if method == "weight_norm":
        torch.testing.assert_close(effective, drawn)
    else:
        torch.testing.assert_close(
            effective, drawn / torch.linalg.matrix_norm(drawn, 2), rtol=0.011, atol=0
        )

    torch.rand(1)
    again = state(initialized()[0])
    assert all(torch.equal(tensor, again[name]) for name, tensor in state(model).items())

    empty = build()
    attach_all(empty, plan)
    assert set(empty.state_dict()) == set(again)


@pytest.mark.parametrize(
    ("method", "settings"),
    [("weight_norm", {}), ("spectral_norm", {"iterations": 1, "eps": 1e-12})],
)
def test_a_norm_of_zero_is_refused(method: str, settings: Mapping[str, Any]) -> None:
    model = build()
    plan = reparametrized(
        plan_for(model, {"up.weight": Constant(0)}), "up.weight", method, settings
    )
    with pytest.raises(RecipeError, match=rf"r.yaml:3:5 P901 {method} divides `up.weight`"):
        initialize(model, plan)
