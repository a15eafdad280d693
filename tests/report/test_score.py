"""One number of the findings, and the verdict that follows from it."""

from __future__ import annotations

from typing import Literal

from seobuilder.report.model import Finding
from seobuilder.report.probes import RehearsalRecord
from seobuilder.report.score import DOUBT, ERROR, UNHEALTHY, WARNING, risk, score


def finding(severity: Literal["error", "warning", "info"], code: str = "X001") -> Finding:
    return Finding(code=code, severity=severity, place="body", message="odd")


def test_nothing_found_is_no_risk() -> None:
    assert score([]) == score([finding("info")]) == 0


def test_codes_add_up_as_if_they_were_independent_and_each_counts_once() -> None:
    warning = finding("warning")
    assert score([warning]) == score([warning, warning]) == WARNING
    assert score([warning, finding("warning", "X002")]) == round(1 - (1 - WARNING) ** 2, 3)
    assert score([warning, finding("error")]) == ERROR


def test_codes_weigh_what_they_foretell() -> None:
    assert all(score([finding("error", code)]) >= UNHEALTHY for code in ("H001", "H020", "H021"))
    assert all(score([finding("warning", code)]) < UNHEALTHY for code in ("H021", "P515", "X001"))
    assert score([finding("warning", "P505")]) >= UNHEALTHY > score([finding("error", "H004")])


def test_the_more_of_the_loss_is_left_the_larger_the_risk() -> None:
    def slow(left: float) -> Finding:
        return finding("warning", "H029").model_copy(update={"measured": left})

    assert [score([slow(left)]) for left in (0.6, 0.9, 40.0)] == [0.6, 0.9, 0.99]


def test_the_score_is_larger_for_an_error_of_the_same_code() -> None:
    for code in ("H020", "H021", "H023", "H025", "X001"):
        assert risk(finding("error", code)) > risk(finding("warning", code))


def rows(*losses: float) -> list[RehearsalRecord]:
    return [RehearsalRecord(name="y", rows=16, chance=2.0, losses=(2.0, each)) for each in losses]


def test_what_was_learned_by_heart_casts_doubt_on_other_measurements_alone() -> None:
    measured, planned = finding("warning", "H021"), finding("warning", "P505")
    assert (score([], rows(0.2)), score([], rows(0.2, 0.8)), score([], rows(0.1))) == (0.1, 0.4, 0)
    assert score([measured], rows(0.0)) == round(DOUBT * score([measured]), 3)
    assert score([planned], rows(0.0)) == score([planned])
    assert score([measured], rows(0.2, 1.6)) == score([measured], rows(1.6)) == score([measured])
