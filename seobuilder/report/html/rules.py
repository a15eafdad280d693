"""Rules as a page shows them, each with the largest of its parameters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seobuilder.report.html.charts import draw_histogram, draw_spectrum
from seobuilder.report.parameters import ParameterRecord, RuleRecord
from seobuilder.report.text import number

DRAWN = 12
"""Rules with charts of their own: those of most elements. The table has every parameter's."""


@dataclass(frozen=True)
class RuleView:
    """A rule and what it decided, or, where no rule did, weights of one sort and shape."""

    rule: RuleRecord | None
    members: tuple[ParameterRecord, ...]
    shown: ParameterRecord
    histogram: Markup | None
    spectrum: Markup | None

    @property
    def title(self) -> str:
        """Where the rule stands, or what the weights are for."""
        return self.rule.place if self.rule else _sort(self.shown)

    @property
    def elements(self) -> int:
        """Elements of all parameters."""
        return sum(member.measured.count for member in self.members)

    @property
    def methods(self) -> str:
        """The methods, in the order of the first parameter."""
        return ", ".join(dict.fromkeys(member.method or "" for member in self.members))


def rule_views(parameters: Sequence[ParameterRecord]) -> list[RuleView]:
    """Rules with charts, then the others, in the order of the first parameter that each decided."""
    groups: dict[object, list[ParameterRecord]] = defaultdict(list)
    for parameter in parameters:
        groups[parameter.rule or (_sort(parameter), parameter.shape)].append(parameter)
    largest = {key: max(members, key=_weight) for key, members in groups.items()}
    drawn = sorted(groups, key=lambda key: _weight(largest[key]), reverse=True)[:DRAWN]
    views = []
    for index, (key, members) in enumerate(groups.items(), 1):
        shown = largest[key]
        histogram = spectrum = None
        if key in drawn:
            if shown.histogram is not None:
                histogram = draw_histogram(f"h{index}", shown.histogram, _spread(shown))
            values = () if shown.spectrum is None else shown.spectrum.values
            if shown.spectrum is not None and len(values) > 1 and any(values):
                spectrum = draw_spectrum(f"s{index}", shown.spectrum, _singular(shown))
        views.append(RuleView(shown.rule, tuple(members), shown, histogram, spectrum))
    return sorted(views, key=lambda view: view.histogram is None and view.spectrum is None)


def _sort(parameter: ParameterRecord) -> str:
    """What a parameter is for, as far as its layer or else its name says."""
    return f"{parameter.layer} {parameter.role or parameter.name.rpartition('.')[2]}"


def _weight(parameter: ParameterRecord) -> tuple[bool, int]:
    """What is worth to be shown: a distribution before a constant, the many before the few."""
    return parameter.histogram is not None, parameter.measured.count


def _spread(parameter: ParameterRecord) -> str:
    measured = parameter.measured
    return (
        f"Histogram of {parameter.name}: measured mean {number(measured.mean)}, standard deviation "
        f"{number(measured.std)}, from {number(measured.min)} to {number(measured.max)}; declared "
        f"standard deviation {number(parameter.declared_std)}"
    )


def _singular(parameter: ParameterRecord) -> str:
    spectrum = parameter.spectrum
    assert spectrum is not None
    edges = "" if spectrum.edges is None else f"; predicted {_ends(*spectrum.edges)}"
    return (
        f"Singular values of {parameter.name}, {spectrum.rows} x {spectrum.columns}: "
        f"{_ends(spectrum.smallest, spectrum.largest)}{edges}"
    )


def _ends(low: float | None, high: float | None) -> str:
    return f"from {number(low)} to {number(high)}"
