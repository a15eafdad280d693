"""The shipped recipe `sentence_embedding`: all-MiniLM-L6-v2, loaded whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import seobuilder
from seobuilder.planning.tensor_file import read_header
from seobuilder.recipe.load import load_recipe
from seobuilder.stages import Building

SENTENCES = [
    "buy red shoes",
    "weather",
    "How do I bake sourdough bread at home without a dutch oven?",
    "Cheap flights from Berlin to New York in November, one stop at most",
    "what's the best laptop for programming under $1,000 in 2026?",
    "naïve café: déjà vu!",
    "COVID-19 symptoms vs. flu",
    "The Eiffel Tower was built for the World's Fair of 1889, and stands on the Champ de Mars.",
]


@pytest.fixture(scope="module")
def building(minilm_files: dict[str, Path]) -> Building:
    return Building(load_recipe("sentence_embedding", files=minilm_files))


@pytest.fixture(scope="module")
def expected(minilm: Path) -> Tensor:
    """What sentence-transformers makes of BERT's last layer: masked mean, then length 1."""
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm)
    bert = transformers.BertModel.from_pretrained(minilm).eval()
    batch = tokenizer(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = bert(**batch).last_hidden_state
    real = batch["attention_mask"][..., None]
    mean = (hidden * real).sum(dim=1) / real.sum(dim=1)
    return torch.nn.functional.normalize(mean, dim=1)


def test_every_weight_is_that_of_the_checkpoint(building: Building, minilm: Path) -> None:
    assert building.plan.warnings == ()
    assert {a.method for a in building.plan.assignments} == {"pretrained"}
    left = {"pooler.dense.weight", "pooler.dense.bias", "embeddings.position_ids"}
    header = read_header(minilm / "model.safetensors")
    assert {a.distribution.tensor for a in building.plan.assignments} == header.keys() - left
    assert building.report.findings == ()


def test_its_sentence_embeddings_are_those_of_transformers(
    building: Building, expected: Tensor, minilm_files: dict[str, Path]
) -> None:
    encode = seobuilder.encoder("sentence_embedding", minilm_files)
    model = building.model.eval()
    with torch.no_grad():
        found = model(**encode(text=SENTENCES))["meaning"]
        alone = torch.cat([model(**encode(text=[text]))["meaning"] for text in SENTENCES])
    assert found.shape == (8, 384)
    torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-5)
    torch.testing.assert_close(alone, expected, rtol=0.0, atol=1e-5)


def test_its_build_folder_needs_no_other_file(
    building: Building, expected: Tensor, tmp_path: Path
) -> None:
    building.write(tmp_path / "build")
    model, encode = (
        seobuilder.load(tmp_path / "build").eval(),
        seobuilder.encoder(tmp_path / "build"),
    )
    with torch.no_grad():
        found = model(**encode(text=SENTENCES))["meaning"]
    torch.testing.assert_close(found, expected, rtol=0.0, atol=1e-5)


def test_a_long_text_is_cut_as_transformers_cuts_it(
    minilm: Path, minilm_files: dict[str, Path]
) -> None:
    transformers = pytest.importorskip("transformers")
    text = "a long page about red shoes " * 200
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm)
    ids = tokenizer([text], truncation=True, max_length=512, return_tensors="pt")["input_ids"]
    encode = seobuilder.encoder("sentence_embedding", minilm_files)
    assert torch.equal(encode(text=[text])["text"], ids)
    assert ids.shape == (1, 512) and ids[0, -1] == 102
