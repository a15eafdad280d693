"""Rows that Python holds, as the tensors that a model takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seobuilder
from seobuilder.data.batches import make_batch
from seobuilder.data.encoder import Encoder
from seobuilder.data.tokenizer import train_tokenizer
from seobuilder.recipe.load import load_recipe
from seobuilder.stages import Building


@pytest.fixture
def encoder_for(make_recipe):
    """An encoder of these inputs, each token input having a tokenizer of bytes."""

    def make(dtype: str = "float32", **inputs: dict[str, Any]) -> Encoder:
        recipe = make_recipe(inputs=inputs, dtype=dtype)
        specs = recipe.token_inputs.items()
        lower = {"lowercase": True}
        tokenizers = {n: train_tokenizer([], spec.model_copy(update=lower)) for n, spec in specs}
        return Encoder(recipe, tokenizers)

    return make


TOKENS = {"kind": "tokens", "vocab_size": 300, "max_length": 4}


def test_texts_are_cut_and_padded_to_the_longest(encoder_for) -> None:
    batch = encoder_for(query=TOKENS)(query=["ab", "B", "", None, "abcdefgh"])
    ids = batch["query"]
    assert ids.dtype == torch.int64 and ids.shape == (5, 4)
    a, b = ids[0, :2].tolist()
    assert a != b and 0 not in (a, b)
    assert ids[:4].tolist() == [[a, b, 0, 0], [b, 0, 0, 0], [0] * 4, [0] * 4]
    assert (ids[4] != 0).all()


@pytest.mark.parametrize(
    "rows",
    [
        [[1, 2.5], [None, "1,000"]],
        [(1, 2.5), (float("nan"), 1000)],
        np.array([[1, 2.5], [np.nan, 1000]], np.float32),
        torch.tensor([[1, 2.5], [torch.nan, 1000]]),
        [np.array([1, 2.5]), torch.tensor([torch.nan, 1000])],
        [[np.float32(1), np.float64(2.5)], [np.nan, np.int64(1000)]],
    ],
)
def test_features(encoder_for, rows: Any) -> None:
    encode = encoder_for(page={"kind": "features", "size": 2, "missing": "mean"})
    found = encode(page=rows)["page"]
    expected = torch.tensor([[1, 2.5], [torch.nan, 1000]])
    torch.testing.assert_close(found, expected, equal_nan=True)


def test_one_feature_needs_no_list(encoder_for) -> None:
    encode = encoder_for(price={"kind": "features", "size": 1})
    assert encode(price=[1, 2.5])["price"].tolist() == [[1.0], [2.5]]
    assert encode(price=torch.tensor([3.0]))["price"].tolist() == [[3.0]]


def test_categories_and_what_is_none_of_them(encoder_for) -> None:
    encode = encoder_for(device={"kind": "category", "values": ["desktop", "mobile"]})
    assert encode(device=["mobile", "desktop", "fridge", None])["device"].tolist() == [2, 1, 0, 0]


def test_embeddings_have_the_recipes_dtype(encoder_for) -> None:
    encode = encoder_for("bfloat16", vector={"kind": "embedding", "size": 2})
    vector = encode(vector=[[1, 2]])["vector"]
    assert (vector.dtype, vector.tolist()) == (torch.bfloat16, [[1.0, 2.0]])


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, lambda array: array.tolist()])
def test_images(encoder_for, kind) -> None:
    encode = encoder_for(shot={"kind": "image", "channels": 1, "height": 2, "width": 3})
    fractions = np.linspace(0, 1, 12).reshape(2, 1, 2, 3)
    found = encode(shot=kind(fractions))["shot"]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.from_numpy(fractions).float())


def test_bytes_of_an_image_become_fractions(encoder_for) -> None:
    encode = encoder_for(shot={"kind": "image", "channels": 1, "height": 1, "width": 2})
    for shot in (np.array([[[0, 255]]], np.uint8), torch.tensor([[[0, 255]]], dtype=torch.uint8)):
        assert encode(shot=[shot])["shot"].tolist() == [[[[0.0, 1.0]]]]


def test_no_rows_give_empty_tensors(encoder_for) -> None:
    encode = encoder_for(
        query=TOKENS,
        page={"kind": "features", "size": 2},
        device={"kind": "category", "values": ["a"]},
        shot={"kind": "image", "channels": 1, "height": 2, "width": 3},
    )
    batch = encode(query=[], page=[], device=[], shot=[])
    assert [tuple(tensor.shape) for tensor in batch.values()] == [
        (0, 1),
        (0, 2),
        (0,),
        (0, 1, 2, 3),
    ]


PAGE = {"kind": "features", "size": 2}
SHOT = {"kind": "image", "channels": 1, "height": 2, "width": 3}


@pytest.mark.parametrize(
    ("inputs", "rows", "message"),
    [
        ({"query": TOKENS}, {}, "missing query; the inputs are query"),
        ({"query": TOKENS}, {"qeury": ["a"]}, "missing query, unknown qeury; the inputs are query"),
        (
            {"query": TOKENS},
            {"query": "buy shoes"},
            "query: expected a list with one item for each row, found str",
        ),
        (
            {"page": PAGE},
            {"page": torch.tensor(3)},
            "page: expected a list with one item for each row, found Tensor",
        ),
    ],
)
def test_wrong_names_and_lists_are_type_errors(
    encoder_for, inputs: dict[str, Any], rows: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        encoder_for(**inputs)(**rows)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("spec", "rows", "message"),
    [
        (TOKENS, ["a", ["b"]], "rows[1]: expected text, found a list"),
        (TOKENS, [b"a"], "rows[0]: a bytes is neither text nor a number"),
        (PAGE, [[1, 2], [1, 2, 3]], "rows[1]: expected 2 numbers, found 3"),
        (PAGE, [[1, "x"]], "rows[0]: `x` is no number: expected a number such as 0.5, 1,234 or"),
        (PAGE, [[1, None]], "rows[0]: the cell is empty, and nothing stands in for a missing"),
        (PAGE, [[1, float("inf")]], "is no number: the number is too large for float32"),
        (PAGE, [{"a": 1}], "rows[0]: a dict is neither text nor a number"),
        (SHOT, [np.zeros((2, 3))], "rows[0]: shape [2, 3], expected [1, 2, 3]"),
        (SHOT, [np.zeros((1, 2, 3), int)], "rows[0]: numbers of type int64, expected uint8 or a "),
        (SHOT, [[[1.0], [1.0, 2.0]]], "rows[0]: unreadable image: "),
    ],
)
def test_wrong_rows_are_value_errors(encoder_for, spec: Any, rows: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        encoder_for(rows=spec)(rows=rows)
    assert message in str(caught.value)


def test_lists_of_different_lengths(encoder_for) -> None:
    encode = encoder_for(query=TOKENS, page=PAGE)
    with pytest.raises(ValueError) as caught:
        encode(query=["a", "b"], page=[[1, 2]])
    assert str(caught.value) == (
        "the inputs differ in their number of rows: query has 2, page has 1"
    )


def test_texts_need_a_tokenizer(make_recipe) -> None:
    with pytest.raises(ValueError, match="query has no tokenizer: the recipe names none, and no"):
        Encoder(make_recipe(), {})(query=["a"])


def test_a_builds_encoder_gives_what_its_data_gave(tmp_path: Path) -> None:
    building = Building(load_recipe("seo_multitask"))
    building.write(tmp_path / "build")
    examples = building.examples
    assert examples is not None
    rows = list(range(4))
    values = {"device": ["", "desktop", "mobile", "tablet"]}
    values["country"] = ["", *building.loaded.recipe.inputs["country"].values]
    columns = {
        "query": [examples.texts["query"][row] for row in rows],
        **{
            name: [names[examples.numbers[name][row]] for row in rows]
            for name, names in values.items()
        },
    }
    batches = [
        seobuilder.encoder(source)(**columns) for source in (tmp_path / "build", "seo_multitask")
    ]
    whole = make_batch(examples, rows, building.loaded.recipe, building.tokenizers).inputs
    for batch in batches:
        assert list(batch) == list(whole)
        assert all(torch.equal(batch[name], tensor) for name, tensor in whole.items())
    assert building.model.eval()(**batches[0])["intent"].shape == (4, 4)


def test_a_build_without_a_tokenizer_says_so_when_asked(tmp_path: Path) -> None:
    Building(load_recipe("search_intent", ["data=null", "modules.encoder.depth=1"])).write(
        tmp_path / "build"
    )
    with pytest.raises(ValueError, match="query has no tokenizer"):
        seobuilder.encoder(tmp_path / "build")(query=["a"])
