"""Changes of a recipe's text: the data is what was asked for, and all else stays to the byte."""

from __future__ import annotations

import json
import re
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seobuilder.recipe.change import Change
from seobuilder.recipe.document import Mapping, Node, Sequence, lookup, plain
from seobuilder.recipe.dump import flow
from seobuilder.recipe.reader import read
from seobuilder.recipe.rewrite import NotEditable, edited, rewrite
from seobuilder.recipe.shipped import recipe_names, recipe_path

Path = tuple[str | int, ...]


def change(action: Any, *path: str | int, yaml: str = "") -> Change:
    return Change(action=action, file="r.yaml", path=path, yaml=yaml)


def rewritten(text: str, *changes: Change) -> str:
    return rewrite(text.encode(), changes).decode()


BLOCK = """\
# about all
rules:  # first match
  # about one
  - {match: "a.*", method: normal, std: 0.02}  # one
  # about two
  - match: b  # bee
    # why
    method: zeros

  - {role: head, method: ones}   # three
other:
  depth: 4   # deep
  empty:
"""

TALL = """\
rules: [
  one,  # 1
  two,
  # above three
  three  # 3
]
map: {a: 1,   # first
      'b': 'x y', c: [1, 2, ], }
"""


@pytest.mark.parametrize(
    ("text", "edit", "old", "new"),
    [
        (
            BLOCK,
            change("insert", "rules", 0, yaml="{a: 1}"),
            "  - {match",
            "  - {a: 1}\n  - {match",
        ),
        (
            BLOCK,
            change("insert", "rules", 1, yaml="{match: c, std: 1}"),
            "  # about two",
            "  - match: c\n    std: 1\n  # about two",
        ),
        (
            BLOCK,
            change("insert", "rules", 3, yaml="{a: 1}"),
            "# three\n",
            "# three\n  - {a: 1}\n",
        ),
        (BLOCK, change("set", "rules", 0, "std", yaml="0.1"), "std: 0.02", "std: 0.1"),
        (
            BLOCK,
            change("set", "rules", 0, yaml='{match: "a.*", method: kaiming_normal, fan: "x y"}'),
            "normal, std: 0.02}",
            'kaiming_normal, fan: "x y"}',
        ),
        (
            BLOCK,
            change("set", "rules", 1, yaml="{match: b, method: zeros, optional: true}"),
            "method: zeros\n",
            "method: zeros\n    optional: true\n",
        ),
        (
            BLOCK,
            change("set", "rules", 1, yaml="3"),
            "- match: b  # bee\n    # why\n    method: zeros\n",
            "- 3\n",
        ),
        (BLOCK, change("set", "other", yaml="{depth: 4}"), "  empty:\n", ""),
        (BLOCK, change("set", "other", yaml="2"), "other:\n  depth: 4   # deep\n  empty:\n", None),
        (BLOCK, change("set", "other", "empty", yaml="[1]"), "empty:", "empty: [1]"),
        (BLOCK, change("set", "other", "new", yaml="[1]"), "empty:\n", "empty:\n  new: [1]\n"),
        (BLOCK, change("set", "other", "empty", "x", yaml="1"), "empty:", "empty: {x: 1}"),
        (BLOCK, change("set", "last", yaml="[{a: 1}]"), "empty:\n", "empty:\nlast:\n  - {a: 1}\n"),
        (BLOCK, change("delete", "rules", 2), "  - {role: head, method: ones}   # three\n", ""),
        (
            BLOCK,
            change("delete", "rules", 1, "match"),
            "- match: b  # bee\n    # why\n",
            "-\n    # why\n",
        ),
        (BLOCK, change("delete", "rules", 0, "std"), ", std: 0.02", ""),
        (BLOCK, change("delete", "rules", 0, "match"), 'match: "a.*", ', ""),
        (TALL, change("insert", "rules", 2, yaml="x"), "  three", "  x,\n  three"),
        (TALL, change("insert", "rules", 3, yaml="x"), "three  # 3\n", "three,  # 3\n  x\n"),
        (TALL, change("delete", "rules", 2), "two,\n  # above three\n  three  # 3\n", None),
        (TALL, change("delete", "rules", 0), "  one,  # 1\n", ""),
        (TALL, change("set", "map", "b", yaml='"y z"'), "'x y'", "'y z'"),
        (TALL, change("set", "map", "b", yaml='"y\'z"'), "'x y'", '"y\'z"'),
        (TALL, change("delete", "map", "b"), "'b': 'x y', ", ""),
        (TALL, change("insert", "map", "c", 2, yaml="3"), "2, ]", "2, 3, ]"),
        (TALL, change("delete", "map", "a"), "a: 1,   #", "   #"),
    ],
)
def test_an_edit_is_laid_out_as_what_stands_beside_it(
    text: str, edit: Change, old: str, new: str | None
) -> None:
    special = {
        "other:\n  depth: 4   # deep\n  empty:\n": "other: 2\n",
        "two,\n  # above three\n  three  # 3\n": "two\n  # above three\n",
    }
    assert text.count(old) == 1
    assert rewritten(text, edit) == text.replace(old, special[old] if new is None else new)


def test_paths_count_items_as_they_were_before_any_change() -> None:
    text = "rules:\n- a\n- b\n- {x: 1, y: 2}\n"
    changes = [
        change("insert", "rules", 1, yaml="one"),
        change("delete", "rules", 1),
        change("insert", "rules", 1, yaml="two"),
        change("set", "rules", 2, "x", yaml="3"),
        change("delete", "rules", 0),
        change("delete", "rules", 2, "y"),
    ]
    assert rewritten(text, *changes) == "rules:\n- one\n- two\n- {x: 3}\n"


def test_a_list_that_is_emptied_and_filled_keeps_its_layout() -> None:
    text = "rules:\n  - a  # about a\n"
    assert rewritten(text, change("delete", "rules", 0)) == "rules: []\n"
    both = change("delete", "rules", 0), change("insert", "rules", 0, yaml="b")
    assert rewritten(text, *both) == "rules:\n  - b\n"


def test_line_breaks_and_a_byte_order_mark_stay() -> None:
    data = b"\xef\xbb\xbfrules:\r\n  - a\r\n  - b\r\n"
    assert rewrite(data, [change("insert", "rules", 1, yaml="x")]) == (
        b"\xef\xbb\xbfrules:\r\n  - a\r\n  - x\r\n  - b\r\n"
    )
    assert rewritten("a: [1]", change("set", "b", yaml="2")) == "a: [1]\nb: 2"


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("? a\n: {b: 1}\nc: 2\n", change("delete", "a")),
        ("a: [b: 1]\n", change("set", "a", 0, "c", yaml="1")),
        ("a: 1\n", change("delete", "b")),
        ("a: 1\n", change("insert", "a", 0, yaml="1")),
        ("a: 1\n", change("set", "a", "b", yaml="1")),
        ("a: |+\n  x\n\n\n", change("set", "b", yaml="1")),
    ],
)
def test_what_can_not_be_edited_is_refused(text: str, edit: Change) -> None:
    with pytest.raises(NotEditable):
        rewritten(text, edit)


WORDS = ["a", "b c", "it's", 'say "x"', "#no", "- x", "true", "0.5", "", "päge", "x: y", "x #y"]
leaves = st.one_of(
    st.sampled_from(WORDS), st.integers(-9, 99), st.booleans(), st.none(), st.just(0.02)
)
keys = st.sampled_from(["one", "two", "three", "x y", "4"])
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)
documents = st.dictionaries(keys, values, min_size=1, max_size=5)


class Writer:
    """Writes data in a style that is chosen anew for every part, with numbered comments."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.numbers = count(1)

    def coin(self, chance: float = 0.5) -> bool:
        return self.random.random() < chance

    def comment(self, chance: float = 0.3) -> str:
        return f"{' ' * self.random.randint(1, 3)}# c{next(self.numbers)}" * self.coin(chance)

    def above(self, indent: str) -> list[str]:
        lines = [""] * self.coin(0.15) + [f"{indent}# c{next(self.numbers)}"] * self.coin(0.2)
        return lines

    def scalar(self, value: Any) -> str:
        if isinstance(value, str) and self.coin() and value.isprintable():
            return "'" + value.replace("'", "''") + "'"
        return flow(value)

    def bracketed(self, value: Any, indent: str) -> str:
        if not isinstance(value, dict | list):
            return self.scalar(value)
        is_list = isinstance(value, list)
        parts = (
            [self.bracketed(each, indent + "  ") for each in value]
            if is_list
            else [
                f"{self.scalar(key)}: {self.bracketed(each, indent + '  ')}"
                for key, each in value.items()
            ]
        )
        first, last = "[]" if is_list else "{}"
        trailing = "," * self.coin(0.2) if parts else ""
        if self.coin(0.6):
            return first + ", ".join(parts) + trailing + last
        text, closing = first + self.comment(), self.coin()
        for index, part in enumerate(parts):
            comma = "," if index < len(parts) - 1 else trailing
            lead = (
                " "
                if index and self.coin(0.3)
                else "".join(f"\n{line}" for line in self.above(indent + "  ")) + f"\n{indent}  "
            )
            if "#" in text.rpartition("\n")[2] and not lead.startswith("\n"):
                lead = f"\n{indent}  "
            text += lead + part + comma + self.comment()
        if closing or "#" in text.rpartition("\n")[2]:
            text += f"\n{indent} "
        return text + last

    def lines(self, value: Any, indent: str) -> list[str]:
        """A collection that is not empty, in lines."""
        out: list[str] = []
        pairs = value.items() if isinstance(value, dict) else ((None, each) for each in value)
        for key, each in pairs:
            out += self.above(indent)
            lead = indent + ("-" if key is None else f"{self.scalar(key)}:")
            if each is None and self.coin():
                out.append(lead + self.comment())
            elif isinstance(each, dict | list) and each and self.coin():
                deeper = indent + " " * self.random.randint(1, 4)
                if key is not None and isinstance(each, list) and self.coin():
                    deeper = indent
                inside = self.lines(each, deeper + " " * (key is None))
                compact = key is None and self.coin() and len(deeper) > len(indent)
                if compact and inside[0].strip()[:1] not in ("", "#"):
                    inside[0] = lead + inside[0][len(lead) :]
                    out += inside
                else:
                    out += [lead + self.comment(), *inside]
            else:
                text = self.bracketed(each, indent + "    ")
                out += (f"{lead} {text}" + self.comment()).split("\n")
        return out


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, Random]:
    random = draw(st.randoms(use_true_random=False))
    text = "\n".join([*Writer(random).lines(draw(documents), ""), "# end"])
    text += "\n" * random.randint(0, 2)
    return text.replace("\n", random.choice(["\n", "\n", "\r\n"])), random


def paths(node: Node, path: Path = ()) -> list[Path]:
    found = [path]
    if isinstance(node, Mapping):
        for key, entry in node.entries.items():
            found += paths(entry.value, (*path, key))
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            found += paths(item, (*path, index))
    return found


NEW = ["3", "{method: normal, std: 0.5}", '"new text"', "null", "[1, {a: b}]"]


def any_change(root: Mapping, random: Random) -> Change:
    """An edit of one of all places."""
    path = random.choice(paths(root))
    node = lookup(root, path).node
    yaml = random.choice(NEW)
    if isinstance(node, Sequence) and random.random() < 0.6:
        return change("insert", *path, random.randint(0, len(node.items)), yaml=yaml)
    if not path or (isinstance(node, Mapping) and random.random() < 0.4):
        return change("set", *path, "fresh", yaml=yaml)
    return change(random.choice(["set", "delete"]), *path, yaml=yaml)


def same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def comments(lines: list[str]) -> set[str]:
    return set(re.findall(r"# (?:c\d+|end|[^\n]*)$", "\n".join(lines), re.M))


def opened(lines: list[str], first: int) -> int:
    """The line of the lone dash that an item begins with, if it begins on a later line."""
    above = first - 1
    while above > 0 and re.fullmatch(r"\s*(#.*)?", lines[above - 1]):
        above -= 1
    return above if above > 0 and re.fullmatch(r"[\s-]*-(\s+#.*)?\s*", lines[above - 1]) else first


def check(text: str, edit: Change) -> None:
    """What an edit promises."""
    document = read(text.encode(), "r.yaml")
    new = rewritten(text, edit)
    after = plain(read(new.encode(), "r.yaml").root)
    data = plain(document.root)
    assert same(after, edited(data, edit))

    found = lookup(document.root, edit.path)
    parent = lookup(document.root, edit.path[:-1])
    if edit.action == "delete" and len(plain(parent.node)) == 1:  # type: ignore
        found = parent  # for which empty brackets stand
    old_lines, new_lines = text.splitlines(), new.splitlines()
    if not found.complete or edit.action == "insert":
        assert comments(old_lines) <= comments(new_lines)
        assert len(new) > len(text)
        return
    node = found.node
    assert node.end is not None
    first, last = min(found.mark.line, node.mark.line), node.end[0]
    first = opened(old_lines, first)
    outside = old_lines[: first - 1] + old_lines[last:]
    assert comments(outside) <= comments(new_lines)
    # A comma may go from the line before, in brackets from above the comments on lines between.
    before = old_lines[: max(0, first - 2)]
    assert new_lines[: len(before)] == before or "{" in text or "[" in text
    behind = old_lines[last + 1 :]
    assert new_lines[len(new_lines) - len(behind) :] == behind


@settings(max_examples=50, deadline=None)
@given(texts())
def test_the_data_is_as_asked_and_what_is_not_concerned_stays(drawn: tuple[str, Random]) -> None:
    text, random = drawn
    root = read(text.encode(), "r.yaml").root
    for _ in range(3):
        check(text, any_change(root, random))


@pytest.mark.parametrize("name", recipe_names())
def test_shipped_recipes_take_any_edit(name: str) -> None:
    text = recipe_path(name).read_text(encoding="utf-8")
    root = read(text.encode(), "r.yaml").root
    random = Random(11)
    for _ in range(20):
        check(text, any_change(root, random))


@pytest.mark.parametrize("name", recipe_names())
def test_many_edits_at_once_are_each_made(name: str) -> None:
    text = recipe_path(name).read_text(encoding="utf-8")
    rules = len(plain(read(text.encode(), "").root)["initialization"])  # type: ignore
    random = Random(12)
    for _ in range(3):
        marks = [f"new{index}" for index in range(4)]
        edits = [
            change("insert", "initialization", random.randrange(rules + 1), yaml=mark)
            for mark in marks
        ]
        gone = random.sample(range(rules), min(2, rules))
        edits += [change("delete", "initialization", index) for index in gone]
        after: Any = plain(read(rewritten(text, *edits).encode(), "").root)
        kept: Any = plain(read(text.encode(), "").root)
        expected: list[Any] = []
        for index, item in enumerate([*kept["initialization"], None]):
            expected += [e.yaml for e in edits if e.action == "insert" and e.path[1] == index]
            expected += [item] if index < rules and index not in gone else []
        assert after["initialization"] == expected
