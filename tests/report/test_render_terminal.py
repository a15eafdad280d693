"""What a terminal, and a pipe, get to see."""

from __future__ import annotations

import io

import pytest
from report_samples import deep_report
from rich.console import Console

from seobuilder.report.model import Report
from seobuilder.report.render_terminal import render_terminal


def rendered(report: Report, *, terminal: bool = False, width: int = 100) -> str:
    stream = io.StringIO()
    render_terminal(report, Console(file=stream, force_terminal=terminal, width=width))
    return stream.getvalue()


def test_the_verdict_comes_first_and_rules_are_grouped(report: Report) -> None:
    lines = [line.rstrip() for line in rendered(report).splitlines()]
    assert lines[0] == "search_intent: unhealthy (1 error, 1 warning)"
    risk = f"risk                          {report.score:.4g} of 1 that training falls short"
    assert lines[1].startswith(risk)
    assert "parameters                    6,912,345 in 3 tensors" in lines
    assert "intent.yaml:21 error H005 third.weight: the standard deviation" in rendered(report)
    assert [line.split("  ")[0] for line in lines[-2:]] == ["intent.yaml:21", "intent.yaml:22"]
    assert lines[-2].split()[2:] == ["2", "524,288", "0.02", "0.0201", "to", "0.03"]
    assert lines[-1].split()[2:] == ["1", "262,144", "0.02", "-"]


def test_findings_say_what_to_change_and_alike_ones_are_counted(report: Report) -> None:
    assert "  set `initialization[2].std` in intent.yaml\n    std: 0.03\n" in rendered(report)
    text = rendered(deep_report(faults=5))
    assert text.count("error H005") == 1
    assert "  and 4 more alike: encoder.blocks.0.ffn.down.weight, " in text
    assert text.index("error H006") < text.index("warning P301") < text.index("info H090")


def test_without_a_recipe_there_are_no_rules(report: Report) -> None:
    bare = (p.model_copy(update={"rule": None, "method": None}) for p in report.parameters)
    text = rendered(report.model_copy(update={"parameters": tuple(bare), "outputs": ()}))
    assert "declared std" in rendered(report) and "declared std" not in text


def test_signal_and_gradient_take_a_line_each(report: Report) -> None:
    text = rendered(report)
    assert "variance of the signal: 0.0004 to 0.5 by depth, 1 of 2 within the band\n" in text
    assert "gradient of the signal: 0.02 to 0.3 by depth\n" in text
    assert "by depth" not in rendered(report.model_copy(update={"probes": None}))


def test_a_pipe_gets_plain_text(report: Report) -> None:
    assert "\x1b" not in rendered(report)


def test_a_terminal_gets_colour_unless_no_color_is_set(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[1;31m" in rendered(report, terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;31m" not in rendered(report, terminal=True)
    assert "31m" not in rendered(report, terminal=True)


def test_markup_and_escapes_in_text_are_shown_as_they_are(report: Report) -> None:
    assert "use `a|b` | [bold]not[/bold] *this*" in rendered(report)
    hostile = report.findings[0].model_copy(update={"message": "a\x1b[2Jb"})
    assert "a\\x1b[2Jb" in rendered(report.model_copy(update={"findings": (hostile,)}))


def test_a_narrow_terminal_still_shows_every_rule(report: Report) -> None:
    assert "intent.yaml:22" in rendered(report, width=60).replace("\n", "")
