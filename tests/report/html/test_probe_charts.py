"""What captions say of the data that ran through a model."""

from __future__ import annotations

from report_samples import deep_report

from seobuilder.report.html.charts import settings
from seobuilder.report.html.probe_charts import Chart, probe_charts
from seobuilder.report.probes import Probes


def charts(probes: Probes | None) -> dict[str, Chart]:
    with settings():
        return {chart.title: chart for chart in probe_charts(probes)}


def sample() -> Probes:
    probes = deep_report(2).probes
    assert probes is not None
    return probes


def test_captions_name_what_strays() -> None:
    drawn = charts(sample())
    assert drawn["Signal by depth"].caption == (
        "From 0.0008 to 0.05498. 1 of 10 outside the band: facts.0."
    )
    assert drawn["Signal by depth"].keys == ("measured", "predicted", "band", "outside")
    assert drawn["Gradient by depth"].caption == (
        "From 0.004 to 0.0005637. All 10 within the predicted band."
    )
    assert drawn["Dead units"].caption == "From 0 % to 0 %; least 0 %, most 12 %."
    assert drawn["Entropy of attention"].caption == "From 98 % to 96.1 %."


def test_many_strays_are_counted() -> None:
    probes = sample()
    wild = tuple(s.model_copy(update={"variance": 1e6}) for s in probes.signals)
    caption = charts(probes.model_copy(update={"signals": wild}))["Signal by depth"].caption
    assert caption == (
        "1e+06 throughout. 10 of 10 outside the band: "
        "words, encoder.blocks.0, encoder.blocks.1 and 7 more."
    )


def test_there_is_no_chart_without_numbers() -> None:
    assert charts(None) == {}
    unknown = ("variance", "gradient", "similarity", "dead", "dead_expected")
    probes = sample()
    signals = tuple(s.model_copy(update=dict.fromkeys(unknown)) for s in probes.signals)
    bare = probes.model_copy(update={"signals": signals, "attention": (), "losses": ()})
    assert charts(bare) == {}


def test_dead_units_are_not_drawn_where_all_live() -> None:
    probes = sample()
    living = tuple(s.model_copy(update={"dead": 0.0, "dead_expected": 0.0}) for s in probes.signals)
    assert "Dead units" not in charts(probes.model_copy(update={"signals": living}))
