"""What a terminal, and a pipe, get to see."""

from __future__ import annotations

import io

import pytest
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
    assert "parameters                    6,912,345 in 3 tensors" in lines
    assert "intent.yaml:21 error H005 third.weight: the standard deviation" in rendered(report)
    assert [line.split("  ")[0] for line in lines[-2:]] == ["intent.yaml:21", "intent.yaml:22"]
    assert lines[-2].split()[2:] == ["2", "524,288", "0.02", "0.0201", "to", "0.03"]
    assert lines[-1].split()[2:] == ["1", "262,144", "0.02", "-"]


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
