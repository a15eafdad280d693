"""The report of a training run, as a page and as Markdown."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from seobuilder.report.model import Finding
from seobuilder.report.parameters import Statistics
from seobuilder.report.render_training import (
    last_line,
    render_training_html,
    render_training_markdown,
    render_training_terminal,
)
from seobuilder.report.training import (
    AttentionCourse,
    Evaluation,
    Monitored,
    Overlay,
    ParameterCourse,
    SignalCourse,
    StepPoint,
    TrainingRecord,
)


def statistics(std: float) -> Statistics:
    return Statistics(
        count=8, mean=0.0, std=std, min=-1.0, max=1.0, l1=4.0, l2=2.0, zeros=0, nan=0, inf=0
    )


def record(*findings: Finding, watched: bool = True) -> TrainingRecord:
    parameter = ParameterCourse(
        name="body.0.linear.weight",
        role="weight",
        rule="small.yaml:18",
        elements=8,
        before=statistics(0.5),
        after=statistics(0.75),
        change=0.25,
        gradients=(1.0, None),
        updates=(0.01, 0.002),
        changes=(0.01, 0.25),
        histogram=Overlay(low=-1.0, high=1.0, before=(1, 6, 1), after=(2, 4, 2)),
    )
    monitored = Monitored(
        every=10,
        steps=(1, 10),
        parameters=(parameter,),
        signals=(SignalCourse(name="<body>", variance=(1.0, 2.0), dead=(0.0, 0.5)),),
        attention=(
            AttentionCourse(
                name="a", logit_std=(1.0, 1.0), logit_max=(2.0, 2.0), entropy=(1.0, 0.5),
                uniform=(2.0, 2.0),
            ),
        ),
    )  # fmt: skip
    return TrainingRecord(
        name="small",
        settings={
            "optimizer": {"method": "adamw", "learning_rate": 0.05},
            "early_stopping": {"metric": "k.auc", "patience": 3},
            "average": 0.99,
        },
        seed=0,
        device="cpu",
        processes=1,
        rows={"train": 90, "validation": 10, "test": 30},
        steps=10,
        epochs=1.0,
        ended="complete",
        kept=8,
        seconds=1.5,
        tokens=100,
        curve=tuple(
            StepPoint(step=s, epoch=0, loss=1 / s, rate=0.05, gradient_norm=2.0) for s in (5, 10)
        ),
        evaluations=(Evaluation(step=10, split="validation", figures={"loss": 0.5, "k.auc": 0.9}),),
        figures={"validation": {"loss": 0.5, "k.auc": 0.9}, "test": {"loss": 0.25, "k.auc": 0.75}},
        chance={"loss": 0.6931},
        monitors=monitored if watched else None,
        findings=findings,
    )


FAINT = Finding(
    code="T006", severity="warning", place="body.0.linear.weight", message="its gradient vanished"
)


def test_the_page_shows_figures_curves_and_weights_and_loads_nothing() -> None:
    page = render_training_html(record())
    assert "No monitor found a reason to warn in 10 steps." in page
    assert "0.25" in page and "0.6931" in page
    for title in ("Loss", "Metrics", "Gradient", "Signal", "Dead units", "Entropy of attention"):
        assert f"<h3>{title} <small>" in page
    assert "<body>" in page and "&lt;body&gt;" in page and 'src="' not in page
    assert page.count('class="rule-card"') == 1


def test_a_finding_leads_to_the_row_of_its_parameter() -> None:
    page = render_training_html(record(FAINT))
    assert "Trained, with warnings" in page and 'href="#parameter-1"' in page
    assert 'data-findings="any T006"' in page


def test_a_run_without_monitors_has_curves_only() -> None:
    page = render_training_html(record(watched=False))
    assert "nobody watched" in page and 'id="table"' not in page and "Learning rate" in page


def test_markdown_says_the_same_shortly() -> None:
    text = render_training_markdown(record(FAINT))
    assert text.startswith("# small: trained 10 steps (1 warning)\n")
    assert "| `loss` | 0.5 | 0.25 | 0.6931 |" in text
    assert "- **warning T006** `body.0.linear.weight`: its gradient vanished" in text
    assert "| `body.0.linear.weight` | 8 | 0.5 | 0.75 | 0.25 | 0.002 |" in text


def test_the_terminal_says_how_it_went_and_what_is_odd() -> None:
    stream = StringIO()
    render_training_terminal(record(FAINT), Console(file=stream, width=100))
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert lines == [
        "small: trained 10 steps (1 warning)",
        "steps         10, 1 epochs, complete",
        "weights kept  those of step 8, epoch 0.8, the best by k.auc of 1 look: 0.9, averaged",
        "rows          train 90, validation 10, test 30",
        "seconds       1.5 on cpu, 1 process",
        "optimizer     adamw, rate 0.05",
        "",
        "figure  validation  test  guessing",
        "loss           0.5  0.25    0.6931",
        "k.auc          0.9  0.75         -",
        "",
        "warning T006 body.0.linear.weight: its gradient vanished",
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "trained 10 steps, k.auc 0.75 on 30 test rows"),
        (
            {"figures": {"validation": {"loss": 0.5, "k.auc": 0.9}}},
            "trained 10 steps, k.auc 0.9 on 10 validation rows",
        ),
        (
            {"settings": {"early_stopping": None}, "figures": {"test": {"loss": 0.25}}},
            "trained 10 steps, loss 0.25 on 30 test rows",
        ),
        ({"figures": {}}, "trained 10 steps"),
    ],
)
def test_the_last_line_has_the_figure_that_counts(change: dict[str, Any], expected: str) -> None:
    assert last_line(record().model_copy(update=change)) == expected
