from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from seobuilder.data.encode import Examples, load_examples
from seobuilder.data.stream import RowStream
from seobuilder.errors import DataError
from seobuilder.recipe.spec import Recipe

MakeRecipe = Callable[..., Recipe]

COLUMNS = {"query": "q", "intent": "intent"}
RANKING = {
    "inputs": {"page": {"kind": "features", "size": 1}},
    "outputs": {"best": {"kind": "ranking", "from": "page"}},
}


def streaming(rows: int, **keys: object) -> dict[str, object]:
    data = {"files": "a.csv", "columns": COLUMNS, "streaming": {"rows": rows}} | keys
    return {"data": data, "training": {"steps": 1}}


def blocks(recipe: Recipe, folder: Path) -> Iterator[Examples]:
    stream = RowStream(recipe, folder, load_examples(recipe, folder))
    for rows, _ in stream.read():
        yield stream.encode(rows)


def test_every_row_comes_once_and_a_block_ends_with_its_file(
    tmp_path: Path, make_recipe: MakeRecipe
) -> None:
    (tmp_path / "a.csv").write_text("q,intent\n" + "".join(f"a{n},a\n" for n in range(7)))
    (tmp_path / "b.jsonl").write_text('{"q": "b0", "intent": "b"}\n{"q": "b1"}\n')
    recipe = make_recipe(**streaming(3, files=["a.csv", "b.jsonl"]))
    first = load_examples(recipe, tmp_path)
    assert list(first.texts["query"]) == ["a0", "a1", "a2"]
    found = list(blocks(recipe, tmp_path))
    assert [list(each.texts["query"]) for each in found] == [
        ["a0", "a1", "a2"],
        ["a3", "a4", "a5", "a6"],
        ["b0", "b1"],
    ]
    assert found[2].targets["intent"].tolist() == [1, -100]
    assert found[2].train.tolist() == [0, 1] and not len(found[2].test)
    assert [last for _, last in RowStream(recipe, tmp_path, first).read()] == [False, False, True]


def test_the_test_file_is_read_as_a_whole(tmp_path: Path, make_recipe: MakeRecipe) -> None:
    rows = "".join(f"x{n},a\n" for n in range(9))
    (tmp_path / "a.csv").write_text(f"q,intent\n{rows}")
    (tmp_path / "t.csv").write_text(f"q,intent\n{rows}")
    split = {"train": "a.csv", "test": "t.csv"}
    recipe = make_recipe(**streaming(4, files=None, split=split))
    examples = load_examples(recipe, tmp_path)
    assert (len(examples.train), len(examples.test)) == (4, 9)
    assert [len(each) for each in blocks(recipe, tmp_path)] == [4, 5]


def test_memory_does_not_grow_with_the_file(tmp_path: Path, make_recipe: MakeRecipe) -> None:
    with (tmp_path / "a.csv").open("w") as file:
        file.write("q,intent\n")
        file.writelines(f"query number {n},{'ab'[n % 2]}\n" for n in range(200_000))
    recipe = make_recipe(**streaming(16_384))
    before = pa.total_allocated_bytes()
    held, rows = [], 0
    for block in blocks(recipe, tmp_path):
        assert len(block) <= 16_385
        held.append(pa.total_allocated_bytes() - before)
        rows += len(block)
    assert rows == 200_000
    # Beside the first block are this one, the one before and the batch under way, all of about
    # 40 bytes a row; the whole file would have 8 MB.
    assert max(held) < 4 * 16_384 * 60 and len(held) == 13


def test_the_place_of_a_bad_cell_in_a_later_block(tmp_path: Path, make_recipe: MakeRecipe) -> None:
    (tmp_path / "a.csv").write_text("q,intent\n" + "x,a\n" * 9 + "x,c\n")
    found = blocks(make_recipe(**streaming(4)), tmp_path)
    assert [len(next(found)) for _ in range(2)] == [4, 4]
    with pytest.raises(DataError) as caught:
        next(found)
    assert str(caught.value).replace(f"{tmp_path}/", "") == (
        "a.csv:11:3 D202 data.columns.intent: row 10, column `intent`: unknown label `c`"
        "\n   11 | x,c\n      |   ^"
    )


@pytest.mark.parametrize("name", ["b.csv", "b.tsv"])
def test_a_later_file_is_looked_for_at_once(
    tmp_path: Path, make_recipe: MakeRecipe, name: str
) -> None:
    (tmp_path / "a.csv").write_text("q,intent\nx,a\nx,b\n")
    with pytest.raises(DataError, match=f"{name}:1:1 D10"):
        load_examples(make_recipe(**streaming(2, files=["a.csv", name])), tmp_path)


def test_balanced_weights_are_those_of_the_first_block(
    tmp_path: Path, make_recipe: MakeRecipe
) -> None:
    (tmp_path / "a.csv").write_text("q,intent\n" + "x,a\nx,a\nx,a\nx,b\n" + "x,b\n" * 4)
    loss = {"method": "cross_entropy", "class_weights": "balanced"}
    outputs = {
        "intent": {"kind": "classification", "from": "query", "labels": ["a", "b"], "loss": loss}
    }
    first, second = blocks(make_recipe(outputs=outputs, **streaming(4)), tmp_path)
    assert first.weights["intent"].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])
    assert second.weights["intent"].tolist() == [2, 2, 2, 2]
    with pytest.raises(DataError) as caught:
        next(blocks(make_recipe(outputs=outputs, **streaming(3)), tmp_path))
    assert str(caught.value) == (
        "D215 outputs.intent.loss.class_weights: `b` has no row in the first block of the stream, "
        "from which `balanced` takes its weights\n"
        "  help: mix the rows of the file, raise `data.streaming.rows`, or list the weights"
    )


def test_groups_must_stand_together(tmp_path: Path, make_recipe: MakeRecipe) -> None:
    columns = {"page": "n", "best": "n"}
    recipe = make_recipe(**RANKING, **streaming(3, columns=columns, group="g"))
    rows = ["a,1", "a,2", "b,1", "b,2", "c,1", "c,2"]
    (tmp_path / "a.csv").write_text("\n".join(["g,n", *rows]))
    found = list(blocks(recipe, tmp_path))
    assert [each.groups.tolist() for each in found if each.groups is not None] == [
        [0, 0],
        [0, 0, 1, 1],
    ]
    (tmp_path / "a.csv").write_text("\n".join(["g,n", *rows, "a,3", "d,1"]))
    with pytest.raises(DataError) as caught:
        list(blocks(recipe, tmp_path))
    assert str(caught.value).replace(f"{tmp_path}/", "") == (
        "a.csv:8:1 D214 data.group: row 7, column `g`: the group goes on after others, so that a "
        "stream tears it\n    8 | a,3\n      | ^\n"
        "  help: sort the rows by `g`, or don't stream them"
    )
