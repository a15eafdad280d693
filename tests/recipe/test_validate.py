from __future__ import annotations

from typing import get_args

import pytest

from seobuilder.errors import RecipeError
from seobuilder.recipe.diagnostics import Mark
from seobuilder.recipe.reader import read
from seobuilder.recipe.spec.modules import OwningModule, Transformer
from seobuilder.recipe.validate import mark_of, validate

MISTAKES = "structure.txt"


def test_the_base_of_all_mistakes_is_valid(complaint, base):
    assert complaint(base) == ""


def test_each_mistake_is_told_with_its_place_and_a_way_out(told, mistake):
    assert told(mistake) == mistake.rendered


def test_the_example_of_the_documentation(complaint, change):
    assert complaint(change(('"**.bias", method', '"**.bias", methd'))) == (
        "shop.yaml:24:24 R104 initialization[0].methd: unknown key; did you mean `method`?\n"
        '   24 |   - {match: "**.bias", methd: zeros}\n'
        "      |                        ^^^^^"
    )


def test_no_share_of_a_stream_is_held_out(complaint, change):
    assert complaint(change(("  split:", "  streaming: true\n  split:"))) == (
        "shop.yaml:19:3 R111 data.streaming: no share of a stream can be held out, for it is "
        "never there as a whole: name two files, `split: {train: FILE, test: FILE}`, or hold "
        "nothing out\n"
        "   19 |   streaming: true\n"
        "      |   ^^^^^^^^^"
    )


def test_all_choices_are_listed(complaint, change):
    text = complaint(change(("kind: pool", "kind: attention_pool")))
    kinds = [kind for model in get_args(get_args(OwningModule)[0])
             for kind in get_args(model.model_fields["kind"].annotation)]  # fmt: skip
    assert text.endswith(f"  help: one of {', '.join(kinds)}")


def test_all_keys_of_the_choice_are_listed_and_no_others(complaint, change):
    text = complaint(change(("heads: 2,", "heads: 2, bidirectional: true,")))
    keys = [field.alias or name for name, field in Transformer.model_fields.items()]
    assert text.endswith(f"  help: known keys: {', '.join(keys)}")


def test_all_problems_appear_in_one_run(parse, change):
    text = change(
        ("version: 1", "version: 2"),
        ("kind: features", "kind: feature"),
        ("  facts: {", "  train: {"),
        ("from: words", "from: word"),
        ("labels: [buy, read]", "labels: missing.txt"),
        ('match: "**.bias"', 'match: "**.{bias"'),
        ("{role: norm_scale, method: ones}", "{preset: gtp2}"),
        ("std: 0.02", "std: 1 +"),
    )
    with pytest.raises(RecipeError) as caught:
        parse(text, "modules.encodr.depth=1", "seed=-1")
    assert sorted((p.code, p.mark.file, p.mark.line) for p in caught.value.diagnostics) == [
        ("R030", "shop.yaml", 24),
        ("R040", "shop.yaml", 26),
        ("R102", "shop.yaml", 5),
        ("R105", "--set seed=-1", 1),
        ("R106", "shop.yaml", 1),
        ("R108", "shop.yaml", 11),
        ("R201", "shop.yaml", 9),
        ("R201", "shop.yaml", 13),
        ("R203", "shop.yaml", 11),
        ("R206", "shop.yaml", 15),
        ("R208", "--set modules.encodr.depth=1", 1),
        ("R209", "shop.yaml", 25),
    ]


def test_a_tokenizer_decides_about_case_itself(complaint, change, tmp_path):
    (tmp_path / "t.json").write_text('{"model": {}}')
    text = change(("max_length: 8", "max_length: 8, tokenizer: t.json, lowercase: true"))
    assert complaint(text) == (
        "shop.yaml:4:76 R111 inputs.query.lowercase: a given tokenizer brings its own; "
        "`lowercase` is for one that is trained here\n"
        "    4 |   query: {kind: tokens, vocab_size: 100, max_length: 8, tokenizer: t.json, "
        "lowercase: true}\n"
        "      |                                                                            "
        "^^^^^^^^^"
    )


def test_a_key_named_like_a_choice_is_not_taken_for_it(change):
    text = change(("{test: 0.2}", "{share: {test: wrong}, test: 2}"))
    _, problems = validate(read(text.encode(), "shop.yaml").root)
    assert sorted((p.code, p.path, p.mark.column) for p in problems) == [
        ("R104", "data.split.share", 11),
        ("R105", "data.split.test", 39),
    ]


def test_many_mistakes_take_little_time(change):
    unknown = ", ".join(f"maximal_length_{i}: 1" for i in range(5000))
    text = change(("{kind: features,", f"{{kind: features, {unknown},"))
    _, problems = validate(read(text.encode(), "shop.yaml").root)
    assert len(problems) == 5000


@pytest.mark.parametrize(
    ("path", "key", "column", "length"),
    [
        (("a", "b"), False, 8, 2),
        (("a", "b"), True, 5, 1),
        (("a", "c"), False, 1, 1),
        (("a", "c"), True, 1, 1),
    ],
)
def test_where_a_value_or_its_key_stands(path, key, column, length):
    root = read(b"a: {b: 10}", "a.yaml").root
    assert mark_of(root, path, key=key) == Mark("a.yaml", 1, column, length)
