from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seobuilder.data.encode import Examples, load_examples
from seobuilder.data.tables import read_table
from seobuilder.errors import DataError, EnvironmentProblem
from seobuilder.recipe.spec import Recipe

MakeRecipe = Callable[..., Recipe]

EVERYTHING: dict[str, Any] = {
    "inputs": {
        "query": {"kind": "tokens", "vocab_size": 300, "max_length": 8},
        "page": {"kind": "features", "size": 2, "missing": "zero"},
        "device": {"kind": "category", "values": ["mobile", "desktop"]},
        "vector": {"kind": "embedding", "size": 3},
    },
    "outputs": {
        "intent": {"kind": "classification", "from": "query", "labels": ["buy", "know"]},
        "topics": {"kind": "multilabel", "from": "query", "labels": ["shoes", "bags", "hats"]},
        "clicks": {"kind": "regression", "from": "query", "size": 2},
        "relevance": {"kind": "ranking", "from": "query"},
        "meaning": {"kind": "embedding", "from": "query"},
    },
}
COLUMNS = {
    "query": "q",
    "page": ["ctr", "n"],
    "device": "device",
    "vector": "v",
    "intent": "intent",
    "topics": "topics",
    "clicks": ["c1", "c2"],
    "relevance": "rel",
}


def load(folder: Path, recipe: Recipe, **files: str) -> Examples:
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content, encoding="utf-8", newline="")
    return load_examples(recipe, folder)


def problems(folder: Path, recipe: Recipe, **files: str) -> list[str]:
    with pytest.raises(DataError) as caught:
        load(folder, recipe, **files)
    shown = []
    for d in caught.value.diagnostics:
        place = f"{Path(d.mark.file).name}:{d.mark.line}:{d.mark.column} " if d.mark else ""
        shown.append(f"{place}{d.code} {d.path}: {d.message}")
    return shown


def one_output(make_recipe: MakeRecipe, output: dict[str, Any], **data: Any) -> Recipe:
    return make_recipe(
        outputs={"intent": {"from": "query"} | output},
        data={"files": "a.csv", "columns": {"query": "q", "intent": "intent"}} | data,
    )


def check_everything(examples: Examples) -> None:
    nan = np.nan
    assert len(examples) == 3
    assert list(examples.texts["query"]) == ["red shoes", "", "bag"]
    np.testing.assert_array_equal(
        examples.numbers["page"], [[0.0417, 1095056], [nan, 2], [0.5, nan]]
    )
    assert examples.numbers["device"].tolist() == [2, 0, 0]
    np.testing.assert_array_equal(examples.numbers["vector"], [[1, 2, 3], [0.5, 0, -1], [7, 8, 9]])
    assert examples.targets["intent"].tolist() == [0, 1, -100]
    assert examples.label_sets == {"topics": [(0, 2), (), None]}
    np.testing.assert_array_equal(examples.targets["clicks"], [[1, 2], [3, nan], [nan, nan]])
    np.testing.assert_array_equal(examples.targets["relevance"], [3, nan, 0])
    assert "meaning" not in examples.targets
    assert examples.groups is None


def test_every_kind_from_csv(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(**EVERYTHING, data={"files": "a.csv", "columns": COLUMNS})
    text = (
        "q,ctr,n,device,v,intent,topics,c1,c2,rel\n"
        'red shoes,4.17%,"1,095,056",desktop,1 2 3,buy,shoes|hats,1,2,3\n'
        ',,2,tv,"[0.5, 0, -1]",know,[],3,,\n'
        "bag,0.5,,,7  8 9,,,,,0\n"
    )
    check_everything(load(tmp_path, recipe, a__csv=text))


def test_every_kind_from_json_lines(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(**EVERYTHING, data={"files": "a.jsonl", "columns": COLUMNS})
    rows: list[dict[str, Any]] = [
        {
            "q": "red shoes",
            "ctr": 0.0417,
            "n": 1095056,
            "device": "desktop",
            "v": [1, 2, 3],
            "intent": "buy",
        }
        | {"topics": ["shoes", "hats"], "c1": 1, "c2": 2, "rel": 3},
        {
            "q": None,
            "n": 2,
            "device": "tv",
            "v": [0.5, 0, -1],
            "intent": "know",
            "topics": [],
            "c1": 3,
        },
        {"q": "bag", "ctr": "50%", "v": "7 8 9", "intent": "", "rel": 0},
    ]
    text = "\n".join(json.dumps(row) for row in rows)
    check_everything(load(tmp_path, recipe, a__jsonl=text))


def test_an_embedding_may_have_one_column_for_each_number(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = make_recipe(
        inputs={"vector": {"kind": "embedding", "size": 2}},
        outputs={"value": {"kind": "regression", "from": "vector", "size": 2}},
        data={"files": "a.csv", "columns": {"vector": ["x", "y"], "value": "xy"}},
    )
    examples = load(tmp_path, recipe, a__csv="x,y,xy\n1,2,3 4\n5,6,\n")
    assert examples.numbers["vector"].tolist() == [[1, 2], [5, 6]]
    np.testing.assert_array_equal(examples.targets["value"], [[3, 4], [np.nan, np.nan]])


@pytest.mark.parametrize(
    ("written", "header"),
    [("f<1-3>", "f1,f2,f3"), ("f_<08-10>_x", "f_08_x,f_09_x,f_10_x"), ("f<9-11>", "f9,f10,f11")],
)
def test_a_range_names_many_columns(
    make_recipe: MakeRecipe, tmp_path: Path, written: str, header: str
) -> None:
    recipe = make_recipe(
        inputs={"page": {"kind": "features", "size": 4}},
        outputs={"value": {"kind": "regression", "from": "page"}},
        data={"files": "a.csv", "columns": {"page": [written, "n"], "value": "n"}},
    )
    examples = load(tmp_path, recipe, a__csv=f"n,{header}\n4,1,2,3\n")
    assert examples.numbers["page"].tolist() == [[1, 2, 3, 4]]


def test_a_count_of_labels_reads_class_indices(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = one_output(make_recipe, {"kind": "classification", "labels": 3})
    assert load(tmp_path, recipe, a__csv="q,intent\nx,2\ny,\nz,0\n").targets["intent"].tolist() == [
        2,
        -100,
        0,
    ]
    assert problems(tmp_path, recipe, a__csv="q,intent\nx,3\ny,-1\nz,1.0\n") == [
        "a.csv:2:3 D202 data.columns.intent: row 1, column `intent`: unknown label `3`; "
        "expected 0 to 2",
        "a.csv:3:3 D202 data.columns.intent: row 2, column `intent`: unknown label `-1`; "
        "expected 0 to 2",
        "a.csv:4:3 D202 data.columns.intent: row 3, column `intent`: unknown label `1.0`; "
        "expected 0 to 2",
    ]


def test_all_problems_are_collected_at_their_cells(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(
        inputs=EVERYTHING["inputs"] | {"page": {"kind": "features", "size": 2}},
        outputs=EVERYTHING["outputs"],
        data={"files": "a.csv", "columns": COLUMNS},
    )
    text = (
        "q,ctr,n,device,v,intent,topics,c1,c2,rel\n"
        '"red\nshoes","0,5",,mobile,1 2,by,shoes|hat,x,2,3\n'
        ",1,2,mobile,1  3,zebra,[1,1,1,high\n"
    )
    column = "row 1, column"
    assert problems(tmp_path, recipe, a__csv=text) == [
        f"a.csv:3:8 D203 data.columns.page: {column} `ctr`: `0,5` is no number: "
        "expected a number such as 0.5, 1,234 or 3.2%",
        f"a.csv:3:14 D205 data.columns.page: {column} `n`: the cell is empty, "
        "and nothing stands in for a missing number",
        f"a.csv:3:22 D204 data.columns.vector: {column} `v`: expected 3 numbers, found 2",
        "a.csv:4:13 D204 data.columns.vector: row 2, column `v`: expected 3 numbers, found 2",
        f"a.csv:3:26 D202 data.columns.intent: {column} `intent`: unknown label `by`; "
        "did you mean `buy`?",
        "a.csv:4:18 D202 data.columns.intent: row 2, column `intent`: unknown label `zebra`",
        f"a.csv:3:29 D202 data.columns.topics: {column} `topics`: unknown label `hat`; "
        "did you mean `hats`?",
        "a.csv:4:24 D204 data.columns.topics: row 2, column `topics`: `[1` is no JSON list",
        f"a.csv:3:39 D203 data.columns.clicks: {column} `c1`: `x` is no number: "
        "expected a number such as 0.5, 1,234 or 3.2%",
        "a.csv:4:31 D203 data.columns.relevance: row 2, column `rel`: `high` is no number: "
        "expected a number such as 0.5, 1,234 or 3.2%",
    ]


def test_an_error_shows_the_line_of_the_data_file(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = one_output(make_recipe, {"kind": "classification", "labels": ["buy", "know"]})
    with pytest.raises(DataError) as caught:
        load(tmp_path, recipe, a__csv="q,intent\nshoes,by\n")
    assert str(caught.value).splitlines()[1:] == ["    2 | shoes,by", "      |       ^^"]


def test_missing_columns(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(
        data={
            "files": ["a.csv", "b.csv"],
            "columns": {"query": "querry", "intent": "zzz"},
            "group": "sesion",
        }
    )
    found = problems(
        tmp_path, recipe, a__csv="query,session\nx,1\n", b__csv="querry,zzz,sesion\nx,a,1\n"
    )
    assert found == [
        "a.csv:1:1 D201 data.group: no column `sesion`; did you mean `session`?",
        "a.csv:1:1 D201 data.columns.query: no column `querry`; did you mean `query`?",
        "a.csv:1:1 D201 data.columns.intent: no column `zzz`; there are `query`, `session`",
    ]


def test_columns_that_do_not_fit_the_recipe(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(
        inputs=EVERYTHING["inputs"],
        outputs={"meaning": {"kind": "embedding", "from": "query"}},
        data={
            "files": "a.csv",
            "columns": {"query": ["q", "n"], "vector": ["q", "n"], "meaning": "q", "page": "q"},
        },
    )
    assert problems(tmp_path, recipe, a__csv="q,n\n1 2,1\n") == [
        "D208 data.columns.query: expected one column, found 2",
        "D208 data.columns.device: no column is named for `device`",
        "D208 data.columns.vector: expected 3 columns, or one that holds 3 numbers in each cell; "
        "found 2",
        "D207 data.columns.meaning: `meaning` is an embedding output, which no column feeds",
    ]


def test_text_that_is_none(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(
        data={"files": "a.jsonl", "columns": {"query": "q", "intent": "intent"}},
        outputs={"intent": {"kind": "classification", "from": "query", "labels": ["1", "true"]}},
    )
    good = '{"q": 3, "intent": 1}\n{"q": "x", "intent": true}'
    examples = load(tmp_path, recipe, a__jsonl=good)
    assert list(examples.texts["query"]) == ["3", "x"]
    assert examples.targets["intent"].tolist() == [0, 1]
    bad = '{"q": ["x"]}\n{"q": {}}\n{"q": "\\ud800"}'
    assert problems(tmp_path, recipe, a__jsonl=bad + '\n{"intent": "1"}') == [
        "a.jsonl:1:7 D204 data.columns.query: row 1, column `q`: expected text, found a list",
        "a.jsonl:2:7 D204 data.columns.query: row 2, column `q`: expected text, found an object",
        "a.jsonl:3:7 D204 data.columns.query: row 3, column `q`: "
        "half of a surrogate pair is no text",
    ]


def test_files_are_one_run_of_rows_and_a_share_is_held_out(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    data = {
        "files": ["a.csv", "b.csv"],
        "columns": {"query": "q", "intent": "intent"},
        "split": {"test": 0.25},
    }
    files = {"a__csv": "q,intent\n" + "x,a\n" * 5, "b__csv": "intent,q\n" + "b,y\n" * 3}
    examples = load(tmp_path, make_recipe(data=data), **files)
    assert list(examples.texts["query"]) == ["x"] * 5 + ["y"] * 3
    assert examples.targets["intent"].tolist() == [0] * 5 + [1] * 3
    assert len(examples.test) == 2
    assert sorted([*examples.train, *examples.test]) == list(range(8))
    again = load(tmp_path, make_recipe(data=data))
    assert again.test.tolist() == examples.test.tolist()
    others = {tuple(load(tmp_path, make_recipe(data=data, seed=s)).test) for s in range(20)}
    assert len(others) > 5


def test_problems_are_shown_in_the_file_that_holds_the_row(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = one_output(make_recipe, {"kind": "regression"}, files=["a.csv", "b.jsonl"])
    files = {"a__csv": "q,intent\nx,1\ny,u\n", "b__jsonl": '{"q": "x", "intent": "v"}\n'}
    assert [
        problem.partition(": ")[2].partition(":")[0]
        for problem in problems(tmp_path, recipe, **files)
    ] == [
        "row 2, column `intent`",
        "row 1, column `intent`",
    ]
    assert [problem.partition(" ")[0] for problem in problems(tmp_path, recipe)] == [
        "a.csv:3:3",
        "b.jsonl:1:22",
    ]


def test_files_that_are_split_already(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(
        data={
            "split": {"train": "a.csv", "test": "b.csv"},
            "columns": {"query": "q", "intent": "intent"},
            "group": "id",
        }
    )
    examples = load(
        tmp_path, recipe, a__csv="q,intent,id\nx,a,1\nx,b,2\ny,b,1\n", b__csv="q,intent,id\nz,a,1\n"
    )
    assert examples.train.tolist() == [0, 1, 2]
    assert examples.test.tolist() == [3]
    assert examples.groups is not None
    assert examples.groups.tolist() == [0, 1, 0, 2]


def test_without_a_split_all_rows_train(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = one_output(make_recipe, {"kind": "regression"})
    examples = load(tmp_path, recipe, a__csv="q,intent\nx,1\ny,2\n")
    assert examples.train.tolist() == [0, 1]
    assert examples.test.tolist() == []


def test_groups_are_split_whole(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = one_output(make_recipe, {"kind": "ranking"}, group="g", split={"test": 0.4})
    rows = "".join(f"x,1,{row % 5}\n" for row in range(20))
    examples = load(tmp_path, recipe, a__csv=f"q,intent,g\n{rows}")
    assert examples.groups is not None
    held_out = set(examples.groups[examples.test].tolist())
    assert len(held_out) == 2
    assert held_out.isdisjoint(examples.groups[examples.train].tolist())


def test_a_row_without_group(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = one_output(make_recipe, {"kind": "ranking"}, group="g")
    assert problems(tmp_path, recipe, a__csv="q,intent,g\nx,1,\n") == [
        "a.csv:2:5 D205 data.group: row 1, column `g`: "
        "the cell is empty, so that the row's group is unknown"
    ]


def test_one_row_cannot_be_split(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = one_output(make_recipe, {"kind": "regression"}, split={"test": 0.5})
    assert problems(tmp_path, recipe, a__csv="q,intent\nx,1\n") == [
        "D209 data.split: 1 row can't be split"
    ]


def test_a_recipe_without_data(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    assert problems(tmp_path, make_recipe()) == ["D100 data: the recipe names no data"]


def test_problems_of_several_files_are_collected(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    folder = tmp_path / "recipes"
    folder.mkdir()
    (tmp_path / "secret.csv").write_text("q,intent\nx,1\n")
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "ring.csv").symlink_to(folder / "ring.csv")
    recipe = one_output(
        make_recipe, {"kind": "regression"}, files=["none.csv", "link.csv", "ring.csv"]
    )
    first, second, third = problems(folder, recipe)
    assert first == "none.csv:1:1 D101 : no such file"
    assert second == "D102 data.files[1]: `link.csv` leads out of the recipe's folder"
    assert third.startswith("D102 data.files[2]: `ring.csv` can't be followed: ")


def test_a_link_within_the_folder_is_followed(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("q,intent\nx,1\n")
    (tmp_path / "a.csv").symlink_to("real.csv")
    recipe = one_output(make_recipe, {"kind": "regression"})
    assert len(load_examples(recipe, tmp_path)) == 1


def image_recipe(make_recipe: MakeRecipe, channels: int = 1) -> Recipe:
    shape = {"channels": channels, "height": 2, "width": 3}
    return make_recipe(
        inputs={"shot": {"kind": "image"} | shape},
        outputs={"value": {"kind": "regression", "from": "shot"}},
        data={"files": "a.csv", "columns": {"shot": "shot", "value": "value"}},
    )


def test_images_are_checked_but_not_read(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    np.save(tmp_path / "good.npy", np.zeros((1, 2, 3), np.uint8))
    np.save(tmp_path / "small.npy", np.zeros((2, 3), np.uint8))
    np.save(tmp_path / "int.npy", np.zeros((1, 2, 3), np.int32))
    np.save(tmp_path / "object.npy", np.array([[[{}] * 3] * 2]), allow_pickle=True)
    (tmp_path / "junk.npy").write_bytes(b"junk")
    recipe = image_recipe(make_recipe)
    examples = load(tmp_path, recipe, a__csv="shot,value\ngood.npy,1\n")
    assert examples.images == {"shot": [tmp_path / "good.npy"]}
    names = ["small.npy", "int.npy", "object.npy", "junk.npy", "none.npy", "x.bmp", "/etc/x.npy"]
    rows = "".join(f"{name},1\n" for name in ["", *names])
    reasons = [
        "the cell is empty, and nothing stands in for a missing image",
        "`small.npy`: shape [2, 3], expected [1, 2, 3]",
        "`int.npy`: numbers of type int32, expected uint8 or a float type",
        "`object.npy`: Array can't be memory-mapped: Python objects in dtype.",
        "`junk.npy`: ",
        "`none.npy`: No such file or directory",
        "`x.bmp`: unknown kind of image; supported: .npy, .png, .jpg, .jpeg",
        "`/etc/x.npy` leads out of the recipe's folder",
    ]
    found = problems(tmp_path, recipe, a__csv=f"shot,value\n{rows}")
    for row, (line, reason) in enumerate(zip(found, reasons, strict=True)):
        code = "D206" if row else "D205"
        start = f"a.csv:{row + 2}:1 {code} data.columns.shot: row {row + 1}, column `shot`: "
        assert line.startswith(start)
        assert reason in line


def test_pictures_need_pillow(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(EnvironmentProblem, match=r"needs Pillow; run `pip install pillow`$"):
        load(tmp_path, image_recipe(make_recipe), a__csv="shot,value\nx.png,1\n")


def test_real_queries_of_a_search_console(
    make_recipe: MakeRecipe, shared_file: Callable[[str], Path]
) -> None:
    path = shared_file("gsc_export/Queries_first100.csv")
    recipe = make_recipe(
        inputs={
            "query": {"kind": "tokens", "vocab_size": 300, "max_length": 8},
            "numbers": {"kind": "features", "size": 3, "scale": "log1p"},
        },
        outputs={"ctr": {"kind": "regression", "from": "query"}},
        data={
            "files": path.name,
            "columns": {
                "query": "Top queries",
                "numbers": ["Clicks", "Impressions", "Position"],
                "ctr": "CTR",
            },
            "split": {"test": 0.2},
        },
    )
    examples = load_examples(recipe, path.parent)
    assert (len(examples.train), len(examples.test)) == (80, 20)
    assert examples.texts["query"][0] == "scanner"
    assert examples.numbers["numbers"][0].tolist() == [45613, 1095056, 5.34]
    assert examples.targets["ctr"][0].tolist() == pytest.approx([0.0417])
    clicks, impressions = examples.numbers["numbers"][:, 0], examples.numbers["numbers"][:, 1]
    np.testing.assert_allclose(examples.targets["ctr"][:, 0], clicks / impressions, atol=6e-5)


def test_real_banking_queries(make_recipe: MakeRecipe, shared_file: Callable[[str], Path]) -> None:
    train, test = shared_file("banking77/train.csv"), shared_file("banking77/test.csv")
    table = read_table(test, ["category"])
    labels = sorted(set(table.columns["category"].to_pylist()))
    recipe = make_recipe(
        outputs={"intent": {"kind": "classification", "from": "query", "labels": labels}},
        data={
            "split": {"train": train.name, "test": test.name},
            "columns": {"query": "text", "intent": "category"},
        },
    )
    examples = load_examples(recipe, train.parent)
    assert (len(examples.train), len(examples.test)) == (10003, 3080)
    assert np.bincount(examples.targets["intent"][examples.test]).tolist() == [40] * 77
