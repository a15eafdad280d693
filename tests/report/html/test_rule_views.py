"""Rules beside the largest of their parameters."""

from __future__ import annotations

from report_samples import RULES, deep_report

from seobuilder.report.html import rules
from seobuilder.report.html.charts import settings


def test_each_rule_shows_the_largest_of_its_parameters() -> None:
    report = deep_report()
    with settings():
        views = rules.rule_views(report.parameters)
    shown = {view.rule: view for view in views}
    assert sum(len(view.members) for view in views) == len(report.parameters)
    orthogonal = shown[RULES["orthogonal"]]
    assert orthogonal.shown.name == "encoder.blocks.0.ffn.up.weight"
    assert orthogonal.elements == sum(m.measured.count for m in orthogonal.members)
    assert orthogonal.histogram is not None and orthogonal.spectrum is not None
    assert "768 x 192: from 0.9977 to 2.993; predicted from 0.9977 to 2.993" in orthogonal.spectrum
    assert shown[RULES["zeros"]].histogram is None


def test_zeros_have_no_chart_of_singular_values() -> None:
    weight = next(p for p in deep_report().parameters if p.spectrum and len(p.spectrum.values) > 1)
    assert weight.spectrum is not None
    flat = weight.spectrum.model_copy(update={"values": (0.0,) * 4})
    with settings():
        (view,) = rules.rule_views([weight.model_copy(update={"spectrum": flat})])
    assert view.histogram is not None and view.spectrum is None


def test_as_many_rules_are_drawn_as_a_page_can_bear(monkeypatch) -> None:
    monkeypatch.setattr(rules, "DRAWN", 1)
    with settings():
        views = rules.rule_views(deep_report().parameters)
    assert [view.rule.place for view in views if view.rule and view.histogram] == [
        "search_intent.yaml:39"
    ]


def test_what_no_rule_decided_stands_by_sort_and_shape() -> None:
    report = deep_report()
    bare = [p.model_copy(update={"rule": None, "role": None}) for p in report.parameters]
    with settings():
        views = rules.rule_views(bare)
    shown = {(view.title, view.shown.shape): view for view in views}
    assert len(shown) == len(views) < len(bare)
    assert len(shown["query weight", (192, 192)].members) == 4
    assert shown["query weight", (192, 192)].spectrum is not None
