"""How long a million queries take to read, and how much memory; --write puts it into a page."""

from __future__ import annotations

import argparse
import csv
import os
import platform
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import DOCS, write_table

ROWS = 1_000_000

RECIPE = """\
version: 1
name: queries
inputs:
  query: {kind: tokens, vocab_size: 4000, max_length: 16}
  page: {kind: features, size: 1}
outputs:
  intent: {kind: classification, from: query, labels: [buy, know, go]}
  clicks: {kind: regression, from: page}
data:
  files: queries.csv
  split: {test: 0.1}
  columns: {query: query, page: clicks, intent: intent, clicks: clicks}
initialization:
  - {match: "**", method: zeros}
"""
STREAMED = RECIPE.replace("split: {test: 0.1}", "streaming: true") + "training: {steps: 1}\n"

# In a process of its own: the most memory that a process ever had is never forgotten.
LOAD = """
import re, sys
from pathlib import Path
from time import perf_counter
from seobuilder.data.encode import load_examples
from seobuilder.data.stream import RowStream
from seobuilder.recipe.load import load_recipe

def held(key):
    status = Path("/proc/self/status").read_text()
    return int(re.search(key + r":\\s+(\\d+)", status)[1]) / 1024

loaded = load_recipe(sys.argv[1])
before, start = held("RssAnon"), perf_counter()
examples = load_examples(loaded.recipe, loaded.folder)
if loaded.recipe.data.streaming:
    stream = RowStream(loaded.recipe, loaded.folder, examples)
    for rows, _ in stream.read():
        block = stream.encode(rows)
print(perf_counter() - start, held("VmHWM"), held("RssAnon") - before)
"""


def make_queries(file: Path, rows: int) -> None:
    """Made-up queries of two to six words."""
    choose = random.Random(0)
    letters = "abcdefghijklmnop"
    words = ["".join(choose.choices(letters, k=choose.randint(3, 9))) for _ in range(5000)]
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["query", "clicks", "intent"])
        for _ in range(rows):
            query = " ".join(choose.choices(words, k=choose.randint(2, 6)))
            intent = choose.choice(["buy", "know", "go"])
            writer.writerow([query, choose.randint(0, 10**5), intent])


def measured(recipe: Path) -> list[float]:
    """Seconds, the most MiB of the process, and the MiB of its own that the rows add."""
    environment = os.environ | {"HF_DATASETS_CACHE": str(recipe.parent / "cache")}
    command = [sys.executable, "-c", LOAD, str(recipe)]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [float(figure) for figure in out.stdout.split()]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--write", action="store_true", help="put the table into docs/data.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_queries(folder / "queries.csv", options.rows)
        whole, streamed = folder / "whole.yaml", folder / "streamed.yaml"
        whole.write_text(RECIPE)
        streamed.write_text(STREAMED)
        size = (folder / "queries.csv").stat().st_size / 2**20
        runs = {
            "the first time": measured(whole),
            "again": measured(whole),
            "streamed": measured(streamed),
        }
    lines = [
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python "
        f"{platform.python_version()}. {options.rows:,} rows, {size:.0f} MiB of CSV.",
        "",
        "| read | seconds | most memory of the process, MiB | memory that the rows hold, MiB |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {seconds:.1f} | {peak:.0f} | {held:.0f} |"
            for name, (seconds, peak, held) in runs.items()
        ),
    ]
    print("\n".join(lines))
    if options.write:
        write_table(DOCS / "data.md", "data.py", lines)


if __name__ == "__main__":
    main()
