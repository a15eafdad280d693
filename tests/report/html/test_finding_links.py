"""Where a finding's place is on the page."""

from __future__ import annotations

import pytest
from report_samples import deep_report

from seobuilder.report.html.findings import by_anchor, place
from seobuilder.report.model import Finding


@pytest.mark.parametrize(
    ("name", "anchor"),
    [
        ("words.tokens.weight", "parameter-1"),
        ("pages.tokens.weight", "parameter-1"),
        ("encoder.blocks.0", "signal-2"),
        ("encoder.blocks.0.attention", "signal-2"),
        ("encoder.blocks.9", "module-5"),
        ("facts.0", "signal-8"),
        ("initialization[4]", None),
    ],
)
def test_the_nearest_place_around_it(name: str, anchor: str | None) -> None:
    finding = Finding(code="H", severity="info", place=name, message="")
    (one,) = place(deep_report().model_copy(update={"findings": (finding,)}))
    assert (one.number, one.anchor) == (1, anchor)


def test_the_way_back() -> None:
    back = by_anchor(place(deep_report()))
    assert [one.finding.code for one in back["parameter-1"]] == ["H006"]
    assert None not in back
