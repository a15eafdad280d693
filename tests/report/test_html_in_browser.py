"""The page in a browser: it sorts, filters and follows links, by mouse and by keyboard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_samples import deep_report

from seobuilder.report.render_html import render_html

sync_api = pytest.importorskip("playwright.sync_api", reason="needs seobuilder[browser]")

expect = sync_api.expect
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
browser_path = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = pytest.mark.skipif(browser_path is None, reason=f"needs one of {', '.join(BROWSERS)}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(deep_report(faults=5)), encoding="utf-8")
    return path


@pytest.fixture(params=[(1400, "light"), (400, "dark")], ids=["wide", "phone"])
def page(browser: Any, file: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: problems.append(request.url))
    page.goto(file.as_uri())
    yield page
    page.close()
    assert set(problems) == {file.as_uri()}


def names(page: Any) -> list[str]:
    rows = page.locator("#table tbody tr:not([hidden]) th code")
    return list(rows.all_text_contents())


def test_nothing_is_wider_than_the_page(page: Any) -> None:
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


def test_a_column_sorts_both_ways(page: Any) -> None:
    head = page.locator("#table thead th", has_text="elements")
    counts = {p.name: p.measured.count for p in deep_report().parameters}
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert [counts[name] for name in names(page)] == sorted(counts.values())
    head.locator("button").press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert [counts[name] for name in names(page)] == sorted(counts.values(), reverse=True)
    page.locator("#table thead button").first.press("Space")
    assert head.get_attribute("aria-sort") is None
    assert names(page)[0] == "encoder.blocks.0.attention_norm.weight"


def test_what_is_not_known_sorts_last(page: Any) -> None:
    head = page.locator("#table thead th", has_text="fan out").locator("button")
    column = page.locator("#table tbody td:nth-child(18)")
    for _ in range(2):
        head.click()
        assert column.all_text_contents()[-1] == "-"


def test_filters_join_and_clear(page: Any) -> None:
    everything = names(page)
    page.locator("#filter-role").select_option("residual_out")
    assert len(names(page)) == 8
    page.locator("#filter-finding").select_option("H005")
    assert len(names(page)) == 5
    page.locator("#filter-text").fill("blocks.1.FFN")
    assert names(page) == ["encoder.blocks.1.ffn.down.weight"]
    assert page.locator("#count").text_content() == f"1 of {len(everything)}"
    page.locator("#filters button").click()
    assert names(page) == everything


def test_a_rule_filters(page: Any) -> None:
    page.locator("#filter-rule").select_option(label="search_intent.yaml:37 ones")
    assert len(names(page)) == 5


def test_a_link_opens_what_hides_its_place(page: Any) -> None:
    page.locator("#filter-text").fill("nothing is called so")
    assert names(page) == []
    page.locator("#finding-2 h3 a").click()
    row = page.locator("#parameter-10")
    expect(row).to_be_visible()
    expect(row).to_be_focused()
    row.locator("a.badge").click()
    expect(page.locator("#finding-2")).to_be_focused()
    hidden = page.locator("#finding-5")
    expect(hidden).to_be_hidden()
    page.locator("#parameter-27 a.badge").click()
    expect(hidden).to_be_visible()


def test_a_box_of_the_graph_leads_to_its_parameters(page: Any) -> None:
    page.locator('.graph a[data-filter="words."]:visible').click()
    assert names(page) == ["words.tokens.weight", "words.positions.weight"]


def test_the_theme_changes_and_the_first_tab_skips(page: Any) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    colours = [page.evaluate(background)]
    for _ in range(2):
        page.locator("#theme").click()
        colours.append(page.evaluate(background))
    assert colours[1:] == ["rgb(255, 255, 255)", "rgb(20, 23, 27)"]
    assert colours[0] in colours[1:]
    page.reload()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_everything_unfolds_for_print(page: Any) -> None:
    assert page.locator("details:not([open])").count() > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
