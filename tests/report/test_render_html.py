"""The page, without a browser: its structure, its size, and what never becomes markup."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import pytest
from report_samples import deep_report

from seobuilder.report.model import Report
from seobuilder.report.render_html import render_html

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}$x_2$&amp;'


class Page(HTMLParser):
    """The tags of a page, its headings, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[tuple[str, str]] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside.append(tag)
        if tag in ("h1", "h2", "h3"):
            self.headings.append((tag, ""))

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._inside):
            self.text += data
        for tag in ("h1", "h2", "h3"):
            if tag in self._inside:
                heading = " ".join(f"{self.headings[-1][1]} {data}".split())
                self.headings[-1] = (tag, heading)

    def values(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.tags if attribute in attrs]


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render_html(deep_report()))


def test_the_golden_structure(page: Page) -> None:
    assert page.headings == [
        ("h1", "Not fit to train"),
        ("h2", "Findings, the worst first"),
        (
            "h3",
            "error H005 encoder.blocks.0.attention.output.weight and 1 more search_intent.yaml:38",
        ),
        ("h3", "error H006 words.tokens.weight search_intent.yaml:39"),
        ("h3", "warning P301 encoder.blocks.0 search_intent.yaml:30"),
        ("h3", "warning H010 intent"),
        ("h3", "info H090 initialization[4]"),
        ("h2", "Summary"),
        ("h2", "Modules"),
        ("h2", "Data through the model"),
        ("h3", "Signal by depth variance"),
        ("h3", "Gradient by depth root mean square"),
        ("h3", "Similarity of positions mean cosine"),
        ("h3", "Dead units share of units that are zero on all rows"),
        ("h3", "Entropy of attention share of that of equal weights"),
        ("h3", "First 5 steps of AdamW loss, learning rate 0.0003"),
        ("h2", "Rules, measured over declared"),
        ("h3", "search_intent.yaml:39 truncated_normal"),
        ("h3", "search_intent.yaml:41 orthogonal"),
        ("h3", "search_intent.yaml:38 normal"),
        ("h3", "search_intent.yaml:37 ones"),
        ("h3", "search_intent.yaml:36 zeros"),
        ("h2", "Parameters"),
    ]


def test_every_link_leads_somewhere_and_no_name_is_used_twice(page: Page) -> None:
    names = Counter(page.values("id"))
    assert [name for name, count in names.items() if count > 1] == []
    links = page.values("href")
    assert {link[1:] for link in links} <= names.keys()
    assert {link[0] for link in links} == {"#"}
    rows = [attrs["id"] for tag, attrs in page.tags if tag == "tr" and "data-rule" in attrs]
    assert len(rows) == len(deep_report().parameters)


def test_findings_and_their_rows_lead_to_each_other(page: Page) -> None:
    links = page.values("href")
    for number, finding in enumerate(deep_report().findings, 1):
        names = [p.name for p in deep_report().parameters]
        if finding.place in names:
            assert f"#finding-{number}" in links
            assert f"#parameter-{names.index(finding.place) + 1}" in links


def test_charts_and_tables_say_what_they_show(page: Page) -> None:
    drawings = [attrs for tag, attrs in page.tags if tag == "svg" and attrs.get("class") == "chart"]
    assert len(drawings) == 6 + 2 * 3
    assert all(drawing["aria-label"] for drawing in drawings)
    tags = Counter(tag for tag, _ in page.tags)
    assert tags["caption"] == tags["table"] == 6
    assert "1 of 12 outside the band: summary." in page.text


def test_a_change_is_shown_as_it_will_read(page: Page) -> None:
    assert "set initialization[2].std in search_intent.yaml" in page.text
    assert 'std: "0.02 / sqrt(depth)"' in page.text
    assert "Look first at search_intent.yaml:38." in page.text


@pytest.mark.parametrize(("lines", "line"), [((12, 13), 12), ((12, 38), 38)])
def test_the_first_line_to_look_at_is_one_that_changes(lines: tuple[int, int], line: int) -> None:
    report = deep_report(faults=1)
    first = next(f for f in report.findings if f.severity == "error" and f.changes)
    changes = tuple(first.changes[0].model_copy(update={"line": each}) for each in lines)
    found = first.model_copy(update={"changes": changes})
    page = Page(render_html(report.model_copy(update={"findings": (found,)})))
    assert f"Look first at search_intent.yaml:{line}." in page.text


@pytest.mark.parametrize(
    ("severities", "title"),
    [
        (set(), "Fit to train"),
        ({"info"}, "Fit to train"),
        ({"warning"}, "Fit to train"),
        ({"error"}, "Not fit to train"),
    ],
)
def test_the_verdict_follows_from_the_findings(
    report: Report, severities: set[str], title: str
) -> None:
    found = tuple(f for f in deep_report().findings if f.severity in severities)
    page = Page(render_html(report.model_copy(update={"findings": found})))
    assert page.headings[0] == ("h1", title)
    risk = report.model_copy(update={"findings": found}).score
    assert f"Risk {risk:.4g} of 1 that training falls short" in " ".join(page.text.split())
    assert ("There is nothing to change." in page.text) == (not severities & {"error", "warning"})


def test_warnings_of_what_hardly_trains_make_a_model_unfit(report: Report) -> None:
    warning = next(f for f in deep_report().findings if f.severity == "warning")
    deep = warning.model_copy(update={"code": "P505"})
    page = render_html(report.model_copy(update={"findings": (deep,)}))
    assert Page(page).headings[0] == ("h1", "Not fit to train")
    assert '<section id="verdict" class="bad"' in page


def test_a_page_of_500_parameters_stays_below_2_mb() -> None:
    report = deep_report(38, faults=60)
    assert len(report.parameters) == 500
    assert len(render_html(report).encode()) < 2_000_000


def test_the_page_asks_for_nothing(page: Page) -> None:
    text = render_html(deep_report())
    assert "://" not in text and "@import" not in text and "url(" not in text
    assert not {"link", "img", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert page.values("src") == []
    policy = next(a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a)
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert script is not None and policy is not None
    allowed = b64encode(sha256(script[1].encode()).digest()).decode()
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{allowed}';" in policy


def test_text_of_a_user_stays_text() -> None:
    calm, wild = (Page(render_html(_named(text))) for text in ("x" * len(HOSTILE), HOSTILE))
    assert [tag for tag, _ in wild.tags] == [tag for tag, _ in calm.tags]
    assert [sorted(attrs) for _, attrs in wild.tags] == [sorted(attrs) for _, attrs in calm.tags]
    assert wild.text.count(HOSTILE) >= 8
    assert "49" not in wild.headings[2][1]


def test_characters_that_would_reorder_text_are_shown_as_escapes() -> None:
    text = render_html(_named("a\u202eb\x1b[2J"))
    assert "\u202e" not in text and "\x1b" not in text
    assert "a\\u202eb\\x1b[2J" in text


def _named(name: str) -> Report:
    """A report in which everything that a user can name has this name."""
    report = deep_report(1, faults=1)
    probes = report.probes
    assert probes is not None
    rule = report.parameters[0].rule
    assert rule is not None
    return report.model_copy(
        update={
            "name": name,
            "graph": tuple(
                record.model_copy(update={"name": f"{name}{i}", "kind": name, "sources": ()})
                for i, record in enumerate(report.graph)
            ),
            "parameters": tuple(
                p.model_copy(
                    update={
                        "name": f"{name}{i}",
                        "role": name,
                        "declared": name,
                        "rule": rule.model_copy(update={"text": name, "preset": name}),
                    }
                )
                for i, p in enumerate(report.parameters)
            ),
            "outputs": tuple(o.model_copy(update={"name": name}) for o in report.outputs),
            "probes": probes.model_copy(
                update={
                    "signals": tuple(s.model_copy(update={"name": name}) for s in probes.signals),
                }
            ),
            "findings": tuple(
                f.model_copy(
                    update={
                        "place": name,
                        "message": name,
                        "suggestion": name,
                        "changes": tuple(
                            c.model_copy(update={"yaml": name, "file": name}) for c in f.changes
                        ),
                    }
                )
                for f in report.findings
            ),
        }
    )


def test_a_model_that_no_recipe_made(report: Report) -> None:
    bare = report.model_copy(
        update={
            "graph": (),
            "outputs": (),
            "batch": None,
            "vocabulary": (),
            "probes": None,
            "findings": (),
            "summary": report.summary.model_copy(update={"flops": None, "seed": None}),
            "parameters": tuple(
                p.model_copy(
                    update=dict.fromkeys(
                        ("role", "method", "declared", "rule", "fan_in", "fan_out", "gain")
                    )
                )
                for p in report.parameters
            ),
        }
    )
    page = Page(render_html(bare))
    assert [text for tag, text in page.headings if tag == "h2"] == [
        "Summary",
        "Weights by sort and shape",
        "Parameters",
    ]
    assert not {"Seed", "FLOPs", "Measured on", "Norms"} & set(page.text.split("\n"))
    cards = [text for tag, text in page.headings if tag == "h3"]
    columns = re.findall("<th scope=.col.[^>]*>([^<]*)", render_html(bare))
    assert columns == [
        *("parameter", "histogram", "std", "mean", "min", "max", "elements"),
        *("L1", "L2", "spectral norm", "zeros"),
    ]
    assert cards[0] == "embedding weight 1024 × 256" and len(cards) == len(set(cards))


def test_words_in_backticks_are_code(report: Report) -> None:
    text = render_html(report)
    assert "use <code>a|b</code> | [bold]not[/bold] *this*" in text
    assert "set <code>initialization[2].std</code> in intent.yaml" in text


def test_the_same_report_gives_the_same_bytes_anywhere(tmp_path: Path) -> None:
    settings = tmp_path / "matplotlibrc"
    settings.write_text("font.size: 31\nlines.linewidth: 9\naxes.grid: False\n")
    code = (
        "import sys; from report_samples import deep_report;"
        "from seobuilder.report.render_html import render_html;"
        "sys.stdout.buffer.write(render_html(deep_report()).encode());"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    paths = [str(Path(__file__).parent), *sys.path]
    environment = os.environ | {
        "MATPLOTLIBRC": str(settings),
        "PYTHONHASHSEED": "5",
        "PYTHONPATH": os.pathsep.join(paths),
    }
    run = [sys.executable, "-c", code]
    elsewhere = subprocess.run(run, env=environment, check=True, capture_output=True).stdout
    assert elsewhere.decode() == render_html(deep_report()) == render_html(deep_report())


def test_settings_of_matplotlib_are_left_alone() -> None:
    before = matplotlib.rcParams.copy()
    render_html(deep_report(1))
    assert matplotlib.rcParams.copy() == before
