"""Weight and spectral norm on every kind of weight, in models built from a recipe."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

import seobuilder
from seobuilder.builder import Building
from seobuilder.errors import RecipeError
from seobuilder.layers import SearchModel
from seobuilder.norm.reparametrization import TOLERANCE, locate
from seobuilder.recipe.load import parse_recipe

RECIPE = """\
version: 1
name: bounded
inputs:
  query: {kind: tokens, vocab_size: 40, max_length: 6}
  look: {kind: image, channels: 4, height: 4, width: 4}
modules:
  words: {kind: token_embedding, from: query, width: 8}
  phrases: {kind: conv, from: words, channels: [6], kernel: 3, groups: 2}
  reader: {kind: recurrent, from: phrases, cell: lstm, width: 5}
  meaning: {kind: pool, from: reader, method: mean}
  larger:
    kind: conv
    from: look
    channels: [6]
    kernel: 2
    stride: 2
    groups: 2
    transposed: true
  seen: {kind: pool, from: larger, method: mean}
  joined: {kind: concat, from: [meaning, seen]}
outputs:
  intent: {kind: classification, from: joined, labels: 3}
"""
DRAWS = """\
initialization:
  - {match: "**.bias", method: zeros}
  - {role: embedding, method: normal, std: 0.5}
  - {match: "**.weight", method: xavier_uniform}
"""
WEIGHTS = {
    "words.tokens.weight": "words.tokens.weight",
    "phrases.0.kernel_3.weight": "phrases.0.kernel_3.weight",
    "reader.layers.0.forward.input.weight": "reader.layers.0.forward_cell.weight_ih_l0",
    "reader.layers.0.forward.hidden.weight": "reader.layers.0.forward_cell.weight_hh_l0",
    "larger.0.conv.weight": "larger.0.conv.weight",
    "intent.linear.weight": "intent.linear.weight",
}
"""Logical names, and those that the plain model stores."""

METHODS = ["weight_norm", "spectral_norm"]


def building(method: str | None, draws: str = DRAWS, *, cell: str = "lstm") -> Building:
    rule = "" if method is None else f'normalization: [{{match: "**.weight", method: {method}}}]\n'
    text = RECIPE.replace("cell: lstm", f"cell: {cell}") + rule + draws
    return Building(parse_recipe(text.encode(), "bounded.yaml", Path()))


def weight(model: nn.Module, name: str) -> Tensor:
    """The effective weight that the plain model stores under `name`."""
    module, tensor_name = locate(model, name)
    found: Tensor = getattr(module, tensor_name)
    return found.detach()


def as_matrix(model: nn.Module, name: str, tensor: Tensor) -> Tensor:
    """The matrix whose largest singular value counts: one row for each output."""
    transposed = isinstance(locate(model, name)[0], nn.ConvTranspose2d)
    return (tensor.transpose(0, 1) if transposed else tensor).flatten(1).double()


@pytest.mark.parametrize("method", METHODS)
def test_names_are_documented_and_logical_names_stay(method: str) -> None:
    built = building(method)
    assert set(built.plan.normalizations[method]) == set(WEIGHTS)
    assert {a.parameter.name for a in built.plan.assignments if a.reparametrization} == set(WEIGHTS)
    ends = {
        "weight_norm": ("original0", "original1"),
        "spectral_norm": ("original", "0._u", "0._v"),
    }[method]
    expected = set(building(None).model.state_dict()) - set(WEIGHTS.values())
    for stored in WEIGHTS.values():
        owner, _, tensor_name = stored.rpartition(".")
        expected |= {f"{owner}.parametrizations.{tensor_name}.{end}" for end in ends}
    assert set(built.model.state_dict()) == expected


def test_weight_norm_starts_from_the_drawn_weight_and_its_norms() -> None:
    plain, normed = building(None).model, building("weight_norm").model
    for name in WEIGHTS.values():
        drawn = weight(plain, name)
        torch.testing.assert_close(weight(normed, name), drawn, atol=1e-7, rtol=1e-6)
        owner, _, tensor_name = name.rpartition(".")
        g = normed.get_parameter(f"{owner}.parametrizations.{tensor_name}.original0")
        assert g.shape == (len(drawn), *[1] * (drawn.dim() - 1))
        norms = drawn.double().flatten(1).norm(dim=1)
        torch.testing.assert_close(g.detach().flatten().double(), norms, atol=0, rtol=1e-6)


def test_weight_norm_of_a_transposed_convolution_is_by_input_channel() -> None:
    conv = building("weight_norm").model.get_submodule("larger.0.conv")
    assert conv.get_parameter("parametrizations.weight.original0").shape == (4, 1, 1, 1)


@pytest.mark.parametrize("loaded", [False, True], ids=["built", "loaded"])
def test_sigma_is_that_of_the_drawn_weight(loaded: bool, tmp_path: Path) -> None:
    built = building("spectral_norm")
    plain, normed = building(None).model, built.model
    if loaded:
        built.write(tmp_path / "build")
        normed = seobuilder.load(tmp_path / "build")
    normed.eval()
    for name in WEIGHTS.values():
        drawn = weight(plain, name)
        sigma = torch.linalg.svdvals(as_matrix(plain, name, drawn))[0].item()
        effective = weight(normed, name)
        used = (drawn.norm() / effective.norm()).item()
        assert used == pytest.approx(sigma, rel=TOLERANCE)
        torch.testing.assert_close(effective * used, drawn, atol=1e-6, rtol=1e-5)
        largest = torch.linalg.svdvals(as_matrix(plain, name, effective))[0].item()
        assert largest == pytest.approx(1.0, rel=TOLERANCE + 1e-4)


def test_every_declared_distribution_is_found_again() -> None:
    for method in METHODS:
        report = building(method).report
        assert report.is_healthy
        records = {r.name: r for r in report.parameters if r.reparametrization == method}
        assert set(records) == set(WEIGHTS)
        for record in records.values():
            assert record.declared_std == pytest.approx(record.measured.std, rel=0.3)


def batch(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randint(1, 40, (16, 6), generator=generator),
        torch.randn(16, 4, 4, 4, generator=generator),
        torch.randint(3, (16,), generator=generator),
    )


def train(model: SearchModel, steps: int) -> list[float]:
    """Losses of a few steps of Adam."""
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses = []
    model.train()
    for step in range(steps):
        query, look, intent = batch(step)
        loss = nn.functional.cross_entropy(model(query=query, look=look)["intent"], intent)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def reparametrized_by_hand(method: str, ours: SearchModel) -> SearchModel:
    """A plain model with PyTorch's functions applied to it, and the singular vectors of `ours`."""
    model = building(None).model
    for name in WEIGHTS.values():
        getattr(parametrizations, method)(*locate(model, name))
    buffers = {k: v for k, v in ours.state_dict().items() if k.endswith(("._u", "._v"))}
    assert not model.load_state_dict(buffers, strict=False).unexpected_keys
    return model


@pytest.mark.parametrize("method", METHODS)
def test_ten_steps_are_those_of_pytorch_by_hand(method: str) -> None:
    ours = building(method).model
    theirs = reparametrized_by_hand(method, ours)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    before = {name: weight(ours.eval(), name) for name in WEIGHTS.values()}
    losses = train(ours, 10)
    assert losses == pytest.approx(train(theirs, 10), abs=1e-6)
    assert losses[0] != pytest.approx(losses[-1], abs=0.01)
    ours.eval(), theirs.eval()
    for name in WEIGHTS.values():
        # Row 0 of the table is padding: by hand, weight norm divides its zeros by zero.
        rows = slice(1, None) if name == "words.tokens.weight" else slice(None)
        torch.testing.assert_close(
            weight(ours, name)[rows], weight(theirs, name)[rows], atol=1e-6, rtol=0
        )
        assert not torch.allclose(weight(ours, name), before[name], atol=1e-3)
    for name, buffer in ours.named_buffers():
        torch.testing.assert_close(buffer, theirs.get_buffer(name), atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_a_padding_row_stays_zero(method: str) -> None:
    model = building(method).model
    for _ in range(2):
        table = weight(model, "words.tokens.weight")
        assert table.isfinite().all() and not table[0].any() and table[1:].any(dim=1).all()
        train(model, 3)
    for parameter in model.parameters():
        assert parameter.isfinite().all()


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("method", METHODS)
def test_a_model_can_be_copied_after_training(method: str, cell: str) -> None:
    model = building(method, cell=cell).model
    train(model, 2)
    copied = copy.deepcopy(model)
    query, look, _ = batch(9)

    def answer(model: SearchModel) -> Tensor:
        return model(query=query, look=look)["intent"].detach()

    before = answer(model.eval())
    torch.testing.assert_close(answer(copied.eval()), before, atol=0, rtol=0)
    assert list(copied.state_dict()) == list(model.state_dict())
    # From here on each learns by itself, and as the other does.
    losses = train(copied, 3)
    torch.testing.assert_close(answer(model.eval()), before, atol=0, rtol=0)
    assert not torch.equal(answer(copied.eval()), before)
    assert train(model, 3) == losses


@pytest.mark.parametrize("method", METHODS)
def test_removing_it_gives_the_plain_weight_back(method: str) -> None:
    plain, model = building(None).model.eval(), building(method).model.eval()
    query, look, _ = batch(0)
    before = model(query=query, look=look)["intent"]
    effective = {name: weight(model, name) for name in WEIGHTS.values()}
    for name in WEIGHTS.values():
        parametrize.remove_parametrizations(*locate(model, name))
    state = model.state_dict()
    assert set(state) == set(plain.state_dict())
    for name, tensor in effective.items():
        torch.testing.assert_close(state[name], tensor, atol=0, rtol=0)
        if method == "weight_norm":
            torch.testing.assert_close(tensor, weight(plain, name), atol=1e-7, rtol=1e-6)
    torch.testing.assert_close(model(query=query, look=look)["intent"], before)


@pytest.mark.parametrize("method", METHODS)
def test_zeros_are_a_clear_error_of_the_recipe(method: str) -> None:
    zero = 'initialization:\n  - {match: "intent.linear.weight", method: zeros}\n'
    built = building(method, DRAWS.replace("initialization:\n", zero))
    with pytest.raises(RecipeError) as caught:
        _ = built.plan
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.mark and problem.mark.line) == ("P519", 23)


@pytest.mark.parametrize(
    ("name", "draw", "method", "what"),
    [
        (
            "reader.layers.0.forward.input.weight",
            "sparse, density: 0.1, std: 1, dead_rows: allow",
            "weight_norm",
            "zero for at least one output",
        ),
        # Smaller than any number of float32.
        ("intent.linear.weight", "normal, std: 1e-60", "spectral_norm", "all zero"),
        (
            "larger.0.conv.weight",
            "normal, std: 1e-60",
            "weight_norm",
            "zero for at least one input",
        ),
    ],
)
def test_what_comes_out_as_zeros_is_a_clear_error(
    name: str, draw: str, method: str, what: str
) -> None:
    drawn = f'{{match: "{name}", method: {draw}}}'
    rules = DRAWS.replace("initialization:\n", f"initialization:\n  - {drawn}\n")
    with pytest.raises(RecipeError) as caught:
        _ = building(method, rules).model
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.mark and problem.mark.line) == ("P901", 23)
    assert problem.message == (
        f"{method} divides `{name}` by its norm, but {drawn} draws weights that are {what}"
    )
    assert problem.help == f"draw this weight by another method, or exclude it from {method}"
