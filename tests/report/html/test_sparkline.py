"""Histograms small enough for a row."""

from __future__ import annotations

from seobuilder.report.html.sparkline import sparkline
from seobuilder.report.parameters import Histogram


def test_both_paths_share_one_scale() -> None:
    histogram = Histogram(low=0, high=1, counts=(1, 2, 0), expected=(4.0, 2.0, 0.0))
    line = sparkline(histogram)
    assert line.measured == "M0 36V27H44V18H88V36H132V36z"
    assert line.expected == "M22 0L66 18L110 36"


def test_nothing_declared_and_nothing_counted() -> None:
    line = sparkline(Histogram(low=0, high=1, counts=(0, 0), expected=None))
    assert (line.measured, line.expected) == ("M0 36V36H66V36H132V36z", "")
