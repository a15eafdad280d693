"""Numbers as they are read."""

from __future__ import annotations

import pytest

from seobuilder.recipe.change import Change
from seobuilder.report.model import VocabularyRecord
from seobuilder.report.text import (
    change_title,
    change_yaml,
    number,
    plural,
    scaled,
    size,
    spread,
    unused_rows,
)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.0 k"),
        (999_949, "999.9 k"),
        (999_950, "1.0 M"),
        (6_912_345, "6.9 M"),
        (10**22, "10000.0 E"),
    ],
)
def test_scaled_counts(count: int, text: str) -> None:
    assert scaled(count) == text


def test_sizes() -> None:
    assert [size(n) for n in (0, 1023, 1024, 27_649_380)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "26.4 MiB",
    ]


def test_unused_rows_of_a_trained_tokenizer_are_explained() -> None:
    given = VocabularyRecord(input="query", rows=4000, unused=645)
    assert unused_rows(given) == "645 of 4,000"
    trained = given.model_copy(update={"trained": True})
    assert unused_rows(trained) == (
        "645 of 4,000: no more pairs of tokens occur twice in the training rows"
    )
    assert unused_rows(trained.model_copy(update={"unused": 0})) == "0 of 4,000"


def test_numbers() -> None:
    assert [number(v) for v in (None, -0.0, 0.0201234, 1e-9)] == ["-", "0", "0.02012", "1e-09"]
    assert [plural(1, "row"), plural(1200, "row")] == ["1 row", "1,200 rows"]
    assert [spread([]), spread([0.5, None, 0.5]), spread([0.5, 0.25])] == [
        "-",
        "0.5",
        "0.25 to 0.5",
    ]


@pytest.mark.parametrize(
    ("action", "path", "title", "yaml"),
    [
        ("set", ("a", 1, "std"), "set `a[1].std` in r.yaml", "std: 0.5"),
        ("insert", ("a", 1), "insert as `a[1]` in r.yaml", "- 0.5"),
        ("delete", ("a", 1), "delete `a[1]` in r.yaml", ""),
    ],
)
def test_changes(action: str, path: tuple[str | int, ...], title: str, yaml: str) -> None:
    change = Change(action=action, file="r.yaml", path=path, yaml="0.5")  # type: ignore[arg-type]
    assert (change_title(change), change_yaml(change)) == (title, yaml)
    assert change_title(change.model_copy(update={"line": 21})) == f"{title}:21"
