from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seobuilder.data.batches import Batch, feature_matrix, make_batch, sample_rows, seeded_batch
from seobuilder.data.encode import Examples, load_examples
from seobuilder.data.tokenizer import encode_texts, prepare_tokenizers
from seobuilder.errors import DataError
from seobuilder.recipe.spec import Recipe

MakeRecipe = Callable[..., Recipe]

EVERYTHING: dict[str, Any] = {
    "inputs": {
        "query": {"kind": "tokens", "vocab_size": 300, "max_length": 8, "padding_id": 0},
        "page": {"kind": "features", "size": 2, "missing": "mean"},
        "device": {"kind": "category", "values": ["mobile", "desktop"]},
        "shot": {"kind": "image", "channels": 1, "height": 2, "width": 3},
        "vector": {"kind": "embedding", "size": 3},
    },
    "outputs": {
        "intent": {"kind": "classification", "from": "query", "labels": ["a", "b", "c"]},
        "topics": {"kind": "multilabel", "from": "query", "labels": 4},
        "clicks": {"kind": "regression", "from": "query"},
        "both": {"kind": "regression", "from": "query", "size": 2},
        "relevance": {"kind": "ranking", "from": "query"},
        "meaning": {"kind": "embedding", "from": "query"},
    },
}
DATA = {
    "files": "a.csv",
    "columns": {"query": "q", "page": ["x", "y"], "device": "device", "shot": "shot"}
    | {"vector": "v", "intent": "intent", "topics": "topics", "clicks": "x", "both": ["x", "y"]}
    | {"relevance": "rel"},
    "group": "id",
}
TEXT = (
    "q,x,y,device,shot,v,intent,topics,rel,id\n"
    "red shoes and bags,1,1095056,desktop,0.npy,1 2 3,b,0|2,3,s\n"
    ",,2,tv,1.npy,4 5 6,,,,s\n"
    "bag,3,4,mobile,0.npy,7 8 9,a,[],1,t\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text(TEXT)
    for value in range(2):
        np.save(tmp_path / f"{value}.npy", np.full((1, 2, 3), 255 * value, np.uint8))
    return tmp_path


def batch_of(recipe: Recipe, folder: Path, rows: list[int]) -> Batch:
    examples = load_examples(recipe, folder)
    return make_batch(examples, rows, recipe, prepare_tokenizers(recipe, folder, examples))


def equal(actual: torch.Tensor, expected: object, dtype: torch.dtype) -> None:
    torch.testing.assert_close(
        actual, torch.tensor(expected, dtype=dtype), rtol=0, atol=0, equal_nan=True
    )


def test_a_batch_holds_every_kind(make_recipe: MakeRecipe, folder: Path) -> None:
    recipe = make_recipe(**EVERYTHING, data=DATA)
    batch = batch_of(recipe, folder, [2, 0, 1])
    nan = float("nan")
    assert list(batch.inputs) == ["query", "page", "device", "shot", "vector"]
    equal(batch.inputs["page"], [[3, 4], [1, 1095056], [nan, 2]], torch.float32)
    equal(batch.inputs["device"], [1, 2, 0], torch.int64)
    equal(batch.inputs["shot"], [[[[v] * 3] * 2] for v in (0.0, 0.0, 1.0)], torch.float32)
    equal(batch.inputs["vector"], [[7, 8, 9], [1, 2, 3], [4, 5, 6]], torch.float32)

    assert list(batch.targets) == ["intent", "topics", "clicks", "both", "relevance"]
    equal(batch.targets["intent"], [0, 1, -100], torch.int64)
    equal(batch.targets["topics"], [[0] * 4, [1, 0, 1, 0], [nan] * 4], torch.float32)
    equal(batch.targets["clicks"], [3, 1, nan], torch.float32)
    equal(batch.targets["both"], [[3, 4], [1, 1095056], [nan, 2]], torch.float32)
    equal(batch.targets["relevance"], [1, 3, nan], torch.float32)
    assert batch.group is not None
    equal(batch.group, [1, 0, 0], torch.int64)


def test_token_rows_are_padded_to_the_longest(make_recipe: MakeRecipe, folder: Path) -> None:
    recipe = make_recipe(**EVERYTHING, data=DATA)
    examples = load_examples(recipe, folder)
    tokenizers = prepare_tokenizers(recipe, folder, examples)
    long, empty, short = encode_texts(tokenizers["query"], examples.texts["query"], 8)
    assert len(long) == 8 > len(short)

    def ids(rows: list[int]) -> list[list[int]]:
        values: list[list[int]] = (
            make_batch(examples, rows, recipe, tokenizers).inputs["query"].tolist()
        )
        return values

    assert ids([0, 1, 2]) == [long, [0] * 8, short + [0] * (8 - len(short))]
    assert ids([2, 1]) == [short, [0] * len(short)]
    assert ids([1]) == [[0]]
    assert empty == []


def test_padding_has_the_id_of_the_input(make_recipe: MakeRecipe, folder: Path) -> None:
    inputs = EVERYTHING["inputs"]
    plain = make_recipe(**EVERYTHING, data=DATA)
    examples = load_examples(plain, folder)
    tokenizers = prepare_tokenizers(plain, folder, examples)
    other = {**inputs, "query": inputs["query"] | {"padding_id": 299}}
    recipe = make_recipe(inputs=other, outputs=EVERYTHING["outputs"], data=DATA)
    assert make_batch(examples, [1], recipe, tokenizers).inputs["query"].tolist() == [[299]]


@pytest.mark.parametrize(
    ("dtype", "own", "wide"),
    [
        ("float16", torch.float16, torch.float32),
        ("bfloat16", torch.bfloat16, torch.float32),
        ("float64", torch.float64, torch.float64),
    ],
)
def test_dtypes(
    make_recipe: MakeRecipe, folder: Path, dtype: str, own: torch.dtype, wide: torch.dtype
) -> None:
    recipe = make_recipe(**EVERYTHING, data=DATA, dtype=dtype)
    for batch in (batch_of(recipe, folder, [0]), seeded_batch(recipe)):
        assert batch.inputs["vector"].dtype == batch.inputs["shot"].dtype == own
        assert batch.inputs["page"].dtype == wide
        for name in ("topics", "clicks", "both", "relevance"):
            assert batch.targets[name].dtype == wide


def test_an_image_that_went_away(make_recipe: MakeRecipe, folder: Path) -> None:
    recipe = make_recipe(**EVERYTHING, data=DATA)
    examples = load_examples(recipe, folder)
    tokenizers = prepare_tokenizers(recipe, folder, examples)
    (folder / "1.npy").unlink()
    with pytest.raises(DataError, match=r"1\.npy:1:1 D206 unreadable image: "):
        make_batch(examples, [1], recipe, tokenizers)


def test_a_seeded_batch_has_the_shape_of_a_real_one(make_recipe: MakeRecipe, folder: Path) -> None:
    recipe = make_recipe(**EVERYTHING, data=DATA)
    real, seeded = batch_of(recipe, folder, [0, 1, 2]), seeded_batch(recipe, rows=3)
    for ours, theirs in ((seeded.inputs, real.inputs), (seeded.targets, real.targets)):
        assert {name: (value.shape, value.dtype) for name, value in ours.items()} == {
            name: (value.shape, value.dtype) for name, value in theirs.items()
        }


def test_seeded_values_stay_in_range(make_recipe: MakeRecipe) -> None:
    batch = seeded_batch(make_recipe(**EVERYTHING), rows=400)
    inputs, targets = batch.inputs, batch.targets
    assert inputs["query"].shape == (400, 8)
    assert inputs["query"].max() == 299
    assert set(inputs["device"].tolist()) == {0, 1, 2}
    assert 0 <= inputs["shot"].min() < inputs["shot"].max() <= 1
    for name in ("page", "vector"):
        # Five standard errors of the mean of 800 or more standard normal numbers.
        assert abs(inputs[name].mean()) < 5 / 800**0.5
        assert inputs[name].std() == pytest.approx(1, abs=0.13)
    assert set(targets["intent"].tolist()) == {0, 1, 2}
    assert set(targets["topics"].flatten().tolist()) == {0.0, 1.0}
    assert targets["clicks"].std() == pytest.approx(1, abs=0.18)
    assert set(targets["relevance"].tolist()) == {0.0, 1.0, 2.0, 3.0}
    assert batch.group is not None
    assert batch.group.tolist() == [row // 4 for row in range(400)]


@pytest.mark.parametrize("padding_id", [0, 1, 2])
def test_seeded_tokens_are_never_padding(make_recipe: MakeRecipe, padding_id: int) -> None:
    query = {"kind": "tokens", "vocab_size": 3, "max_length": 6, "padding_id": padding_id}
    ids = seeded_batch(make_recipe(inputs={"query": query}), rows=64).inputs["query"]
    real = ids != padding_id
    lengths = real.sum(1)
    assert torch.equal(real, torch.arange(6) < lengths[:, None])
    assert set(lengths.tolist()) == {1, 2, 3, 4, 5, 6}
    assert lengths[0] == 6
    assert set(ids[real].tolist()) == {0, 1, 2} - {padding_id}


def test_seeded_batches_follow_the_seed_and_nothing_else(make_recipe: MakeRecipe) -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    state = torch.random.get_rng_state(), str(np.random.get_state())
    first = seeded_batch(make_recipe(**EVERYTHING, seed=1))
    assert torch.equal(torch.random.get_rng_state(), state[0])
    assert str(np.random.get_state()) == state[1]

    again = seeded_batch(make_recipe(**EVERYTHING, seed=1))
    other = seeded_batch(make_recipe(**EVERYTHING, seed=2))
    for name, value in first.inputs.items():
        assert torch.equal(value, again.inputs[name])
    assert not torch.equal(first.inputs["vector"], other.inputs["vector"])

    vector = EVERYTHING["inputs"]["vector"]
    twins = seeded_batch(make_recipe(inputs={"one": vector, "two": vector})).inputs
    assert not torch.equal(twins["one"], twins["two"])
    less = make_recipe(inputs={"vector": vector}, outputs=EVERYTHING["outputs"], seed=1)
    assert torch.equal(seeded_batch(less).inputs["vector"], first.inputs["vector"])


def test_only_ranking_needs_groups(make_recipe: MakeRecipe) -> None:
    assert seeded_batch(make_recipe()).group is None


def test_sampled_rows_are_training_rows_in_whole_groups() -> None:
    groups = np.arange(30) // 5
    examples = Examples(train=np.arange(20), test=np.arange(20, 30), groups=groups)
    rows = sample_rows(examples, 8, seed=3)
    assert len(rows) == 10
    assert rows.max() < 20
    assert sorted(np.bincount(groups[rows], minlength=4)) == [0, 0, 5, 5]
    assert sample_rows(examples, 8, seed=3).tolist() == rows.tolist()


def test_features_are_those_of_the_training_split() -> None:
    values = np.array([[1.0, np.nan], [2.0, 3.0], [4.0, 5.0]])
    examples = Examples(np.array([0, 2]), np.array([1]), numbers={"page": values})
    equal(feature_matrix(examples, "page"), [[1, float("nan")], [4, 5]], torch.float64)
