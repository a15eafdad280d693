"""The Markdown of a small report, to the letter."""

from __future__ import annotations

from pathlib import Path

from markdown_it import MarkdownIt
from report_samples import deep_report

from seobuilder.report.model import Report
from seobuilder.report.render_markdown import render_markdown

GOLDEN = (Path(__file__).parent / "golden_report.md").read_text(encoding="utf-8")


def test_the_golden_report(report: Report) -> None:
    # What codes weigh is tuned, and tested by itself.
    assert render_markdown(report) == GOLDEN.replace("SCORE", f"{report.score:.4g}")


def test_every_row_of_a_table_has_its_cells(report: Report) -> None:
    html = MarkdownIt("gfm-like", {"linkify": False}).render(render_markdown(report))
    parameters = html.split("<table>")[-1]
    assert "spectral norm" not in parameters  # of which nothing is known
    assert parameters.count("<th>") == 16
    assert parameters.count("<td>") == 16 * len(report.parameters)
    assert "<code>- {match: &quot;a|b&quot;, role: embedding}</code>" in parameters


def test_text_of_a_user_stays_text(report: Report) -> None:
    hostile = "<img src=x> [a](b) **b** ``` `\n| x"
    finding = report.findings[0].model_copy(update={"place": hostile, "message": hostile})
    text = render_markdown(report.model_copy(update={"findings": (finding,)}))
    html = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(text)
    assert "<img" not in html and "<a " not in html and "<strong>b" not in html


def test_alike_findings_stand_together_and_changes_are_yaml(report: Report) -> None:
    text = render_markdown(deep_report(1))
    assert text.count("**error H005**") == 1
    assert "  - alike: `encoder.blocks.0.ffn.down.weight`\n" in text
    html = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    assert html.count('<pre><code class="language-yaml">') == 2
    assert "- {match: &quot;facts.**.weight&quot;, method: kaiming_normal" in html


def test_a_report_without_outputs_and_findings(report: Report) -> None:
    text = render_markdown(report.model_copy(update={"findings": (), "outputs": ()}))
    assert text.startswith("# search_intent: healthy\n")
    assert "## Findings\n\nNone.\n" in text and "## Outputs" not in text
