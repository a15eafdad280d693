from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

import seobuilder
from seobuilder.recipe.codes import CODES

PACKAGE = Path(seobuilder.__file__).parent
TABLES = PACKAGE / "recipe" / "codes"
# A code that is raised is a string of its own; docstrings mention codes without quotes.
CODE = re.compile(r'"([A-Z]\d{3})"')
ENTRY = re.compile(r'^    "([A-Z]\d{3})": Code\(', re.MULTILINE)


def used_codes() -> dict[str, str]:
    """Every code that the package raises, and a module that does."""
    modules = [path for path in PACKAGE.rglob("*.py") if TABLES not in path.parents]
    return {
        code: path.relative_to(PACKAGE).as_posix()
        for path in modules
        for code in CODE.findall(path.read_text(encoding="utf-8"))
    }


def test_every_code_that_is_raised_is_explained():
    assert {code: place for code, place in used_codes().items() if code not in CODES} == {}


def test_no_code_is_explained_that_nothing_raises():
    assert set(CODES) - set(used_codes()) == set()


def test_no_number_is_given_twice():
    entries = [
        code
        for path in TABLES.glob("*.py")
        for code in ENTRY.findall(path.read_text(encoding="utf-8"))
    ]
    assert {code for code, times in Counter(entries).items() if times > 1} == set()
    assert set(entries) == set(CODES)


def test_codes_are_listed_by_prefix_and_number():
    order = {letter: place for place, letter in enumerate("RPDHT")}
    assert list(CODES) == sorted(CODES, key=lambda code: (order[code[0]], code))


@pytest.mark.parametrize("code", CODES)
def test_explanations_are_whole_sentences(code):
    explanation = CODES[code]
    assert re.fullmatch(r"[RPDHT]\d{3}", code)
    assert explanation.title and not explanation.title.endswith(".")
    for text in (explanation.meaning, explanation.mend):
        assert text.endswith(".")
        assert "\n" not in text and "  " not in text
        assert text.count("`") % 2 == 0


def test_titles_tell_codes_apart():
    titles = Counter((code[0], explanation.title) for code, explanation in CODES.items())
    assert {title for title, times in titles.items() if times > 1} == set()
