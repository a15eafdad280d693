from __future__ import annotations

import json
from pathlib import Path

import pytest

from seobuilder.errors import RecipeError
from seobuilder.recipe.compose import MAX_LABEL_BYTES, MAX_LABELS
from seobuilder.recipe.diagnostics import Mark
from seobuilder.recipe.load import load_recipe, parse_recipe
from seobuilder.recipe.reader import read
from seobuilder.recipe.shipped import preset_names, preset_path


@pytest.fixture
def folder(tmp_path, base):
    """A recipe's folder with the base recipe in it, and a secret beside it."""
    (tmp_path / "secret.yaml").write_text("name: hush\n")
    (tmp_path / "secret.json").write_text('{"model": {}, "padding": {"pad_id": 42}}')
    inside = tmp_path / "shop"
    inside.mkdir()
    (inside / "base.yaml").write_text(base)
    return inside


@pytest.fixture
def resolve(folder):
    """The resolved data of a recipe in the folder."""

    def resolve(text, *overrides):
        return parse_recipe(text.encode(), "shop/top.yaml", folder, overrides).resolved

    return resolve


@pytest.fixture
def refusal(folder):
    """What a terminal shows for a recipe in the folder."""

    def refusal(text, *overrides):
        with pytest.raises(RecipeError) as caught:
            parse_recipe(text.encode(), "shop/top.yaml", folder, overrides)
        return str(caught.value)

    return refusal


# extends

EXCLUDING = (
    "training: {epochs: 5, batch: {tokens: 64}, schedule: {warmup: 0.1}, clip: {norm: 2.0}}\n"
)


def test_mappings_merge_lists_replace_and_nulls_delete(resolve):
    resolved = resolve(
        "extends: base.yaml\n"
        "name: other\n"
        "seed: 3\n"
        "modules: {encoder: {depth: 5, ffn: {width: 32}}, facts: {widths: [4]}}\n"
        "data: null\n"
        "normalization: []\n"
    )
    assert "extends" not in resolved and "data" not in resolved
    assert (resolved["name"], resolved["seed"], resolved["version"]) == ("other", 3, 1)
    assert resolved["modules"]["encoder"] == {
        "kind": "transformer",
        "from": "words",
        "depth": 5,
        "heads": 2,
        "ffn": {"kind": "mlp", "width": 32},
    }
    assert resolved["modules"]["facts"]["widths"] == [4]
    assert resolved["normalization"] == []
    assert list(resolved["modules"]) == [
        "words", "encoder", "summary", "facts", "device_vector", "joined"
    ]  # fmt: skip


def test_a_null_deletes_a_key_within(resolve):
    resolved = resolve("extends: base.yaml\ndata: {split: null}\n")
    assert "split" not in resolved["data"]


def test_a_key_takes_the_place_of_the_one_that_it_excludes(resolve, folder, base):
    (folder / "long.yaml").write_text(base + EXCLUDING)
    resolved = resolve(
        "extends: long.yaml\n"
        "training: {steps: 9, batch: {rows: 4}, schedule: {warmup_steps: 2}, clip: {value: 1.0}}\n"
    )
    assert resolved["training"] == {
        "steps": 9, "batch": {"rows": 4}, "schedule": {"warmup_steps": 2}, "clip": {"value": 1.0}
    }  # fmt: skip
    null = resolve("extends: long.yaml\ntraining: {steps: 9, epochs: null}\n")
    assert (null["training"]["steps"], "epochs" in null["training"]) == (9, False)
    kept = resolve("extends: long.yaml\ntraining: {log_steps: 1}\n")
    assert kept["training"]["epochs"] == 5 and kept["training"]["clip"] == {"norm": 2.0}


def test_two_keys_that_exclude_each_other_may_not_stand_in_one_recipe(refusal, folder, base):
    (folder / "long.yaml").write_text(base + EXCLUDING)
    assert refusal("extends: long.yaml\ntraining: {steps: 9, epochs: 2}\n") == (
        "shop/top.yaml:2:12 R111 training.steps: train for `epochs` or for `steps`, not for both\n"
        "    2 | training: {steps: 9, epochs: 2}\n"
        "      |            ^^^^^"
    )


def test_a_null_that_deletes_nothing_is_an_error(refusal):
    assert refusal("extends: base.yaml\nmodules: {encodr: null}\nsede: null\n") == (
        "shop/top.yaml:2:11 R203 modules.encodr: nothing refers to `encodr`\n"
        "    2 | modules: {encodr: null}\n"
        "      |           ^^^^^^\n"
        "  help: use it in a `from`, or delete it\n"
        "shop/top.yaml:2:19 R103 modules.encodr: expected a mapping, found nothing\n"
        "    2 | modules: {encodr: null}\n"
        "      |                   ^^^^\n"
        "shop/top.yaml:3:1 R104 sede: unknown key; did you mean `seed`?\n"
        "    3 | sede: null\n"
        "      | ^^^^"
    )


def test_a_chain_goes_on_from_file_to_file(resolve, folder):
    (folder / "middle.yaml").write_text("extends: base.yaml\nname: middle\nseed: 5\n")
    resolved = resolve("extends: middle.yaml\nname: top\n")
    assert (resolved["name"], resolved["seed"], resolved["version"]) == ("top", 5, 1)


def test_problems_in_a_base_are_shown_in_the_base(refusal, folder, base):
    (folder / "sub").mkdir()
    (folder / "sub/base.yaml").write_text(base.replace("depth: 2", "depht: 2"))
    assert refusal("extends: sub/base.yaml\nmodules: {facts: {widths: 8}}\n") == (
        "shop/sub/base.yaml:9:45 R104 modules.encoder.depht: unknown key; did you mean `depth`?\n"
        "    9 |   encoder: {kind: transformer, from: words, depht: 2, heads: 2, "
        "ffn: {kind: mlp, width: 16}}\n"
        "      |                                             ^^^^^\n"
        "shop/top.yaml:2:27 R103 modules.facts.widths: expected a list, found `8`\n"
        "    2 | modules: {facts: {widths: 8}}\n"
        "      |                           ^"
    )


def test_a_base_that_is_no_recipe_is_shown_alone(refusal, folder):
    (folder / "broken.yaml").write_text("name: a\nname: b\n")
    assert refusal("extends: broken.yaml\n") == (
        "shop/broken.yaml:2:1 R010 name: duplicate key; it stands first at line 1, column 1\n"
        "    2 | name: b\n"
        "      | ^^^^"
    )


def test_a_base_in_a_subfolder_has_its_own_paths_led(resolve, folder, base):
    text = base.replace("max_length: 8", "max_length: 8, tokenizer: t.json")
    text = text.replace("labels: [buy, read]", "labels: labels.txt")
    deep = folder / "sub/deep"
    deep.mkdir(parents=True)
    (deep / "t.json").write_text('{"model": {}, "padding": {"pad_id": 9}}')
    (deep / "labels.txt").write_text("a\nb\nc\n")
    (deep / "base.yaml").write_text(text)
    (folder / "sub/middle.yaml").write_text(
        "extends: deep/base.yaml\ndata: {files: [a.csv, more/b.csv]}\n"
    )
    top = resolve("extends: sub/middle.yaml\n")
    assert top["data"]["files"] == ["sub/a.csv", "sub/more/b.csv"]
    assert top["inputs"]["query"]["tokenizer"] == "sub/deep/t.json"
    assert top["inputs"]["query"]["padding_id"] == 9
    assert top["outputs"]["intent"]["labels"] == ["a", "b", "c"]
    middle = resolve("extends: sub/deep/base.yaml\ndata: {files: own.csv}\n")
    assert middle["data"]["files"] == "own.csv"


def test_a_base_with_files_in_its_split(resolve, folder, base):
    (folder / "sub").mkdir()
    text = base.replace("{test: 0.2}", "{train: a.csv, test: b.csv}").replace("files: rows.csv", "")
    (folder / "sub/base.yaml").write_text(text)
    split = resolve("extends: sub/base.yaml\n")["data"]["split"]
    assert split == {"train": "sub/a.csv", "test": "sub/b.csv"}


def test_a_base_with_weights_in_its_rules_has_its_weights_led(resolve, folder, base):
    (folder / "sub").mkdir()
    text = base.replace("{role: norm_scale, method: ones}",
                        "{role: norm_scale, method: pretrained, file: w.safetensors}")  # fmt: skip
    (folder / "sub/base.yaml").write_text(text)
    rules = resolve("extends: sub/base.yaml\n")["initialization"]
    assert rules[1]["file"] == "sub/w.safetensors"


@pytest.mark.parametrize("path", ["/rows.csv", "~/rows.csv", "../rows.csv", "C:rows.csv"])
def test_a_path_that_leaves_a_base_is_not_led_back(refusal, folder, base, path):
    (folder / "sub").mkdir()
    (folder / "sub/base.yaml").write_text(base.replace("rows.csv", path))
    assert refusal("extends: sub/base.yaml\n").startswith(
        "shop/sub/base.yaml:18:10 R206 data.files: "
        "a path must be relative and stay in the recipe's folder\n"
    )


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("missing.yaml", "can't extend `missing.yaml`: there is no such file"),
        ("sub", "can't extend `sub`: there is no such file"),
        ("''", "can't extend ``: there is no such file"),
        ("link.yaml", "can't extend `link.yaml`: it lies outside the recipe's folder"),
        ("up/secret.yaml", "can't extend `up/secret.yaml`: it lies outside the recipe's folder"),
        ("loop.yaml", "can't extend `loop.yaml`: there is no such file"),
        ("../secret.yaml", "a path must be relative and stay in the recipe's folder"),
        ("sub/../base.yaml", "a path must be relative and stay in the recipe's folder"),
        ("/etc/passwd", "a path must be relative and stay in the recipe's folder"),
        ("~/a.yaml", "a path must be relative and stay in the recipe's folder"),
        (r'"a\0b.yaml"', "a path must be relative and stay in the recipe's folder"),
        ("self.yaml", "the recipes extend each other in a circle"),
        ("one.yaml", "the recipes extend each other in a circle"),
        ("chain0.yaml", "more than 8 recipes extend each other"),
        ("[base.yaml]", "`extends` takes the path of a recipe"),
        ("null", "`extends` takes the path of a recipe"),
    ],
)  # fmt: skip
def test_what_cannot_be_extended(refusal, folder, value, reason):
    (folder / "sub").mkdir()
    (folder / "link.yaml").symlink_to(folder.parent / "secret.yaml")
    (folder / "up").symlink_to(folder.parent)
    (folder / "loop.yaml").symlink_to("loop.yaml")
    (folder / "self.yaml").write_text("extends: self.yaml\n")
    (folder / "one.yaml").write_text("extends: two.yaml\n")
    (folder / "two.yaml").write_text("extends: one.yaml\n")
    for i in range(9):
        (folder / f"chain{i}.yaml").write_text(f"extends: chain{i + 1}.yaml\n")
    text = refusal(f"extends: {value}\n")
    assert "hush" not in text
    assert " R207 extends: " in text.splitlines()[0]
    assert text.splitlines()[0].endswith(f"R207 extends: {reason}")
    assert len(text.splitlines()) == 3


def test_a_circle_is_shown_where_it_closes(refusal, folder):
    (folder / "one.yaml").write_text("name: one\nextends: two.yaml\n")
    (folder / "two.yaml").write_text("extends: one.yaml\n")
    assert refusal("extends: one.yaml\n") == (
        "shop/two.yaml:1:10 R207 extends: the recipes extend each other in a circle\n"
        "    1 | extends: one.yaml\n"
        "      |          ^^^^^^^^"
    )


def test_eight_recipes_may_extend_each_other(resolve, folder):
    for i in range(7):
        (folder / f"chain{i}.yaml").write_text(f"extends: chain{i + 1}.yaml\n")
    (folder / "chain7.yaml").write_text((folder / "base.yaml").read_text())
    assert resolve("extends: chain0.yaml\n")["name"] == "shop"


# --set


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("modules.encoder.depth=12", ("modules", "encoder", "depth"), 12),
        ("modules.encoder.dropout=1e-1", ("modules", "encoder", "dropout"), 0.1),
        ("modules.encoder.causal=true", ("modules", "encoder", "causal"), True),
        ("modules.encoder.ffn={kind: swiglu, width: 8}", ("modules", "encoder", "ffn"),
         {"kind": "swiglu", "width": 8}),
        ("modules.facts.widths=[1, 2]", ("modules", "facts", "widths"), [1, 2]),
        ("modules.facts.widths.1=9", ("modules", "facts", "widths"), [8, 9]),
        ("modules.facts.widths.0=null", ("modules", "facts", "widths"), [8]),
        ("initialization.2.std=2 / sqrt(fan_in)", ("initialization", 2, "std"), "2 / sqrt(fan_in)"),
        ("initialization.1=null", ("initialization",), [
            {"match": "**.bias", "method": "zeros"},
            {"match": "**", "method": "normal", "std": 0.02},
        ]),
        ("description=a=b", ("description",), "a=b"),
        ("description=''", ("description",), ""),
        ("description='a #b'", ("description",), "a #b"),
        ("description= spaced out ", ("description",), "spaced out"),
        ("description=no", ("description",), "no"),
        ("description=\"2\"", ("description",), "2"),
        ("ties={a.weight: b.weight}", ("ties",), {"a.weight": "b.weight"}),
    ],
)  # fmt: skip
def test_set(resolve, base, override, path, value):
    found = resolve(base, override)
    for step in path:
        found = found[step]
    assert found == value
    assert type(found) is type(value)


def test_set_deletes_and_later_ones_see_earlier_ones(resolve, base):
    assert "data" not in resolve(base, "data=null")
    assert resolve(base, "seed=1", "seed=2")["seed"] == 2
    assert resolve(base, "data=null", "data={files: a.csv, columns: {query: q, page: p, device: d}}"
                   )["data"]["files"] == "a.csv"  # fmt: skip


def test_what_is_set_takes_the_place_of_the_key_that_it_excludes(resolve, base):
    changes = ("steps=9", "batch.rows=4", "schedule.warmup_steps=2", "clip.value=1.0")
    resolved = resolve(base + EXCLUDING, *(f"training.{change}" for change in changes))
    assert resolved["training"] == {
        "steps": 9, "batch": {"rows": 4}, "schedule": {"warmup_steps": 2}, "clip": {"value": 1.0}
    }  # fmt: skip
    back = resolve(base + EXCLUDING, "training.steps=9", "training.epochs=3")
    assert back["training"].keys() & {"epochs", "steps"} == {"epochs"}


@pytest.mark.parametrize("training", ["", "training: {epochs: 5}\n"])
@pytest.mark.parametrize("order", [("steps=9", "epochs=null"), ("epochs=null", "steps=9")])
def test_the_key_that_gives_way_may_be_deleted_before_and_after(resolve, base, training, order):
    resolved = resolve(base + training, *(f"training.{each}" for each in order))
    assert resolved["training"] == {"steps": 9}


def test_set_comes_after_extends_and_before_presets(resolve):
    resolved = resolve("extends: base.yaml\n", "initialization.0.preset=bert",
                       "initialization.0.match=null", "initialization.0.method=null")  # fmt: skip
    assert [rule["method"] for rule in resolved["initialization"][:2]] == ["ones", "zeros"]


@pytest.mark.parametrize(
    ("override", "rendered"),
    [
        ("modules.encoder.depth",
         "--set modules.encoder.depth:1:1 R208 expected PATH=VALUE\n"
         "    1 | modules.encoder.depth\n"
         "      | ^^^^^^^^^^^^^^^^^^^^^\n"
         "  help: such as --set modules.encoder.depth=12"),
        ("modules..depth=1",
         "--set modules..depth=1:1:1 R208 expected PATH=VALUE\n"
         "    1 | modules..depth=1\n"
         "      | ^^^^^^^^^^^^^^^^\n"
         "  help: such as --set modules.encoder.depth=12"),
        ("modules.encodr.depth=1",
         "--set modules.encodr.depth=1:1:1 R208 modules.encodr.depth: "
         "there is no `encodr`; did you mean `encoder`?\n"
         "    1 | modules.encodr.depth=1\n"
         "      | ^^^^^^^^^^^^^^^^^^^^"),
        ("name.x=1",
         "--set name.x=1:1:1 R208 name.x: there is nothing below a single value, so no `x`\n"
         "    1 | name.x=1\n"
         "      | ^^^^^^"),
        ("initialization.3.std=1",
         "--set initialization.3.std=1:1:1 R208 initialization.3.std: "
         "`3` is not an index of a list of 3\n"
         "    1 | initialization.3.std=1\n"
         "      | ^^^^^^^^^^^^^^^^^^^^"),
        ("initialization.-1=null",
         "--set initialization.-1=null:1:1 R208 initialization.-1: "
         "`-1` is not an index of a list of 3\n"
         "    1 | initialization.-1=null\n"
         "      | ^^^^^^^^^^^^^^^^^"),
        ("data.splt=null",
         "--set data.splt=null:1:1 R208 data.splt: there is no `splt`; did you mean `split`?\n"
         "    1 | data.splt=null\n"
         "      | ^^^^^^^^^"),
        ("seed=",
         "--set seed=:1:1 R208 seed: there is no value\n"
         "    1 | seed=\n"
         "      | ^^^^\n"
         "  help: null deletes the key, '' is empty text"),
        ("extends=base.yaml",
         "--set extends=base.yaml:1:1 R208 extends: "
         "`extends` is worked in before anything is set\n"
         "    1 | extends=base.yaml\n"
         "      | ^^^^^^^"),
        ("modules.facts.widths=[1, 2",
         "--set modules.facts.widths=[1, 2:1:22 R208 modules.facts.widths: "
         "the bracket is never closed\n"
         "    1 | modules.facts.widths=[1, 2\n"
         "      |                      ^"),
        ("initialization.0.match=**.bias",
         "--set initialization.0.match=**.bias:1:24 R208 initialization.0.match: "
         "text that begins with `*` must be in quotes\n"
         "    1 | initialization.0.match=**.bias\n"
         "      |                        ^\n"
         '  help: write a pattern as "**.bias"'),
        ("seed=5 # five",
         "--set seed=5 # five:1:1 R208 seed: "
         "unexpected text after the value; text with ` #` goes in quotes\n"
         "    1 | seed=5 # five\n"
         "      | ^^^^"),
        ("description=#5",
         "--set description=#5:1:1 R208 description: "
         "unexpected text after the value; text with ` #` goes in quotes\n"
         "    1 | description=#5\n"
         "      | ^^^^^^^^^^^"),
        ("seed=5\nname: x",
         "--set seed=5\\nname: x:1:1 R208 seed: a value is one line of YAML\n"
         "    1 | seed=5\\nname: x\n"
         "      | ^^^^"),
        ("description=\udcff",
         "--set description=\\udcff:1:13 R208 description: byte 0xED is not UTF-8\n"
         "    1 | description=\\udcff\n"
         "      |             ^^^^^^"),
        ("modules.facts.widths=[8, 0]",
         "--set modules.facts.widths=[8, 0]:1:26 R105 modules.facts.widths[1]: "
         "must be at least 1, found `0`\n"
         "    1 | modules.facts.widths=[8, 0]\n"
         "      |                          ^"),
        ("initialization.2.std='1 +'",
         "--set initialization.2.std='1 +':1:26 R040 initialization[2].std: "
         "unexpected end of the formula\n"
         "    1 | initialization.2.std='1 +'\n"
         "      |                          ^"),
        ("modules.encoder.dept=3",
         "--set modules.encoder.dept=3:1:1 R104 modules.encoder.dept: "
         "unknown key; did you mean `depth`?\n"
         "    1 | modules.encoder.dept=3\n"
         "      | ^^^^^^^^^^^^^^^^^^^^"),
    ],
)  # fmt: skip
def test_what_cannot_be_set(refusal, base, override, rendered):
    assert refusal(base, override) == rendered


# Presets


def test_a_preset_stands_in_its_place_and_may_go_unused(folder, change):
    text = change(("{role: norm_scale, method: ones}", "{preset: gpt2}"))
    loaded = parse_recipe(text.encode(), "shop/top.yaml", folder)
    rules = loaded.resolved["initialization"]
    shipped = read(preset_path("gpt2").read_bytes(), "presets/gpt2.yaml")
    assert rules[0] == {"match": "**.bias", "method": "zeros"}
    assert rules[-1] == {"match": "**", "method": "normal", "std": 0.02}
    assert len(rules) == 2 + len(shipped.root.entries["rules"].value.items)
    assert all(rule["optional"] is True for rule in rules[1:-1])
    mark = loaded.mark("initialization", 1)
    assert (mark.file, loaded.presets[mark]) == ("presets/gpt2.yaml", "gpt2")
    assert loaded.sources[mark.file][mark.line - 1].strip().startswith("- {")
    assert loaded.mark("initialization", 0) not in loaded.presets
    assert loaded.recipe.initialization[1].optional


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_a_list_of_rules(resolve, change, name):
    text = change(("{role: norm_scale, method: ones}", f"{{preset: {name}}}"))
    assert len(resolve(text)["initialization"]) > 3


def test_presets_may_not_make_a_recipe_longer_than_it_may_be(refusal, change):
    many = "\n".join(["  - {preset: gpt2}"] * 500)
    text = refusal(change(("  - {role: norm_scale, method: ones}", many)))
    assert " R105 initialization: must have at most 1,000 entries\n" in text


# Label files and tokenizers


def test_labels_from_a_file(resolve, folder, change):
    data = "\ufeffkaufen\r\n\n  Größe \nno\n010\n"
    (folder / "labels.txt").write_bytes(data.encode())
    resolved = resolve(change(("labels: [buy, read]", "labels: labels.txt")))
    assert resolved["outputs"]["intent"]["labels"] == ["kaufen", "Größe", "no", "010"]


def test_problems_in_a_label_file_are_shown_there(refusal, folder, change):
    (folder / "labels.txt").write_text("buy\n\nread\nbuy\n")
    assert refusal(change(("labels: [buy, read]", "labels: labels.txt"))) == (
        "shop/labels.txt:4:1 R111 outputs.intent.labels[2]: `buy` is listed twice\n"
        "    4 | buy\n"
        "      | ^^^"
    )


@pytest.mark.parametrize(
    "content", [b"x\n" * (MAX_LABELS + 1), b"x" * (MAX_LABEL_BYTES + 1)], ids=["many", "large"]
)
def test_too_many_labels(refusal, folder, change, content):
    (folder / "labels.txt").write_bytes(content)
    text = refusal(change(("labels: [buy, read]", "labels: labels.txt")))
    assert text.splitlines()[0] == (
        "shop/top.yaml:15:56 R206 outputs.intent.labels: "
        "label files may hold at most 50,000 labels or 512 KiB together"
    )


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("missing.txt", None, "there is no such file"),
        ("folder", None, "there is no such file"),
        ("link.txt", None, "it lies outside the recipe's folder"),
        ("latin.txt", b"caf\xe9\n", "it is not UTF-8"),
    ],
)
def test_label_files_that_cannot_be_read(refusal, folder, change, file, content, reason):
    (folder / "folder").mkdir()
    (folder / "link.txt").symlink_to(folder.parent / "secret.yaml")
    if content:
        (folder / file).write_bytes(content)
    assert refusal(change(("labels: [buy, read]", f"labels: {file}"))) == (
        f"shop/top.yaml:15:56 R206 outputs.intent.labels: can't read `{file}`: {reason}\n"
        f"   15 |   intent: {{kind: classification, from: joined, labels: {file}}}\n"
        f"      |                                                        {'^' * len(file)}"
    )


@pytest.mark.parametrize(
    ("content", "padding"),
    [
        ({"padding": {"pad_id": 3}}, 3),
        ({"padding": None, "added_tokens": [{"id": 1, "content": "[CLS]"},
                                            {"id": 7, "content": "[PAD]"}]}, 7),
        ({"padding": {"pad_id": 2}, "added_tokens": [{"id": 7, "content": "<pad>"}]}, 2),
        ({"padding": {"pad_id": True}}, 0),
        ({"padding": {"pad_id": "1"}, "added_tokens": 5}, 0),
        ({"padding": {"pad_id": -1}, "added_tokens": ["<pad>", {"content": "<pad>"}]}, 0),
        ({}, 0),
    ],
)  # fmt: skip
def test_the_padding_id_is_that_of_the_tokenizer(folder, change, content, padding):
    (folder / "t.json").write_text(json.dumps({"model": {}, **content}))
    text = change(("max_length: 8", "max_length: 8, tokenizer: t.json"))
    loaded = parse_recipe(text.encode(), "shop/top.yaml", folder)
    assert loaded.recipe.inputs["query"].padding_id == padding
    assert loaded.mark("inputs", "query", "padding_id") == Mark("shop/top.yaml", 4, 68, 6)


def test_a_padding_id_in_the_recipe_stays(resolve, folder, change):
    (folder / "t.json").write_text('{"model": {}, "padding": {"pad_id": 3}}')
    text = change(("max_length: 8", "max_length: 8, tokenizer: t.json, padding_id: 5"))
    assert resolve(text)["inputs"]["query"]["padding_id"] == 5


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("missing.json", None, "there is no such file"),
        ("link.json", None, "it lies outside the recipe's folder"),
        ("latin.json", b'{"model": {}, "x": "\xe9"}', "it is not UTF-8"),
        ("broken.json", b"{model", "it is not JSON"),
        ("deep.json", b"[" * 100_000, "it is not JSON"),
        ("long.json", b"1" * 5000, "it is not JSON"),
        ("list.json", b"[]", "it is not a tokenizer.json of the tokenizers library"),
        ("other.json", b'{"model": 1}', "it is not a tokenizer.json of the tokenizers library"),
    ],
)
def test_tokenizers_that_cannot_be_read(refusal, folder, change, file, content, reason):
    (folder / "link.json").symlink_to(folder.parent / "secret.json")
    if content:
        (folder / file).write_bytes(content)
    text = refusal(change(("max_length: 8", f"max_length: 8, tokenizer: {file}")))
    assert text.splitlines()[0] == (
        f"shop/top.yaml:4:68 R206 inputs.query.tokenizer: can't read `{file}`: {reason}"
    )
    assert len(text.splitlines()) == 3


def test_only_files_of_the_folder_and_of_the_package_are_read(monkeypatch, folder, change):
    (folder / "labels.txt").write_text("a\nb\n")
    (folder / "base.yaml").write_text(
        change(
            ("labels: [buy, read]", "labels: labels.txt"),
            ("max_length: 8", "max_length: 8, tokenizer: ../secret.json"),
            ("from: joined}", "from: joined}\n  more: {kind: multilabel, from: joined, "
             "labels: /etc/passwd}"),
            ("{role: norm_scale, method: ones}", "{preset: bert}"),
        )
    )  # fmt: skip
    reads = []
    read_bytes = Path.read_bytes

    def watched(path):
        reads.append(path)
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", watched)
    top = folder / "top.yaml"
    top.write_text("extends: base.yaml\nname: other\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(top)
    assert [p.path for p in caught.value.diagnostics] == [
        "inputs.query.tokenizer", "outputs.more.labels"
    ]  # fmt: skip
    assert set(reads) == {top, folder / "base.yaml", folder / "labels.txt"}
