"""A histogram as two short paths, small enough to stand in every row of a table."""

from __future__ import annotations

from dataclasses import dataclass

from seobuilder.report.parameters import Histogram

WIDTH, HEIGHT = 132, 36


@dataclass(frozen=True)
class Sparkline:
    """Paths in a box of `WIDTH` by `HEIGHT`: measured as an area, expected as a line."""

    measured: str
    expected: str


def sparkline(histogram: Histogram) -> Sparkline:
    """The paths of `histogram`, both to one scale."""
    expected = histogram.expected or ()
    top = max(1.0, *histogram.counts, *expected)
    step = WIDTH / len(histogram.counts)

    def height(count: float) -> int:
        return round(HEIGHT * (1 - count / top))

    area = [f"M0 {HEIGHT}"]
    for index, count in enumerate(histogram.counts, 1):
        area.append(f"V{height(count)}H{index * step:.4g}")
    points = (f"{(i + 0.5) * step:.4g} {height(count)}" for i, count in enumerate(expected))
    return Sparkline(
        measured="".join(area) + f"V{HEIGHT}z",
        expected="M" + "L".join(points) if expected else "",
    )
