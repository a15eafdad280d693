"""From a recipe to a model and a build folder, and back."""

from __future__ import annotations

import copy
import io
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

import seobuilder
from seobuilder.data.batches import sample_rows
from seobuilder.errors import (
    BuildFolderError,
    DataError,
    EnvironmentProblem,
    RecipeError,
)
from seobuilder.recipe.load import load_recipe
from seobuilder.stages import PROBE_ROWS, Building

MIXED = """\
version: 1
name: mixed
seed: 5
inputs:
  query: {kind: tokens, vocab_size: 300, max_length: 8, lowercase: true}
  page: {kind: features, size: 3, scale: log1p, missing: mean}
modules:
  words: {kind: token_embedding, from: query, width: 16, positions: sinusoidal}
  encoder:
    kind: transformer
    from: words
    depth: 2
    heads: 2
    ffn: {kind: mlp, width: 32, activation: gelu}
  summary: {kind: pool, from: encoder, method: mean}
  facts: {kind: mlp, from: page, widths: [16], activation: relu}
  joined: {kind: concat, from: [summary, facts]}
outputs:
  intent: {kind: classification, from: joined, labels: labels.txt}
  quality: {kind: regression, from: joined}
data:
  files: rows.csv
  split: {test: 0.25}
  columns: {query: query, page: [a, b, c], intent: intent, quality: quality}
normalization:
  - {match: "encoder.blocks.*", method: layer_norm, placement: pre}
  - {match: "facts.*", method: batch_norm, placement: before_activation}
  - {match: "encoder.**.up.weight", method: weight_norm}
  - {match: "intent.**.weight", method: spectral_norm}
initialization:
  - {match: "encoder.blocks.<0-1>.ffn.down.weight", method: orthogonal}
  - {type: layer_norm, method: keep}
  - {match: "facts.**", type: linear, method: keep}
  - {preset: gpt2}
ties:
  encoder.blocks.1.attention.key.weight: encoder.blocks.0.attention.key.weight
"""

ROWS = "query,a,b,c,intent,quality\n" + "".join(
    f"Red shoes {i},{i},{'' if i % 3 else i},{99 - i},{'buy' if i % 2 else 'know'},{i / 7 - 2}\n"
    for i in range(24)
)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """The path of a recipe with a little of everything, and its data beside it."""
    folder = tmp_path / "team"
    folder.mkdir()
    (folder / "labels.txt").write_text("buy\nknow\n")
    (folder / "rows.csv").write_text(ROWS)
    (folder / "mixed.yaml").write_text(MIXED)
    return folder / "mixed.yaml"


def write(recipe: Path, target: Path, *overrides: str) -> Path:
    Building(load_recipe(recipe, overrides)).write(target)
    return target


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def assert_equal(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert list(found) == list(expected)
    assert [name for name, value in expected.items() if not torch.equal(found[name], value)] == []


def test_the_same_recipe_gives_the_same_bytes(recipe: Path, tmp_path: Path) -> None:
    script = (
        "import sys, torch\n"
        "torch.set_num_threads(int(sys.argv[3]))\n"
        "from seobuilder.stages import Building\n"
        "from seobuilder.recipe.load import load_recipe\n"
        "Building(load_recipe(sys.argv[1])).write(__import__('pathlib').Path(sys.argv[2]))\n"
    )
    shutil.copytree(recipe.parent, tmp_path / "copy/elsewhere")
    runs = [
        (recipe.parent, recipe.name, tmp_path / "first", "1", "1"),
        (tmp_path, "copy/elsewhere/mixed.yaml", Path("second"), "4", "2"),
    ]
    for folder, path, target, threads, seed in runs:
        command = [sys.executable, "-c", script, path, str(target), threads]
        environment = os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads}
        subprocess.run(command, cwd=folder, env=environment, check=True)
    assert content(tmp_path / "first") == content(tmp_path / "second")


def test_threads_and_earlier_draws_change_nothing(recipe: Path, tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    for count, target in ((1, "first"), (3, "second")):
        torch.set_num_threads(count)
        torch.rand(count)
        try:
            write(
                recipe, tmp_path / target, "modules.words.width=64", "inputs.query.vocab_size=4000"
            )
            assert torch.get_num_threads() == count
        finally:
            torch.set_num_threads(threads)
    assert content(tmp_path / "first") == content(tmp_path / "second")


def test_another_seed_gives_other_weights(recipe: Path) -> None:
    first, second = seobuilder.build(recipe), seobuilder.build(recipe, ["seed=6"])
    name = "words.tokens.weight"
    assert not torch.equal(first.get_parameter(name), second.get_parameter(name))
    assert_equal(state(seobuilder.build(recipe)), state(first))


def test_nothing_absolute_or_timed_is_written(recipe: Path, tmp_path: Path) -> None:
    files = content(write(recipe, tmp_path / "out"))
    assert not any(str(tmp_path).encode() in data for data in files.values())
    written = b"".join(data for name, data in files.items() if name != "model.safetensors")
    for word in (b"time", b"date", b"duration", os.uname().nodename.encode()):
        assert not re.search(rb"\b" + word + rb"\b", written)


def test_a_build_touches_no_global_random_state(recipe: Path, tmp_path: Path) -> None:
    before = torch.get_rng_state(), np.random.get_state(), random.getstate()
    write(recipe, tmp_path / "out")
    seobuilder.load(tmp_path / "out")
    after = torch.get_rng_state(), np.random.get_state(), random.getstate()
    assert torch.equal(after[0], before[0])
    assert all(np.array_equal(a, b) for a, b in zip(after[1], before[1], strict=True))
    assert after[2] == before[2]


def test_the_folder_is_loaded_wherever_it_lies(recipe: Path, tmp_path: Path) -> None:
    building = Building(load_recipe(recipe))
    building.write(tmp_path / "out")
    shutil.rmtree(recipe.parent)
    (tmp_path / "moved").mkdir()
    shutil.move(tmp_path / "out", tmp_path / "moved/here")
    model = seobuilder.load(tmp_path / "moved/here")
    assert_equal(state(model), state(building.model))
    assert model.training == building.model.training
    inputs = building.batch[0].inputs
    assert_equal(model.eval()(**inputs), building.model.eval()(**inputs))
    shared = (f"encoder.blocks.{index}.attention.key" for index in (0, 1))
    assert len({id(model.get_submodule(name).weight) for name in shared}) == 1


@pytest.mark.parametrize("name", ["model.safetensors", "recipe.yaml", "manifest.json"])
def test_a_damaged_folder_is_refused(recipe: Path, tmp_path: Path, name: str) -> None:
    target = write(recipe, tmp_path / "out")
    data = bytearray((target / name).read_bytes())
    data[len(data) // 2] ^= 1
    (target / name).write_bytes(data)
    for read in (seobuilder.load, seobuilder.encoder):
        with pytest.raises(BuildFolderError, match="no usable build folder"):
            read(target)


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        BuildFolderError, match=r"nowhere: no usable build folder\n  does not exist"
    ):
        seobuilder.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("dtype", "torch_dtype"), [("bfloat16", torch.bfloat16), ("float64", torch.float64)]
)
def test_other_dtypes(recipe: Path, tmp_path: Path, dtype: str, torch_dtype: torch.dtype) -> None:
    building = Building(load_recipe(recipe, [f"dtype={dtype}"]))
    assert {p.dtype for p in building.model.parameters()} == {torch_dtype}
    assert building.report.findings == ()
    building.write(tmp_path / "out")
    model = seobuilder.load(tmp_path / "out")
    assert_equal(state(model), state(building.model))
    answers = model(**building.batch[0].inputs)
    assert {answer.dtype for answer in answers.values()} == {torch_dtype}
    sum(answer.float().sum() for answer in answers.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_features_are_fitted_on_the_training_rows(recipe: Path) -> None:
    building = Building(load_recipe(recipe))
    assert building.examples is not None
    rows = building.examples.train
    expected = np.log1p(np.array([float(row) for row in rows])).mean()
    assert building.model.page.mean[0] == pytest.approx(expected, rel=1e-5)
    assert (building.model.page.fill == building.model.page.mean).all()


def test_the_report_tells_what_it_was_measured_on(recipe: Path) -> None:
    report = Building(load_recipe(recipe)).report
    assert report.batch is not None
    assert (report.batch.source, report.batch.rows) == ("rows.csv", 18)
    assert [(o.name, o.rows) for o in report.outputs] == [("intent", 18), ("quality", 18)]
    (vocabulary,) = report.vocabulary
    assert (vocabulary.input, vocabulary.rows) == ("query", 300)
    assert 0 < vocabulary.unused < 43


def test_without_data_seeded_rows_stand_in(recipe: Path) -> None:
    report = Building(load_recipe(recipe, ["data=null"])).report
    assert report.batch is not None
    assert (report.batch.source, report.batch.rows) == ("seeded", 8)
    assert report.vocabulary == () and len(report.outputs) == 2


def test_the_digest_follows_everything_that_decides_the_content(recipe: Path) -> None:
    def digest(*overrides: str) -> str:
        return Building(load_recipe(recipe, overrides)).digest

    first = digest()
    assert digest() == first
    assert digest("seed=6") != first
    for file, old, new in (
        ("rows.csv", "Red", "Rad"),
        ("labels.txt", "know", "know\nmore"),
        ("mixed.yaml", "version", "# a comment\nversion"),
    ):
        path = recipe.parent / file
        text = path.read_text()
        path.write_text(text.replace(old, new, 1))
        assert digest() != first, file
        path.write_text(text)
    assert digest() == first


LOOK = """\
version: 1
name: look
inputs: {shot: {kind: image, channels: 1, height: 4, width: 4}}
modules:
  body: {kind: conv, from: shot, channels: [2], kernel: 3, activation: relu}
  mean: {kind: pool, from: body, method: mean}
outputs: {kind_of: {kind: classification, from: mean, labels: [a, b]}}
data: {files: rows.csv, columns: {shot: file, kind_of: label}}
initialization: [{preset: torch_default}]
"""


def test_images_count_as_data(tmp_path: Path) -> None:
    (tmp_path / "look.yaml").write_text(LOOK)
    (tmp_path / "rows.csv").write_text("file,label\none.npy,a\ntwo.npy,b\n")
    np.save(tmp_path / "one.npy", np.zeros((1, 4, 4), np.uint8))
    np.save(tmp_path / "two.npy", np.ones((1, 4, 4), np.uint8))
    building = Building(load_recipe(tmp_path / "look.yaml"))
    building.write(tmp_path / "out")
    assert building.status(tmp_path / "out") == "same"
    np.save(tmp_path / "two.npy", np.full((1, 4, 4), 9, np.uint8))
    building = Building(load_recipe(tmp_path / "look.yaml"))
    assert building.status(tmp_path / "out") == "different"
    assert building.differences(tmp_path / "out") == ["images of shot: changed"]


def test_all_images_count_in_training_and_those_that_are_looked_at_in_a_build(
    tmp_path: Path,
) -> None:
    (tmp_path / "look.yaml").write_text(LOOK)
    names = [f"{number}.npy" for number in range(PROBE_ROWS + 1)]
    rows = [f"{name},{'ab'[number % 2]}" for number, name in enumerate(names)]
    (tmp_path / "rows.csv").write_text("\n".join(["file,label", *rows]))
    for name in names:
        np.save(tmp_path / name, np.zeros((1, 4, 4), np.uint8))

    def digests() -> tuple[str, str]:
        loaded = load_recipe(tmp_path / "look.yaml")
        return Building(loaded).digest, Building(loaded, reads_all=True).digest

    built, trained = digests()
    examples = Building(load_recipe(tmp_path / "look.yaml")).examples
    assert examples is not None
    (left_out,) = {*range(len(names))} - {*sample_rows(examples, PROBE_ROWS, seed=0).tolist()}
    np.save(tmp_path / names[left_out], np.ones((1, 4, 4), np.uint8))
    assert digests()[0] == built and digests()[1] != trained


def test_a_given_tokenizer_goes_with_the_build(recipe: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"<pad>": 0, "<unk>": 1, "red": 2}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    (recipe.parent / "deep").mkdir()
    tokenizer.save(str(recipe.parent / "deep/words.json"))
    changes = ("inputs.query.tokenizer=deep/words.json", "inputs.query.lowercase=false")
    target = write(recipe, tmp_path / "out", *changes)
    shutil.rmtree(recipe.parent)
    assert (target / "tokenizer.json").is_file()
    own = load_recipe(target / "recipe.yaml").recipe.token_inputs["query"]
    assert own.tokenizer == "tokenizer.json"
    model, encode = seobuilder.load(target), seobuilder.encoder(target)
    batch = encode(query=["red x"], page=[[1, 2, 3]])
    assert batch["query"].tolist() == [[2, 1]]
    assert model.eval()(**batch)["intent"].shape == (1, 2)


def test_invalid_recipes_data_and_machines_that_are_too_small(
    recipe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecipeError, match="R104"):
        seobuilder.build(recipe, ["modules.encoder.dept=3"])
    with pytest.raises(EnvironmentProblem, match="there is no recipe nothing"):
        seobuilder.build("nothing")
    monkeypatch.setattr(os, "sysconf", lambda name: 1)
    with pytest.raises(EnvironmentProblem, match="mixed needs 0 GiB for its weights"):
        seobuilder.build(recipe)
    monkeypatch.undo()
    (recipe.parent / "rows.csv").write_text(ROWS.replace("know", "knwo"))
    with pytest.raises(DataError, match="unknown label `knwo`; did you mean `know`"):
        Building(load_recipe(recipe)).report.model_dump()


def test_inspect_says_what_the_build_said(recipe: Path, tmp_path: Path) -> None:
    building = Building(load_recipe(recipe))
    building.write(tmp_path / "out")
    report = seobuilder.inspect(building.model)
    assert report.is_healthy and report.findings == ()
    assert report.parameters == building.report.parameters
    assert report.summary == building.report.summary
    loaded = seobuilder.inspect(seobuilder.load(tmp_path / "out"))
    assert [p.measured for p in loaded.parameters] == [p.measured for p in report.parameters]
    compiled = torch.compile(building.model, backend="eager")
    assert seobuilder.inspect(compiled).parameters == report.parameters


def test_inspect_measures_the_model_as_it_is_now(recipe: Path) -> None:
    model = seobuilder.build(recipe)
    with torch.no_grad():
        model.get_parameter("words.tokens.weight").mul_(2)
    report = seobuilder.inspect(model)
    assert not report.is_healthy
    assert {finding.place for finding in report.issues} == {"words.tokens.weight"}


def test_inspect_refuses_what_it_cannot_hold_against_a_plan(recipe: Path) -> None:
    model: Any = seobuilder.build(recipe)
    model.quality.linear = torch.nn.Linear(32, 5)
    with pytest.raises(
        ValueError, match=r"changed since it was built: quality\.linear\.weight, qua"
    ):
        seobuilder.inspect(model)
    del model.quality
    with pytest.raises(ValueError, match=r"changed since it was built: quality\.linear\.weight"):
        seobuilder.inspect(model)


def test_inspect_measures_modules_and_files_that_no_recipe_made(tmp_path: Path) -> None:
    layer = torch.nn.Linear(2, 3)
    report = seobuilder.inspect(layer)
    assert (report.name, report.summary.parameters) == ("Linear", 9)
    assert [record.name for record in report.parameters] == ["weight", "bias"]
    save_file(layer.state_dict(), tmp_path / "mine.safetensors")
    other = seobuilder.inspect(tmp_path / "mine.safetensors")
    assert {p.name: p.measured for p in other.parameters} == {
        p.name: p.measured for p in report.parameters
    }
    (tmp_path / "text.safetensors").write_text("no weights")
    for name in ("text.safetensors", "missing.safetensors"):
        with pytest.raises(EnvironmentProblem, match=f"can't read weights from .*{name}"):
            seobuilder.inspect(tmp_path / name)


def test_inspect_measures_a_checkpoint_and_runs_none_of_it(tmp_path: Path) -> None:
    layer, bare = torch.nn.Linear(40, 40), torch.nn.Linear(40, 40, bias=False)
    bare.weight = layer.weight
    model = torch.nn.Sequential(layer, bare)
    state = {"model": model.state_dict(), "epoch": 3, "losses": [1.0]}
    torch.save(state, tmp_path / "last.pt")
    report = seobuilder.inspect(tmp_path / "last.pt")
    assert (report.name, report.findings) == ("last", ())
    assert [(p.name, p.aliases) for p in report.parameters] == [
        ("model.0.weight", ("model.1.weight",)),
        ("model.0.bias", ()),
    ]
    assert seobuilder.inspect(state).parameters == report.parameters
    torch.save(model, tmp_path / "whole.pt")  # needs code to be read
    with pytest.raises(EnvironmentProblem, match=r"can't read weights from .*whole\.pt: "):
        seobuilder.inspect(tmp_path / "whole.pt")


def test_inspect_refuses_a_file_whose_numbers_it_cannot_read(tmp_path: Path) -> None:
    path = tmp_path / "odd.pt"
    for state, reason in (
        ({"epoch": 3}, "there is no tensor in it"),
        ({"w": torch.empty(2, device="meta")}, "on the meta device there are no numbers: w"),
    ):
        torch.save(state, path)
        with pytest.raises(
            EnvironmentProblem, match=rf"can't read weights from .*odd\.pt: {reason}"
        ):
            seobuilder.inspect(path)
    header = b'{"w":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]}}'
    path = tmp_path / "odd.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"abc")
    with pytest.raises(EnvironmentProblem, match=r"can't read `w` from .*odd\.safetensors: "):
        seobuilder.inspect(path)


def test_a_model_is_copied_and_pickled_like_any_other(recipe: Path) -> None:
    model = seobuilder.build(recipe)
    assert_equal(state(copy.deepcopy(model)), state(model))
    model = seobuilder.build("page_look")  # torch pickles no weight norm and no spectral norm
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    pickled = torch.load(file, weights_only=False)
    assert_equal(state(pickled), state(model))
    assert seobuilder.inspect(pickled).parameters == seobuilder.inspect(model).parameters
