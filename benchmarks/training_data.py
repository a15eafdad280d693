"""The data of the training benchmarks, brought into the form that their recipes read.

Each function takes the folder of one data set, and writes what the recipe names into another.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from statistics import fmean, pstdev

FEATURES = 300
HELD_OUT = 2_000
"""Rows of banking77's training rows that settings are chosen by."""
RELATIVE_PRONOUNS = frozenset(("which", "who", "whom", "whose", "that"))
ARTICLES = frozenset(("a", "an", "the"))


def banking77(data: Path, folder: Path) -> None:
    """Questions to a bank; of the training rows, fit.csv and val.csv are to choose settings by."""
    for name in ("train.csv", "test.csv"):
        shutil.copy(data / "banking77" / name, folder)
    with (folder / "train.csv").open(encoding="utf-8", newline="") as file:
        columns, *rows = csv.reader(file)
    _write_labels(folder, (label for _, label in rows))
    Random(0).shuffle(rows)
    _write_csv(folder / "fit.csv", columns, rows[HELD_OUT:])
    _write_csv(folder / "val.csv", columns, rows[:HELD_OUT])


def clinc150(data: Path, folder: Path) -> None:
    """Requests to an assistant within its scope; fit.csv and val.csv are to choose settings by."""
    splits = json.loads((data / "clinc150" / "data_full.json").read_text(encoding="utf-8"))
    files = {"train": "train", "test": "test", "fit": "train", "val": "val"}
    for name, split in files.items():
        _write_csv(folder / f"{name}.csv", ("text", "category"), splits[split])
    _write_labels(folder, (label for _, label in splits["train"]))


def lambdarank(data: Path, folder: Path) -> None:
    """Judged pages of queries: svmlight, with the sizes of the queries in a file of their own."""
    columns = ("query", "relevance", *(f"feature_{i}" for i in range(1, FEATURES + 1)))
    for name in ("train", "test"):
        source = data / "lightgbm_lambdarank" / f"rank.{name}"
        with gzip.open(source.with_suffix(f".{name}.gz"), "rt", encoding="ascii") as lines:
            pages = list(map(_svmlight, lines))
        sizes = source.with_suffix(f".{name}.query").read_text(encoding="ascii").split()
        queries = (f"{name} {i}" for i, size in enumerate(sizes) for _ in range(int(size)))
        rows = ((query, *page) for query, page in zip(queries, pages, strict=True))
        _write_csv(folder / f"{name}.csv", columns, rows)


def onestop(data: Path, folder: Path) -> None:
    """Articles in three levels of English, with facts about each text."""
    with gzip.open(data / "onestop_english" / "onestop.csv.gz") as file:
        pages = list(csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline="")))
    facts = [page_facts(page["text"]) for page in pages]
    names = (f"fact_{i:02}" for i in range(1, len(facts[0]) + 1))
    rows = ((p["doc"], p["level"], p["text"], *f) for p, f in zip(pages, facts, strict=True))
    _write_csv(folder / "pages.csv", ("doc", "level", "text", *names), rows)


def page_facts(text: str) -> tuple[float, ...]:
    """20 numbers of a text: lengths of its words and sentences, how varied it is, its marks."""
    words = re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", text)
    lower = [word.lower() for word in words]
    lengths = [len(word) for word in words] or [0]
    sentences = [len(part.split()) for part in re.split(r"[.!?]+[\s”\"’']+", text) if part.split()]
    sentences = sentences or [0]
    count = max(len(words), 1)
    kinds = len(set(lower))
    return (
        len(words),
        len(sentences),
        fmean(sentences),
        pstdev(sentences),
        max(sentences),
        fmean(lengths),
        pstdev(lengths),
        sum(length > 6 for length in lengths) / count,
        sum(length > 9 for length in lengths) / count,
        kinds / count,
        kinds / count**0.5,
        text.count(",") / len(sentences),
        text.count(",") / count,
        sum(map(text.count, '"“”')) / count,
        text.count("-") / count,
        text.count(";") / count,
        text.count("\n"),
        sum(word in RELATIVE_PRONOUNS for word in lower) / count,
        sum(word in ARTICLES for word in lower) / count,
        sum(map(text.count, "—–")) / count,
    )


def _svmlight(line: str) -> Iterator[str]:
    """The relevance, and the features, of which those that are 0 are left out of the line."""
    relevance, *pairs = line.split()
    given = dict(pair.split(":") for pair in pairs)
    yield relevance
    yield from (given.get(str(i), "0") for i in range(1, FEATURES + 1))


def _write_csv(path: Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


def _write_labels(folder: Path, labels: Iterable[str]) -> None:
    lines = "".join(f"{label}\n" for label in sorted(set(labels)))
    (folder / "labels.txt").write_text(lines, encoding="utf-8")


CONVERSIONS: dict[str, Callable[[Path, Path], None]] = {
    "banking77": banking77,
    "clinc150": clinc150,
    "banking77_minilm": banking77,
    "lambdarank": lambdarank,
    "onestop": onestop,
}
"""By name of the recipe that reads what it writes."""
