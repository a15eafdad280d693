"""Drawings for a page: what they show, and what they leave out."""

from __future__ import annotations

import re

import pytest

from seobuilder.report.html.charts import (
    Curve,
    draw_curve,
    draw_histogram,
    draw_spectrum,
    outside,
    settings,
)
from seobuilder.report.parameters import Histogram, Spectrum


def curve(**changes: object) -> str:
    with settings():
        return str(draw_curve("c", Curve(**changes), "what is seen"))  # type: ignore[arg-type]


def test_points_outside_their_band() -> None:
    strays = Curve(measured=[1, 2, 3, None], low=[1, 0, 4, 0], high=[2, 1, 5, None])
    assert outside(strays) == [1, 2]
    assert outside(Curve(measured=[1, 2])) == []


def test_a_stray_is_marked() -> None:
    calm = curve(measured=[1, 2], low=[0.5, 1], high=[2, 3], log=True)
    stray = curve(measured=[1, 9], low=[0.5, 1], high=[2, 3], log=True)
    assert "var(--error)" not in calm and "var(--error)" in stray
    assert "var(--predicted)" in calm and "fill-opacity" in calm


def test_a_prediction_with_none_beside_it_is_drawn() -> None:
    ends = {"low": [None, 0.5, None, 1, 1], "high": [None, 2, None, 3, 3]}
    text = curve(measured=[1] * 5, predicted=[None, 1, None, 2, 2], **ends)
    level = r'd="M ([\d.]+) ([\d.]+) L ([\d.]+) \2 " style="fill: none; stroke: var\(--predicted\)'
    ((left, _, right),) = re.findall(level, text)
    assert float(left) < 162.6 < float(right)  # where the second of the points is
    assert len(re.findall(rf'd="M {left} [-\d. L]* L {right} ', text)) == 2  # its band is as wide


@pytest.mark.parametrize(
    ("measured", "labels"),
    [
        ([0.02, 3.0], ["0.01", "0.1", "1", "10"]),
        ([1.0, 1.0], ["0.1", "1", "10"]),
        ([2.0, 3.0], ["0.1", "1", "10"]),
        ([7.0, 8.0], ["1", "10", "100"]),
        ([0.0, None, 5.0], ["1", "10", "100"]),
        ([0.0, 0.0], ["0.1", "1", "10"]),
    ],
)
def test_a_logarithmic_axis_spans_two_decades_or_more(
    measured: list[float | None], labels: list[str]
) -> None:
    texts = re.findall(r"text-anchor: end[^>]*>([^<]*)<", curve(measured=measured, log=True))
    assert texts == labels


def test_shares_are_shown_as_percent() -> None:
    text = curve(measured=[0.1, 0.5], ends=(0.0, 1.0), percent=True)
    assert ">0 %<" in text and ">100 %<" in text


def test_names_of_groups_stand_where_there_is_room() -> None:
    text = curve(measured=[1] * 20, groups=[("a_very_long_name", 1), ("encoder", 19)])
    assert ">encoder<" in text and "a_very_long_name" not in text


def test_a_drawing_reaches_nothing_beyond_itself() -> None:
    text = curve(measured=[1, 2], groups=[("$a$<b>", 2)])
    assert text.startswith('<svg class="chart" viewBox="0 0 440 230" role="img"')
    assert 'aria-label="what is seen"' in text
    assert "://" not in text and "<style" not in text and "font-family" not in text
    assert "$a$&lt;b&gt;" in text
    assert not re.search(r"#0[1-9]0[1-9]0[1-9]", text)


def test_words_for_a_drawing_stay_words() -> None:
    with settings():
        text = draw_curve("c", Curve(measured=[1, 2]), '"><script>')
    assert "<script>" not in text and "&quot;&gt;&lt;script&gt;" in text


@pytest.mark.parametrize("expected", [None, (1.0, 2.0, 1.0)])
def test_a_histogram_with_and_without_a_declaration(expected: tuple[float, ...] | None) -> None:
    histogram = Histogram(low=-1, high=1, counts=(1, 3, 1), expected=expected)
    with settings():
        text = draw_histogram("h", histogram, "")
    assert "fill: var(--accent)" in text
    assert ("stroke: var(--predicted)" in text) == (expected is not None)


def test_the_line_over_a_histogram_is_what_was_declared() -> None:
    with settings():
        one, other = (
            draw_histogram("h", Histogram(low=-1, high=1, counts=(1, 3, 1), expected=line), "")
            for line in ((1.0, 2.0, 1.0), (1.0, 3.0, 1.0))
        )
    assert one != other


@pytest.mark.parametrize("edges", [None, (0.5, 1.5)])
def test_a_spectrum_with_and_without_edges(edges: tuple[float, float] | None) -> None:
    spectrum = Spectrum(
        rows=2,
        columns=2,
        largest=1.4,
        smallest=0.6,
        method="exact",
        error=None,
        values=(1.4, 0.6),
        edges=edges,
    )
    with settings():
        text = draw_spectrum("s", spectrum, "")
    assert text.count("stroke-dasharray") == (2 if edges else 0)
