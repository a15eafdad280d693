"""Texts that are too long: what a tokenizer puts around a text stays."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from seobuilder.data.tokenizer import encode_texts

VOCABULARY = {"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3, "a": 4, "b": 5, "c": 6}


@pytest.fixture(params=["", "[CLS] $A", "[CLS] $A [SEP]", "[CLS] $A [SEP] [SEP]"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    made = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["[PAD]", "[CLS]", "[SEP]"])
    if request.param:
        special = [("[CLS]", 1), ("[SEP]", 2)]
        made.post_processor = processors.TemplateProcessing(
            single=request.param, special_tokens=special
        )
    return made


@pytest.mark.parametrize("direction", ["left", "right"])
@pytest.mark.parametrize("max_length", [4, 5, 6, 9])
def test_texts_are_cut_as_the_library_cuts_them(
    tokenizer: Tokenizer, max_length: int, direction: str
) -> None:
    texts = ["a b c a b c a", "a", "a b c", "c b a c"]
    tokenizer.enable_padding(direction=direction, pad_id=0, pad_token="[PAD]", length=8)
    found = encode_texts(tokenizer, texts, max_length)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length)
    assert found == [encoding.ids for encoding in tokenizer.encode_batch(texts)]


def test_there_may_be_room_for_less_than_what_stands_around(tokenizer: Tokenizer) -> None:
    for max_length in (1, 2, 3):
        (ids,) = encode_texts(tokenizer, ["a b c a"], max_length)
        assert len(ids) == max_length
    assert encode_texts(tokenizer, [""], 4) == [[]]
