"""Mean and standard deviation against what was declared."""

from __future__ import annotations

import pytest
from health_subjects import DRAWS, codes, normal, subject

from seobuilder.health.moment_checks import check_mean, check_std
from seobuilder.planning.distributions import Normal

N = 65_536


@pytest.mark.parametrize("family", [f for f in DRAWS if f != "sparse"])
@pytest.mark.parametrize("factor", [0.97, 1.03])
def test_three_per_cent_of_std_are_found(family: str, factor: float) -> None:
    distribution, draw = DRAWS[family]
    tested = subject(draw(1, (256, 256)) * factor, distribution)
    (finding,) = check_std(tested, tests=200)
    assert finding.code == "H005" and finding.expected == tested.record.declared_std
    assert finding.measured is not None and finding.expected and finding.tolerance
    assert finding.measured / finding.expected == pytest.approx(factor, rel=0.01)
    assert abs(finding.measured - finding.expected) > finding.tolerance


def test_a_shifted_mean_is_found() -> None:
    tested = subject(normal(0.02, N, mean=0.001), Normal(0, 0.02))
    (finding,) = check_mean(tested, tests=200)
    assert finding.code == "H006" and finding.expected == 0
    assert finding.measured == pytest.approx(0.001, rel=0.2)
    assert codes(normal(0.02, N, mean=0.001), Normal(0.001, 0.02)) == []
