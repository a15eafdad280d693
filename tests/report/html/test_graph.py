"""Where boxes and edges stand."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
from report_samples import deep_report

from seobuilder.report.html.graph import (
    ALONG,
    HEIGHT,
    WIDEST,
    WIDTH,
    Box,
    Drawing,
    drawings,
)
from seobuilder.report.model import ModuleRecord


def module(name: str, *sources: str) -> ModuleRecord:
    section = "modules" if sources else "inputs"
    return ModuleRecord(
        name=name, section=section, kind="mlp", sources=sources, parameters=1, flops=1
    )


def chain(length: int) -> list[ModuleRecord]:
    return [module("m0"), *(module(f"m{i}", f"m{i - 1}") for i in range(1, length))]


def overlap(first: Box, second: Box) -> bool:
    return abs(first.x - second.x) < WIDTH and abs(first.y - second.y) < HEIGHT


GRAPHS = {
    "three": chain(3),
    "fifteen": chain(15),
    "many": list(deep_report().graph),
    "wide": [*(module(f"i{i}") for i in range(7)), module("all", *(f"i{i}" for i in range(7)))],
}


@pytest.mark.parametrize("records", GRAPHS.values(), ids=GRAPHS)
def test_boxes_stand_apart_within_the_drawing(records: list[ModuleRecord]) -> None:
    for drawing in drawings(records):
        assert len(drawing.boxes) == len(records)
        assert not any(overlap(a, b) for a, b in combinations(drawing.boxes, 2))
        for box in drawing.boxes:
            assert 0 <= box.x <= drawing.width - WIDTH
            assert 0 <= box.y <= drawing.height - HEIGHT


@pytest.mark.parametrize("records", GRAPHS.values(), ids=GRAPHS)
def test_edges_lead_from_source_to_reader_and_around_boxes(records: list[ModuleRecord]) -> None:
    *_, down = drawings(records)
    boxes = {box.record.name: box for box in down.boxes}
    pairs = [(source, r.name) for r in records for source in r.sources]
    assert len(down.edges) == len(pairs)
    for (source, target), edge in zip(pairs, down.edges, strict=True):
        points = path(edge)
        start, end = boxes[source], boxes[target]
        assert points[0] == pytest.approx((start.x + WIDTH / 2, start.y + HEIGHT), abs=0.01)
        assert points[-1] == pytest.approx((end.x + WIDTH / 2, end.y), abs=0.01)
        for box in down.boxes:
            inside = [
                (x, y)
                for x, y in points
                if box.x < x < box.x + WIDTH and box.y < y < box.y + HEIGHT
            ]
            assert not inside, (source, target, box.record.name)


def path(edge: str) -> list[tuple[float, float]]:
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", edge)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_an_edge_keeps_off_the_ranks_that_it_skips() -> None:
    records = [module("a"), module("b", "a"), module("c", "b"), module("d", "a", "c")]
    *_, down = drawings(records)
    long = path(down.edges[2])
    between = [x for x, y in long if HEIGHT < y < 3 * (HEIGHT + ALONG)]
    middle = next(box for box in down.boxes if box.record.name == "b")
    assert any(not middle.x <= x <= middle.x + WIDTH for x in between)


def test_a_short_graph_is_drawn_both_ways_and_a_long_one_down() -> None:
    across, down = drawings(chain(3))
    assert across.width > across.height and down.height > down.width
    (only,) = drawings(chain(15))
    assert only.height > WIDEST


def test_an_input_stands_next_to_its_first_reader() -> None:
    records = [module("a"), module("late"), module("b", "a"), module("c", "b", "late")]
    *_, down = drawings(records)
    rows = {box.record.name: box.y for box in down.boxes}
    assert rows["late"] == rows["b"] < rows["c"]


def test_nothing_to_draw() -> None:
    assert drawings([])[-1] == Drawing(width=0, height=0, boxes=(), edges=())
