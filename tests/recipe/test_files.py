from __future__ import annotations

import os

import pytest

from seobuilder.recipe import files
from seobuilder.recipe.files import may_leave, padding_id_of, parse_json, read_within


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "outside.txt").write_text("secret")
    inside = tmp_path / "inside"
    (inside / "sub").mkdir(parents=True)
    (inside / "a.txt").write_text("a")
    (inside / "sub/b.txt").write_text("b")
    (inside / "near").symlink_to("sub/b.txt")
    (inside / "far").symlink_to("../outside.txt")
    (inside / "up").symlink_to("..")
    (inside / "loop").symlink_to("loop")
    return inside


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.txt", b"a"), ("sub/b.txt", b"b"), ("near", b"b"), ("sub/../a.txt", b"a")],
)
def test_files_of_the_tree_are_read(folder, name, content):
    assert read_within(folder, name) == content


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("far", "it lies outside the recipe's folder"),
        ("up/outside.txt", "it lies outside the recipe's folder"),
        ("../outside.txt", "it lies outside the recipe's folder"),
        ("/etc/passwd", "it lies outside the recipe's folder"),
        ("none.txt", "there is no such file"),
        ("sub", "there is no such file"),
        ("", "there is no such file"),
        ("loop", "there is no such file"),
        ("a.txt/b.txt", "there is no such file"),
        ("a\0b", "there is no such file"),
        ("x" * 5000, "File name too long"),
    ],
)
def test_others_are_refused(folder, name, reason):
    with pytest.raises(ValueError, match=f"^{reason}$"):
        read_within(folder, name)


def test_a_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "pipe")
    with pytest.raises(ValueError, match="there is no such file"):
        read_within(folder, "pipe")


def test_large_files_are_refused(folder, monkeypatch):
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 2**20)
    (folder / "large").write_bytes(b"x" * 2**20)
    assert len(read_within(folder, "large")) == 2**20
    (folder / "large").write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(ValueError, match="it is larger than 1 MiB"):
        read_within(folder, "large")


def test_a_folder_may_be_reached_through_a_link(folder, tmp_path):
    (tmp_path / "link").symlink_to("inside")
    assert read_within(tmp_path / "link", "sub/b.txt") == b"b"


@pytest.mark.parametrize(
    "name",
    [
        "/a",
        "\\a",
        "~/a",
        "~user",
        "..",
        "../a",
        "a/../b",
        "a\\..\\b",
        "C:a",
        "C:\\a",
        "a:b/c",
        "\0",
    ],
)
def test_names_that_may_leave_a_folder(name):
    assert may_leave(name)


@pytest.mark.parametrize("name", ["a", "a/b.c", "a..b", "...", "a~", ".hidden", "a/b:c", "é ü/ß"])
def test_names_that_stay(name):
    assert not may_leave(name)


def test_json():
    assert parse_json(b'\xef\xbb\xbf{"a": [1, null]}') == {"a": [1, None]}


def test_padding_of_what_is_no_tokenizer():
    with pytest.raises(ValueError, match=r"not a tokenizer\.json of the tokenizers library"):
        padding_id_of("model")
