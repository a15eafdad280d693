"""Files that a caller gives, and the map of names of a rule that loads one."""

from __future__ import annotations

from pathlib import Path

import pytest

from seobuilder.errors import RecipeError
from seobuilder.recipe.files import MissingFile, find_file
from seobuilder.recipe.given import named_files
from seobuilder.recipe.load import load_recipe, parse_recipe

RECIPE = """\
version: 1
name: shop
inputs:
  query: {kind: tokens, vocab_size: 20, max_length: 4, tokenizer: t.json, padding_id: 3}
modules:
  words: {kind: token_embedding, from: query, width: 4}
  meaning: {kind: pool, from: words, method: mean}
outputs:
  answer: {kind: embedding, from: meaning}
initialization:
  - {match: "words.**", method: pretrained, file: w.safetensors}
"""


def complaint(folder: Path, text: str, **files: str) -> str:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(
            text.encode(), "shop.yaml", folder, files={n: Path(p) for n, p in files.items()}
        )
    return str(caught.value)


def test_the_files_that_a_recipe_names(tmp_path: Path) -> None:
    recipe = parse_recipe(RECIPE.encode(), "shop.yaml", tmp_path).recipe
    assert named_files(recipe) == {
        "t.json": ("inputs", "query", "tokenizer"),
        "w.safetensors": ("initialization", 0, "file"),
    }


def test_a_file_that_the_recipe_does_not_name(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(
            RECIPE.encode(), "shop.yaml", tmp_path, files={"w.safetensor": "/a/b", "x": "y"}
        )
    assert str(caught.value) == (
        "--file w.safetensor=/a/b:1:1 R211 the recipe names no tokenizer and no weights "
        "`w.safetensor`; did you mean `w.safetensors`?\n"
        "    1 | w.safetensor=/a/b\n"
        "      | ^^^^^^^^^^^^\n"
        "--file x=y:1:1 R211 the recipe names no tokenizer and no weights `x`\n"
        "    1 | x=y\n"
        "      | ^\n"
        "  help: it names `t.json`, `w.safetensors`"
    )


def test_a_stated_padding_id_needs_no_tokenizer_yet(tmp_path: Path) -> None:
    loaded = parse_recipe(RECIPE.encode(), "shop.yaml", tmp_path)
    assert loaded.recipe.token_inputs["query"].padding_id == 3
    unstated = RECIPE.replace(", padding_id: 3", "")
    assert "R206 inputs.query.tokenizer: can't read `t.json`: there is no such file" in complaint(
        tmp_path, unstated
    )
    (tmp_path / "t.json").write_text("[]")
    assert "R206 inputs.query.tokenizer: can't read `t.json`: it is not a tokenizer" in complaint(
        tmp_path, RECIPE
    )


def test_a_given_tokenizer_is_asked_for_its_padding(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "other.json"
    elsewhere.write_text('{"model": {}, "padding": {"pad_id": 7}}')
    text = RECIPE.replace(", padding_id: 3", "")
    loaded = parse_recipe(text.encode(), "shop.yaml", tmp_path, files={"t.json": str(elsewhere)})
    assert loaded.recipe.token_inputs["query"].padding_id == 7
    assert loaded.given == {"t.json": str(elsewhere)}


def test_where_files_are_found(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    (tmp_path / "out").write_text("o")
    inside = tmp_path / "in"
    assert find_file(inside, "a") == inside / "a"
    assert find_file(inside, "a", {"a": tmp_path / "out"}) == tmp_path / "out"
    assert find_file(inside, "a", {"a": str(tmp_path / "out")}) == tmp_path / "out"
    with pytest.raises(ValueError, match="it lies outside the recipe's folder"):
        find_file(inside, "../out")
    for name, given in (("b", {}), ("in", {}), ("a", {"a": tmp_path / "none"}), ("a\0", {})):
        with pytest.raises(MissingFile, match="there is no such file"):
            find_file(inside, name, given)


def test_weights_of_an_extended_recipe_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "shop.yaml").write_text(RECIPE)
    (tmp_path / "top.yaml").write_text("extends: base/shop.yaml\nname: top\n")
    assert list(named_files(load_recipe(tmp_path / "top.yaml").recipe)) == [
        "base/t.json",
        "base/w.safetensors",
    ]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('map: {"words.*.weight": "x"}', "[`words.*.weight`]: has 0 wildcards, and its pattern 1"),
        ('map: {"words.[": "x"}', ":79 R030 initialization[0].map[`words.[`]: unexpected `[`"),
        ('map: {"words.*": "a.b c"}', "[`words.*`]: unexpected ` `"),
        ("map: {}", "R105 initialization[0].map: must not be empty"),
        ("map: [a]", "R103 initialization[0].map: expected a mapping, found a list"),
        ("unused: [a, a]", "R111 initialization[0].unused[1]: `a` is listed twice"),
        ("file: ../w", "initialization[0].file: "),
        ("std: 1.0", "R104 initialization[0].std: unknown key"),
    ],
)
def test_rules_that_say_it_wrong(tmp_path: Path, rule: str, expected: str) -> None:
    file = "" if rule.startswith("file") else "file: w.safetensors, "
    text = RECIPE.replace("file: w.safetensors", file + rule)
    assert expected in complaint(tmp_path, text)


def test_the_place_of_a_target_whose_wildcards_do_not_agree(tmp_path: Path) -> None:
    rule = '{match: "**", method: pretrained, file: w, map: {"words.*.weight": "x.y"}}'
    text = RECIPE.replace('{match: "words.**", method: pretrained, file: w.safetensors}', rule)
    assert complaint(tmp_path, text) == (
        "shop.yaml:11:73 R030 initialization[0].map[`words.*.weight`]: has 0 wildcards, and its "
        "pattern 1 wildcard\n"
        '   11 |   - {match: "**", method: pretrained, file: w, map: {"words.*.weight": "x.y"}}\n'
        "      |                                                                         ^"
    )
