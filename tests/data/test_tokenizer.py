from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from seobuilder.data.encode import Examples
from seobuilder.data.tables import read_table
from seobuilder.data.tokenizer import (
    encode_texts,
    load_tokenizer,
    prepare_tokenizers,
    tokenizer_groups,
    train_tokenizer,
)
from seobuilder.errors import DataError
from seobuilder.recipe.files import padding_id_of
from seobuilder.recipe.spec import Recipe
from seobuilder.recipe.spec.inputs import TokensInput


def spec(vocab_size: int, **settings: object) -> TokensInput:
    values = {"kind": "tokens", "vocab_size": vocab_size, "max_length": 8} | settings
    return TokensInput.model_validate(values)


TEXTS = ["red shoes", "red bags", "blue shoes for men", "Größe 42", "ÄPFEL kaufen"] * 3


@pytest.fixture(scope="module")
def trained() -> Tokenizer:
    return train_tokenizer(TEXTS, spec(300))


def test_padding_is_the_first_entry(trained: Tokenizer) -> None:
    assert trained.token_to_id("<pad>") == 0
    assert padding_id_of(json.loads(trained.to_str())) == 0


@pytest.mark.parametrize("size", [257, 260, 290, 5000])
def test_the_vocabulary_never_outgrows_its_size(size: int) -> None:
    tokenizer = train_tokenizer(TEXTS, spec(size))
    assert sorted(tokenizer.get_vocab().values()) == list(range(tokenizer.get_vocab_size()))
    assert tokenizer.get_vocab_size() <= size
    assert tokenizer.get_vocab_size() == size or size == 5000


def test_too_small_a_vocabulary() -> None:
    with pytest.raises(DataError) as caught:
        train_tokenizer(TEXTS, spec(256), "inputs.query")
    assert str(caught.value) == (
        "D303 inputs.query.vocab_size: a trained tokenizer needs at least 257 entries: "
        "256 bytes and <pad>; found 256"
    )


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_any_text_survives(trained: Tokenizer, text: str) -> None:
    (ids,) = encode_texts(trained, [text], 1000)
    assert trained.decode(ids, skip_special_tokens=False) == unicodedata.normalize("NFC", text)
    assert 0 not in ids


def test_a_text_that_spells_padding_is_not_padding(trained: Tokenizer) -> None:
    (ids,) = encode_texts(trained, ["a <pad> b"], 100)
    assert 0 not in ids


def test_forms_of_one_letter_are_equal(trained: Tokenizer) -> None:
    composed, decomposed = encode_texts(trained, ["Größe", "Gro\u0308ße"], 100)
    assert composed == decomposed


def test_lower_case() -> None:
    folded = train_tokenizer(TEXTS, spec(300, lowercase=True))
    upper, lower = encode_texts(folded, ["RED ÄPFEL", "red äpfel"], 100)
    assert upper == lower
    kept = encode_texts(train_tokenizer(TEXTS, spec(300)), ["RED", "red"], 100)
    assert kept[0] != kept[1]


@pytest.mark.parametrize(
    ("settings", "written", "meant"),
    [
        ({"unicode": "NFKC"}, "ﬁne ＡＢＣ x²", "fine ABC x2"),
        ({"unicode": "NFKC", "strip_accents": True}, "Crème ﬁne", "Creme fine"),
        ({"strip_accents": True}, "Größe é e\u0301 ﬁ", "Große e e ﬁ"),
        ({"strip_accents": True, "lowercase": True}, "ÄPFEL", "apfel"),
        ({"collapse_spaces": True}, "  red \n\t shoes\u00a0 ", "red shoes"),
        ({"collapse_spaces": True, "leading_space": True}, " red  shoes", " red shoes"),
    ],
)
def test_forms_of_text(
    settings: dict[str, object], written: str, meant: str, tmp_path: Path
) -> None:
    tokenizer = train_tokenizer(TEXTS, spec(300, **settings))
    (ids,) = encode_texts(tokenizer, [written], 100)
    assert tokenizer.decode(ids) == meant
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    loaded = load_tokenizer(tmp_path / "tokenizer.json", 300)
    assert encode_texts(loaded, [written], 100) == [ids]


def test_a_leading_space_makes_a_first_word_the_same_as_any_other() -> None:
    texts = ["red shoes", "shoes red"] * 2
    plain, spaced = (
        encode_texts(train_tokenizer(texts, spec(300, leading_space=given)), texts[:2], 100)
        for given in (False, True)
    )
    assert spaced[0] == spaced[1][::-1] and len(spaced[0]) == 2
    assert plain[0] != plain[1][::-1]
    some = train_tokenizer(texts, spec(300, leading_space=True, collapse_spaces=True))
    assert encode_texts(some, ["", " "], 100) == [[], []]


def test_texts_are_cut_and_not_padded(trained: Tokenizer) -> None:
    whole = encode_texts(trained, ["red shoes for men and more", "", "red"], 100)
    cut = encode_texts(trained, ["red shoes for men and more", "", "red"], 3)
    assert cut == [whole[0][:3], [], whole[2]]
    assert len(cut[0]) == 3
    assert encode_texts(trained, [], 3) == []


SCRIPT = """
import sys
from seobuilder.data.tokenizer import train_tokenizer
from seobuilder.recipe.spec.inputs import TokensInput
spec = TokensInput(kind="tokens", vocab_size=400, max_length=8, lowercase=True)
sys.stdout.write(train_tokenizer(sys.stdin.read().splitlines(), spec).to_str())
"""


def test_training_is_the_same_in_every_process() -> None:
    words = ["".join(chr(97 + (i * k) % 26) for k in range(1, 6)) for i in range(300)]
    texts = [" ".join(words[i : i + 4]) for i in range(297)]
    here = train_tokenizer(texts, spec(400, lowercase=True)).to_str()
    assert here == train_tokenizer(texts, spec(400, lowercase=True)).to_str()
    for seed, parallel in (("0", "false"), ("1234", "true")):
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "TOKENIZERS_PARALLELISM": parallel,
        }
        there = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            input="\n".join(texts),
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout == here


def test_a_saved_tokenizer_is_loaded_as_it_was(trained: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(trained.to_str(), encoding="utf-8")
    loaded = load_tokenizer(path, 300)
    assert loaded.to_str() == trained.to_str()
    texts = ["red shoes", "x <pad>"]
    assert encode_texts(loaded, texts, 9) == encode_texts(trained, texts, 9)


def test_a_tokenizer_must_fit_its_table(trained: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    trained.save(str(path))
    size = trained.get_vocab_size()
    load_tokenizer(path, size)
    with pytest.raises(DataError) as caught:
        load_tokenizer(path, size - 1)
    assert str(caught.value) == (
        f"{path}:1:1 D302 the tokenizer has ids up to {size - 1}, vocab_size {size - 1} ends before"
    )


def test_how_a_file_pads_and_truncates_changes_no_ids(trained: Tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    other = Tokenizer.from_str(trained.to_str())
    other.enable_padding(direction="left", length=20)
    other.enable_truncation(2)
    other.save(str(path))
    texts = ["red shoes for men", "red"]
    assert encode_texts(load_tokenizer(path, 300), texts, 9) == encode_texts(trained, texts, 9)


def test_an_empty_text_has_no_ids_even_if_the_file_adds_some(trained: Tokenizer) -> None:
    other = Tokenizer.from_str(trained.to_str())
    other.post_processor = TemplateProcessing(single="! $A", special_tokens=[("!", 1)])
    empty, red = encode_texts(other, ["", "red"], 9)
    assert empty == []
    assert red == [1, *encode_texts(trained, ["red"], 9)[0]]


def test_files_that_are_no_tokenizer(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    with pytest.raises(DataError, match=r"tokenizer\.json:1:1 D101 no such file$"):
        load_tokenizer(path, 300)
    for content in ("", "{}", "[]", '{"model": 1}'):
        path.write_text(content)
        with pytest.raises(DataError, match=r"tokenizer\.json:1:1 D301 not a tokenizer: "):
            load_tokenizer(path, 300)


MakeRecipe = Callable[..., Recipe]


def tokens(**settings: object) -> dict[str, object]:
    return {"kind": "tokens", "vocab_size": 300, "max_length": 8} | settings


def test_inputs_with_equal_settings_share_a_file(make_recipe: MakeRecipe) -> None:
    inputs = {"query": tokens(), "title": tokens(max_length=99)}
    assert tokenizer_groups(make_recipe(inputs=inputs)) == {
        "query": "tokenizer.json",
        "title": "tokenizer.json",
    }
    inputs["body"] = tokens(lowercase=True)
    inputs["note"] = tokens(lowercase=True, strip_accents=True)
    inputs["url"] = tokens(vocab_size=400)
    inputs["path"] = tokens(vocab_size=400)
    assert tokenizer_groups(make_recipe(inputs=inputs)) == {
        "query": "tokenizer.query.json",
        "title": "tokenizer.query.json",
        "body": "tokenizer.body.json",
        "note": "tokenizer.note.json",
        "url": "tokenizer.url.json",
        "path": "tokenizer.url.json",
    }


def test_without_token_inputs_there_are_no_files(make_recipe: MakeRecipe) -> None:
    inputs = {"page": {"kind": "features", "size": 1}}
    assert tokenizer_groups(make_recipe(inputs=inputs)) == {}


def examples_of(**texts: list[str]) -> Examples:
    return Examples(train=np.array([0, 1]), test=np.array([2]), texts=texts)


def test_a_shared_tokenizer_learns_from_training_rows_of_all_its_inputs(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = make_recipe(inputs={"query": tokens(), "title": tokens()})
    examples = examples_of(query=["abab", "abab", "zzzz"], title=["qwqw", "qwqw", "zzzz"])
    prepared = prepare_tokenizers(recipe, tmp_path, examples)
    assert prepared["query"] is prepared["title"]
    vocabulary = prepared["query"].get_vocab()
    assert {"abab", "qwqw"} <= set(vocabulary)
    assert "zz" not in vocabulary


def test_a_named_tokenizer_is_loaded(
    make_recipe: MakeRecipe, tmp_path: Path, trained: Tokenizer
) -> None:
    trained.save(str(tmp_path / "own.json"))
    recipe = make_recipe(inputs={"query": tokens(tokenizer="own.json"), "title": tokens()})
    examples = examples_of(query=["x"] * 3, title=["x"] * 3)
    prepared = prepare_tokenizers(recipe, tmp_path, examples)
    assert prepared["query"].to_str() == trained.to_str()
    assert prepared["title"].to_str() != trained.to_str()


def test_a_trained_tokenizer_pads_with_zero(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(inputs={"query": tokens(padding_id=5)})
    with pytest.raises(DataError) as caught:
        prepare_tokenizers(recipe, tmp_path, examples_of(query=["x"] * 3))
    assert str(caught.value) == (
        "D304 inputs.query.padding_id: a trained tokenizer pads with 0, found 5"
    )


def test_a_named_tokenizer_stays_in_the_folder(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "own.json").symlink_to(tmp_path / "elsewhere.json")
    recipe = make_recipe(inputs={"query": tokens(tokenizer="own.json")})
    with pytest.raises(DataError) as caught:
        prepare_tokenizers(recipe, folder, examples_of(query=["x"] * 3))
    assert str(caught.value) == (
        "D102 inputs.query.tokenizer: `own.json` leads out of the recipe's folder"
    )


def test_real_banking_queries(shared_file: Callable[[str], Path]) -> None:
    table = read_table(shared_file("banking77/train.csv"), ["text"])
    texts = table.columns["text"].to_pylist()
    tokenizer = train_tokenizer(texts, spec(1024, lowercase=True))
    assert tokenizer.get_vocab_size() == 1024
    lengths = [len(ids) for ids in encode_texts(tokenizer, texts, 1000)]
    assert np.mean(lengths) < np.mean([len(text) for text in texts]) / 3
    assert train_tokenizer(texts, spec(1024, lowercase=True)).to_str() == tokenizer.to_str()
