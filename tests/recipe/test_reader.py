from __future__ import annotations

import json
import re
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from seobuilder.errors import InvalidInput, RecipeError
from seobuilder.recipe import reader
from seobuilder.recipe.diagnostics import Mark
from seobuilder.recipe.document import Mapping, Node, Scalar, lookup, plain
from seobuilder.recipe.reader import MAX_BYTES, MAX_DEPTH, MAX_NODES, read

LOADERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]


@pytest.fixture(params=LOADERS, ids=lambda loader: loader.__name__)
def each_parser(request, monkeypatch):
    """Run with the C parser and with the one that stands in for it."""
    monkeypatch.setattr(reader, "_LOADER", request.param)


def refusal(data: str | bytes) -> str:
    """The text of what `data` is refused for."""
    with pytest.raises(RecipeError) as caught:
        read(data.encode() if isinstance(data, str) else data, "r.yaml")
    return str(caught.value)


def marks(node: Node) -> list[Mark]:
    if isinstance(node, Scalar):
        return [node.mark]
    if isinstance(node, Mapping):
        children = [m for e in node.entries.values() for m in (e.key_mark, *marks(e.value))]
    else:
        children = [m for item in node.items for m in marks(item)]
    return [node.mark, *children]


@pytest.mark.usefixtures("each_parser")
def test_values():
    text = """\
text: no
quoted: "1"
single: '~'
number: 1e-5
integer: 0x10
code: 010
time: 1:30
nothing:
"yes": [true, {a: .5}]
"<<": merged
block: |
  1
folded: >-
  a
  b
"""
    assert plain(read(text.encode(), "r.yaml").root) == {
        "text": "no",
        "quoted": "1",
        "single": "~",
        "number": 1e-5,
        "integer": 16,
        "code": "010",
        "time": "1:30",
        "nothing": None,
        "yes": [True, {"a": 0.5}],
        "<<": "merged",
        "block": "1\n",
        "folded": "a b",
    }


@pytest.mark.usefixtures("each_parser")
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_marks_count_characters(start, newline):
    text = start + newline.join(["é: ü", "日本: [😀,  '日\t',  x]", "k: 1", ""])
    root = read(text.encode(), "r.yaml").root
    assert root.entries["é"].key_mark == Mark("r.yaml", 1, 1, 1)
    assert root.entries["é"].value.mark == Mark("r.yaml", 1, 4, 1)
    assert root.entries["日本"].key_mark == Mark("r.yaml", 2, 1, 2)
    assert root.entries["日本"].value.mark == Mark("r.yaml", 2, 5, 14)
    assert lookup(root, ("日本", 1)).mark == Mark("r.yaml", 2, 10, 4)
    assert lookup(root, ("日本", 2)).mark == Mark("r.yaml", 2, 17, 1)
    assert root.entries["k"].value.mark == Mark("r.yaml", 3, 4, 1)


@pytest.mark.usefixtures("each_parser")
def test_marks_of_collections_and_long_values():
    text = (
        "flow: {a: 1}\nblock:\n  key: x\nlist:\n- 1\nwide: [1,\n  2]\ntext: |\n  a\n  b\nempty:\n"
    )
    root = read(text.encode(), "r.yaml").root
    found = {
        key: (e.value.mark.line, e.value.mark.column, e.value.mark.length)
        for key, e in root.entries.items()
    }
    assert found["flow"] == (1, 7, 6)
    assert found["block"] == (3, 3, 3)
    assert found["list"] == (5, 1, 1)
    assert found["wide"] == (6, 7, 3)
    assert found["text"] == (8, 7, 1)
    assert found["empty"] == (11, 7, 1)


@pytest.mark.usefixtures("each_parser")
def test_a_version_directive_of_yaml_1_2_is_fine():
    assert plain(read(b"%YAML 1.2\n---\na: 1\n", "r.yaml").root) == {"a": 1}


REFUSED = {
    "not UTF-8": (
        "a: é\nb: ü".encode() + b"\xff",
        "r.yaml:2:5 R001 byte 0xFF is not UTF-8\n    2 | b: ü\ufffd\n      |     ^",
    ),
    "UTF-16": (
        "a: 1".encode("utf-16"),
        "r.yaml:1:1 R001 byte 0xFF is not UTF-8\n"
        "    1 | \ufffd\ufffda\\x00:\\x00 \\x001\\x00\n"
        "      | ^",
    ),
    "control character": (
        "a: 1\nb: é\x07x\n",
        "r.yaml:2:5 R003 control character U+0007\n    2 | b: é\\x07x\n      |     ^^^^",
    ),
    "line separator": (
        "a: 1\u2028b: \x7f\n",
        "r.yaml:1:5 R003 control character U+2028, the first of 2\n"
        "    1 | a: 1\\u2028b: \\x7f\n"
        "      |     ^^^^^^",
    ),
    "several documents": (
        "a: 1\n---\nb: 2\n",
        "r.yaml:2:1 R007 a second document begins here\n    2 | ---\n      | ^",
    ),
    "nothing": ("", "r.yaml:1:1 R008 the file is empty\n    1 |\n      | ^"),
    "comments": ("# x\n", "r.yaml:1:1 R008 the file is empty\n    1 | # x\n      | ^"),
    "dashes": ("---\n", "r.yaml:1:1 R008 the file is empty\n    1 | ---\n      | ^"),
    "list": (
        "- a\n",
        "r.yaml:1:1 R009 a recipe is a mapping, not a list\n    1 | - a\n      | ^",
    ),
    "value": (
        "some text",
        "r.yaml:1:1 R009 a recipe is a mapping, not a single value\n"
        "    1 | some text\n"
        "      | ^^^^^^^^^",
    ),
    "duplicate keys": (
        "a: {b: 1, b: 2}\nü: 3\nx: [{c: 1, 'c': 2}]\nü: 1\n",
        "r.yaml:1:11 R010 a.b: duplicate key; it stands first at line 1, column 5\n"
        "    1 | a: {b: 1, b: 2}\n"
        "      |           ^\n"
        "r.yaml:3:12 R010 x[0].c: duplicate key; it stands first at line 3, column 6\n"
        "    3 | x: [{c: 1, 'c': 2}]\n"
        "      |            ^^^\n"
        "r.yaml:4:1 R010 ü: duplicate key; it stands first at line 2, column 1\n"
        "    4 | ü: 1\n"
        "      | ^",
    ),
    "anchor and alias": (
        "a: &x {b: 1}\nc: [*x]\n*x : 1\n",
        "r.yaml:1:4 R011 a: anchor `&x`; anchors are not part of the language\n"
        "    1 | a: &x {b: 1}\n"
        "      |    ^\n"
        "  help: text that begins with `&` goes in quotes\n"
        "r.yaml:2:5 R011 c[0]: alias `*x`; aliases are not part of the language\n"
        "    2 | c: [*x]\n"
        "      |     ^^\n"
        "  help: text that begins with `*` goes in quotes\n"
        "r.yaml:3:1 R011 alias `*x`; aliases are not part of the language\n"
        "    3 | *x : 1\n"
        "      | ^^\n"
        "  help: text that begins with `*` goes in quotes",
    ),
    "merge key": (
        "a:\n  <<: {b: 1}\n",
        "r.yaml:2:3 R012 a: merge keys are not part of the language\n"
        "    2 |   <<: {b: 1}\n"
        "      |   ^^",
    ),
    "tag": (
        "a: !!python/name:os.system x\nb: !t [1]\n",
        "r.yaml:1:4 R013 a: tags are not part of the language\n"
        "    1 | a: !!python/name:os.system x\n"
        "      |    ^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        "  help: text that begins with `!` goes in quotes\n"
        "r.yaml:2:4 R013 b: tags are not part of the language\n"
        "    2 | b: !t [1]\n"
        "      |    ^\n"
        "  help: text that begins with `!` goes in quotes",
    ),
    "keys that are not strings": (
        "1: a\na: {null: b, [c]: d, {e: f}: g}\n",
        "r.yaml:1:1 R014 the key `1` is not a string\n"
        "    1 | 1: a\n"
        "      | ^\n"
        "  help: put the key in quotes\n"
        "r.yaml:2:5 R014 a: the key `null` is not a string\n"
        "    2 | a: {null: b, [c]: d, {e: f}: g}\n"
        "      |     ^^^^\n"
        "  help: put the key in quotes\n"
        "r.yaml:2:14 R014 a: a key must be a string, not a list\n"
        "    2 | a: {null: b, [c]: d, {e: f}: g}\n"
        "      |              ^^^\n"
        "r.yaml:2:22 R014 a: a key must be a string, not a mapping\n"
        "    2 | a: {null: b, [c]: d, {e: f}: g}\n"
        "      |                      ^^^^^^",
    ),
    "numbers": (
        "a: .inf\nb: [1, 9223372036854775808, 1e999]\n",
        "r.yaml:1:4 R015 a: a number must be finite\n"
        "    1 | a: .inf\n"
        "      |    ^^^^\n"
        "r.yaml:2:8 R015 b[1]: an integer must lie between -2**63 and 2**63 - 1\n"
        "    2 | b: [1, 9223372036854775808, 1e999]\n"
        "      |        ^^^^^^^^^^^^^^^^^^^\n"
        "r.yaml:2:29 R015 b[2]: the number is too large for a 64-bit float\n"
        "    2 | b: [1, 9223372036854775808, 1e999]\n"
        "      |                             ^^^^^",
    ),
    "directive": (
        "%YAML 1.1\n---\na: 1\n",
        "r.yaml:1:1 R016 YAML directives are not part of the language\n"
        "    1 | %YAML 1.1\n"
        "      | ^",
    ),
    "a problem before a syntax error": (
        "a: .nan\nb: @x\n",
        "r.yaml:1:4 R015 a: a number must be finite\n"
        "    1 | a: .nan\n"
        "      |    ^^^^\n"
        "r.yaml:2:4 R004 text cannot begin with `@`\n"
        "    2 | b: @x\n"
        "      |    ^\n"
        "  help: put it in quotes",
    ),
}


@pytest.mark.usefixtures("each_parser")
@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    data, text = REFUSED[name]
    assert refusal(data) == text


@pytest.mark.usefixtures("each_parser")
@pytest.mark.parametrize("text", [r'a: "\ud800"', r'a: "\UFFFFFFFF"', "a: !%ed%a0%80 x\n"])
def test_escapes_that_name_no_character(text):
    assert re.match(r"r\.yaml:1:\d R0(04|13) ", refusal(text))


def test_size_is_bounded():
    padding = b"#" * (MAX_BYTES - 5)
    assert plain(read(b"a: 1\n" + padding, "r.yaml").root) == {"a": 1}
    assert refusal(b"a: 1\n" + padding + b"#") == (
        "r.yaml:1:1 R002 the file has 1,048,577 bytes; at most 1,048,576 are read"
    )


def test_depth_is_bounded():
    def nested(levels: int) -> str:
        return "a: " + "[" * (levels - 1) + "]" * (levels - 1)

    assert plain(read(nested(MAX_DEPTH).encode(), "r.yaml").root)
    assert refusal(nested(MAX_DEPTH + 1)).startswith(
        "r.yaml:1:67 R005 mappings and lists are nested more than 64 levels deep\n"
    )


def test_number_of_nodes_is_bounded():
    items = MAX_NODES - 3  # and the mapping, its key and the list
    assert len(plain(read(b"a: [" + b"1," * items + b"]", "r.yaml").root)["a"]) == items
    assert "R006 the document has more than 100,000 keys, values and items" in refusal(
        b"a: [" + b"1," * (items + 1) + b"]"
    )


@pytest.mark.parametrize(
    "text",
    ["[", "{", "- ", "? ", "a:", "[{a: ", '"', "&", "!", "*", "\n", "a ", "''", "\0", "\t", "|"],
)
def test_a_mebibyte_of_anything_is_refused_at_once(text):
    data = (text * MAX_BYTES)[:MAX_BYTES].encode()
    began = time.perf_counter()
    refusal(data)
    assert time.perf_counter() - began < 1


def test_deep_indentation_is_refused_at_once():
    data = "".join(" " * depth + "a:\n" for depth in range(1400)).encode()
    began = time.perf_counter()
    assert "R005" in refusal(data)
    assert time.perf_counter() - began < 1


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def as_yaml(data: object, indent: int | None) -> bytes:
    """JSON, in which what YAML does not allow in a text is written as an escape."""
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    escape = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
    return escape.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()


def same(one: object, other: object) -> bool:
    """Equal, and of equal types: 1 is not 1.0 and not True."""
    return json.dumps(one) == json.dumps(other)


@settings(deadline=None)
@given(st.dictionaries(TEXT, DATA, max_size=4), st.sampled_from([None, 1]))
def test_what_json_says_is_what_is_read(data, indent):
    document = read(as_yaml(data, indent), "r.yaml")
    assert same(plain(document.root), data)
    for mark in marks(document.root):
        assert 1 <= mark.line <= len(document.lines)
        assert 0 < mark.column <= len(document.lines[mark.line - 1])


@settings(deadline=None)
@given(st.dictionaries(st.from_regex("[a-z]{1,8}", fullmatch=True), TEXT, min_size=1))
def test_keys_and_values_stand_where_their_marks_say(data):
    document = read(as_yaml(data, None), "r.yaml")
    for key, entry in document.root.entries.items():
        for mark, value in ((entry.key_mark, key), (entry.value.mark, data[key])):
            line = document.lines[mark.line - 1]
            written = line[mark.column - 1 :][: mark.length]
            assert plain(read(b"x: " + written.encode(), "r.yaml").root) == {"x": value}


TOKENS = ["a", "1", "é", " ", "\n", "\r", "\t", "- ", ":", "?", ",", "[", "]", "{", "}", '"', "'"]
ODDITIES = ["*", "&", "!", "%", "@", "|", ">", "#", "<<", "---", "...", "\\x", "\\ud800", "\u2028"]
SNIPPETS = st.lists(st.sampled_from(TOKENS + ODDITIES), max_size=25).map("".join)
RAW = st.text(max_size=40).map(lambda text: text.encode(errors="surrogatepass"))


@pytest.mark.parametrize("loader", LOADERS)
@settings(deadline=None, max_examples=400)
@given(data=st.binary(max_size=60) | RAW | SNIPPETS.map(str.encode))
def test_only_recipe_errors_are_raised(loader, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_LOADER", loader)
        try:
            document = read(data, "r.yaml")
        except InvalidInput as error:
            assert error.diagnostics
            assert str(error).encode()
            for problem in error.diagnostics:
                assert problem.mark is not None
                assert 1 <= problem.mark.line <= len(error.sources["r.yaml"])
        else:
            json.dumps(plain(document.root), allow_nan=False)
            assert all(mark.line <= len(document.lines) for mark in marks(document.root))
