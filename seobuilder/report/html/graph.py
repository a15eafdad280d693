"""Where the boxes and edges of the graph of modules stand.

Layers, order and routes are those of Sugiyama, Tagawa and Toda 1981, "Methods for visual
understanding of hierarchical system structures": the rank is the longest path from an input, an
edge that skips ranks keeps a place in each, and neighbours are ordered by their barycentre.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from seobuilder.report.model import ModuleRecord

WIDTH, HEIGHT, ACROSS, ALONG = 150, 76, 18, 30
"""Size of a box, and the gaps between two of a rank and between two ranks."""

WIDEST = 1240
"""What a page has room for."""

LANE = 12
"""What an edge takes of a rank that it skips."""

SWEEPS = 4

Slot = str | tuple[str, str, int]
"""A module's name, or the place that an edge, by its ends, keeps in a rank that it skips."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A module and its top left corner."""

    record: ModuleRecord
    x: float
    y: float


@dataclass(frozen=True)
class Drawing:
    """Boxes and the paths of edges, as SVG writes them."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    edges: tuple[str, ...]


def drawings(records: Sequence[ModuleRecord]) -> tuple[Drawing, ...]:
    """One from left to right if a page is wide enough for it, and one from top to bottom."""
    ranks = _ranks(records)
    layers = _layers(records, ranks)
    across, down = (_place(records, ranks, layers, vertical=v) for v in (False, True))
    return (across, down) if across.width <= WIDEST else (down,)


def _middles(layer: Sequence[Slot], breadth: float) -> list[float]:
    """How far the middle of each slot is from that of its rank; a box is `breadth` wide."""
    sizes = [breadth if isinstance(slot, str) else LANE for slot in layer]
    reach = (sum(sizes) + ACROSS * (len(sizes) - 1)) / 2
    return [
        sum(sizes[:index]) + ACROSS * index + size / 2 - reach for index, size in enumerate(sizes)
    ]


def _ranks(records: Sequence[ModuleRecord]) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for record in records:
        ranks[record.name] = 1 + max((ranks[source] for source in record.sources), default=-1)
    for record in records:  # an input stands next to its first reader
        if not record.sources:
            readers = [ranks[other.name] for other in records if record.name in other.sources]
            ranks[record.name] = min(readers, default=1) - 1
    return ranks


def _layers(records: Sequence[ModuleRecord], ranks: dict[str, int]) -> list[list[Slot]]:
    layers: list[list[Slot]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    before: dict[Slot, list[Slot]] = defaultdict(list)
    after: dict[Slot, list[Slot]] = defaultdict(list)
    for record in records:
        layers[ranks[record.name]].append(record.name)
        for source in record.sources:
            last: Slot = source
            for rank in range(ranks[source] + 1, ranks[record.name]):
                slot: Slot = (source, record.name, rank)
                layers[rank].append(slot)
                before[slot].append(last)
                last = slot
            before[record.name].append(last)
    for slot, others in before.items():
        for other in others:
            after[other].append(slot)
    for sweep in range(SWEEPS):
        neighbours = after if sweep % 2 else before
        for layer in reversed(layers) if sweep % 2 else layers:
            _order(layer, layers, neighbours)
    return layers


def _order(layer: list[Slot], layers: list[list[Slot]], neighbours: dict[Slot, list[Slot]]) -> None:
    position = {
        slot: middle
        for row in layers
        for slot, middle in zip(row, _middles(row, WIDTH), strict=True)
    }

    def barycentre(slot: Slot) -> float:
        around = [position[other] for other in neighbours[slot]]
        return sum(around) / len(around) if around else position[slot]

    layer.sort(key=barycentre)


def _place(
    records: Sequence[ModuleRecord],
    ranks: dict[str, int],
    layers: list[list[Slot]],
    *,
    vertical: bool,
) -> Drawing:
    size, other = (HEIGHT, WIDTH) if vertical else (WIDTH, HEIGHT)
    along = len(layers) * (size + ALONG) - ALONG
    middles = [_middles(layer, other) for layer in layers]
    # A rank is as wide as twice the outer edge of its last slot, which is symmetric to its first.
    breadth = max(
        (
            2 * row[-1] + (other if isinstance(layer[-1], str) else LANE)
            for layer, row in zip(layers, middles, strict=True)
        ),
        default=0.0,
    )

    def start(slot: Slot, rank: int) -> Point:
        """Where an edge enters a slot, along and across."""
        return rank * (size + ALONG), breadth / 2 + middles[rank][layers[rank].index(slot)]

    def corner(record: ModuleRecord) -> Box:
        a, c = start(record.name, ranks[record.name])
        x, y = (c - other / 2, a) if vertical else (a, c - other / 2)
        return Box(record, x, y)

    def path(source: str, target: str) -> str:
        a, c = start(source, ranks[source])
        parts = [f"M{_point(a + size, c, vertical)}"]
        a += size
        for rank in range(ranks[source] + 1, ranks[target] + 1):
            slot: Slot = target if rank == ranks[target] else (source, target, rank)
            to, across = start(slot, rank)
            middle = (a + to) / 2
            bend = ((middle, c), (middle, across), (to, across))
            parts.append("C" + " ".join(_point(*p, vertical) for p in bend))
            a, c = to, across
            if slot != target:
                a += size
                parts.append(f"L{_point(a, c, vertical)}")
        return "".join(parts)

    width, height = (breadth, along) if vertical else (along, breadth)
    return Drawing(
        width=max(0, width),
        height=max(0, height),
        boxes=tuple(map(corner, records)),
        edges=tuple(path(source, r.name) for r in records for source in r.sources),
    )


def _point(along: float, across: float, vertical: bool) -> str:
    x, y = (across, along) if vertical else (along, across)
    return f"{x:g},{y:g}"
