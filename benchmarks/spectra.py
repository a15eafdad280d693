"""How far off the largest singular value is that a report states of a large weight.

    python benchmarks/spectra.py [--starts 200] [--write]

Diagonal matrices of given singular values stand for all that have these: the method begins with
random vectors, which look alike from every side, and the order of the diagonal decides how they
happen to lie. `--write` puts the table into docs/performance.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from measure import DOCS, shown, write_table
from numpy.typing import NDArray

from seobuilder.health.spectrum import LANCZOS_ERROR, Edges, as_matrices, spectrum
from seobuilder.health.statistics import measure

PAGE = DOCS / "performance.md"
SIZE = 768
RAISED = 0.02, 0.03, 0.05, 0.1, 0.5

Values = NDArray[np.float64]


def independent(rows: int, columns: int = SIZE) -> Values:
    """Those of independent elements of std 1: Marchenko and Pastur's law, by its quantiles."""
    low, high = (rows**0.5 - columns**0.5) ** 2, (rows**0.5 + columns**0.5) ** 2
    squares = np.linspace(low, high, 200_001)
    shares = np.cumsum(np.sqrt((high - squares) * (squares - low)) / np.maximum(squares, 1e-9))
    middles = (np.arange(columns) + 0.5) / columns
    return np.sqrt(np.interp(middles, shares / shares[-1], squares))


def raised(values: Values, share: float) -> Values:
    """The largest raised by a share of itself."""
    return np.append(np.sort(values)[:-1], values.max() * (1 + share))


def padded(values: Values) -> Values:
    """Few singular values, and zeros."""
    return np.append(values, np.zeros(SIZE - len(values)))


def spectra() -> dict[str, Values]:
    """Singular values by what has them."""
    tall, square = independent(30_522), independent(SIZE)
    places = np.arange(1, SIZE + 1)
    return {
        "independent, 30,522 x 768": tall,
        "independent, 3,072 x 768": independent(3072),
        "independent, 768 x 768": square,
        **{f"30,522 x 768, one raised by {s:.0%}": raised(tall, s) for s in RAISED},
        **{f"768 x 768, one raised by {s:.0%}": raised(square, s) for s in RAISED},
        "orthogonal": np.ones(SIZE),
        "orthogonal, one raised by 10%": raised(np.ones(SIZE), 0.1),
        "rank 12": padded(np.linspace(1, 1.4, 12)),
        "rank 50": padded(np.linspace(0.2, 1, 50)),
        "falling as n^-1/4": places**-0.25,
        "falling by half every 14": 2.0 ** (-places / 14),
        "even from 0 to 1": places / SIZE,
    }


def errors(values: Values, starts: int, edges: Edges | None) -> Values:
    """Relative errors of the largest, for several orders of the diagonal."""
    found = []
    for start in range(starts):
        order = np.random.default_rng(start).permutation(len(values))
        matrix = torch.diag(torch.from_numpy(values[order]).float())
        record = spectrum(as_matrices(matrix), measure(matrix), edges, exact=0)
        assert record is not None and record.largest is not None
        found.append(record.largest / values.max() - 1)
    return np.array(found)


def table(starts: int) -> Iterator[str]:
    """The lines of the table, each as soon as it is measured."""
    yield f"Errors of {starts} starts each; beyond are those of more than {LANCZOS_ERROR:.0%}."
    yield ""
    yield "| singular values | eight vectors | beyond | one vector | beyond |"
    yield "|---|---:|---:|---:|---:|"
    for name, values in spectra().items():
        cells = [name]
        for edges in (None, (0.0, 1.0)):
            off = errors(values, starts, edges)
            cells += [
                f"{off.min():+.1%} to {off.max():+.1%}",
                f"{np.mean(abs(off) > LANCZOS_ERROR):.0%}",
            ]
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description="Try the largest singular value.")
    parser.add_argument("--starts", type=int, default=200)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    arguments = parser.parse_args()
    lines = shown(table(arguments.starts))
    if arguments.write:
        write_table(PAGE, Path(__file__).name, lines)


if __name__ == "__main__":
    main()
