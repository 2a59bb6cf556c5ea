"""The pages in a real browser: every control, by mouse and by keyboard, on a desk and a phone."""

import csv
import io
import os
from pathlib import Path

import pytest

from tests.report.guarantee.conftest import ITEMS, MODEL
from verixplain.report.guarantee.pdf import browser

program = browser()
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(program is None, reason="no Chromium on the path")

WIDTHS = {"desk": 1280, "phone": 390}


@pytest.fixture(scope="module")
def chromium():
    with playwright.sync_playwright() as driver:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        found = driver.chromium.launch(executable_path=program, args=root)
        yield found
        found.close()


@pytest.fixture(params=WIDTHS)
def page(request, chromium, report):
    """The report's first page; whatever goes wrong in it, or is asked of a network, fails."""
    context = chromium.new_context(
        viewport={"width": WIDTHS[request.param], "height": 900}, accept_downloads=True
    )
    wrong = []
    context.on("request", lambda r: r.url.startswith(("file:", "data:")) or wrong.append(r.url))
    found = context.new_page()
    found.on("console", lambda message: wrong.append(message.text))
    found.on("pageerror", lambda error: wrong.append(str(error)))
    found.on("dialog", lambda dialog: wrong.append(dialog.message) or dialog.dismiss())
    found.goto((report / "index.html").as_uri())
    yield found
    context.close()
    assert wrong == []


def shown(page):
    return page.locator("#list tbody tr:visible").count()


def numbers(page, which=""):
    rows = f"#list tbody tr{':' if which else ''}{which}"
    return [int(text) for text in page.locator(f"{rows} td:first-child").all_inner_texts()]


def test_filters_by_status_text_and_model(page):
    assert shown(page) == ITEMS
    page.select_option("#status", "refuted")
    refuted = page.locator('#list tbody tr[data-statuses~="refuted"]').count()
    assert shown(page) == refuted > 0
    assert page.locator("#shown").inner_text() == f"{refuted} of {ITEMS} items"
    page.fill("#text", "saliency")
    assert shown(page) == 0
    page.click("#all")
    assert shown(page) == ITEMS
    page.fill("#text", "SALIENCY far")
    assert shown(page) == 2
    page.click("#all")
    page.select_option("#model", MODEL)
    assert shown(page) == ITEMS


def test_sorts_numbers_as_numbers_and_back(page):
    head = page.locator("#list thead button").first
    head.click()
    assert numbers(page) == sorted(numbers(page))
    head.click()
    assert numbers(page) == sorted(numbers(page), reverse=True)
    assert page.locator("#list thead th").first.get_attribute("aria-sort") == "descending"


def test_the_keyboard_is_enough(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "to the content"
    page.locator("#list thead button").nth(4).focus()
    page.keyboard.press("Enter")
    methods = page.locator("#list tbody tr td:nth-child(5)").all_inner_texts()
    assert methods == sorted(methods)
    page.locator("#list tbody a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/items/*.html")


def test_an_item_opens_and_leads_on_and_back(page):
    page.locator("#list tbody tr").nth(1).locator("a").first.click()
    page.wait_for_url("**/items/2.html")
    assert page.locator("h1").inner_text().startswith("Item 2: ")
    page.get_by_text("next", exact=True).click()
    page.wait_for_url("**/items/3.html")
    page.get_by_text("all items").click()
    page.wait_for_url("**/index.html")


def test_the_list_that_is_shown_can_be_saved(page):
    page.select_option("#status", "refuted")
    with page.expect_download() as waiting:
        page.click("#save")
    assert waiting.value.suggested_filename == "items.csv"
    text = Path(waiting.value.path()).read_text("utf-8")
    lines = list(csv.reader(io.StringIO(text)))
    assert lines[0][:4] == ["no.", "model", "input", "question"]
    assert [int(line[0]) for line in lines[1:]] == numbers(page, "visible")
    assert lines[1][1] == MODEL
    assert "prediction: refuted" in lines[1][7]


def test_the_json_opens(page, report):
    page.get_by_role("link", name="report.json", exact=True).click()
    page.wait_for_url("**/report.json")


def test_no_page_is_wider_than_the_screen(page, report):
    for path in [report / "index.html", *sorted((report / "items").glob("*.html"))]:
        page.goto(path.as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= page.viewport_size["width"], path.name


def test_it_loads_in_a_second(page, report):
    """The quickest of five: other processes of the machine are no matter of the page."""
    times = []
    for _ in range(5):
        page.goto((report / "index.html").as_uri())
        entry = "performance.getEntriesByType('navigation')[0].domComplete"
        times.append(page.evaluate(entry))
    assert min(times) < 1000


def test_on_paper_the_controls_are_gone_and_nothing_is_cut(page):
    page.emulate_media(media="print")
    assert not page.locator("#controls").is_visible()
    assert page.locator("td .long").first.evaluate("e => getComputedStyle(e).maxHeight") == "none"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(page, scheme):
    """Contrast at least 4.5 to 1 (WCAG 2.2, AA)."""
    page.emulate_media(color_scheme=scheme)
    ratios = page.evaluate(CONTRAST)
    assert ratios
    assert min(ratios.values()) >= 4.5, ratios


CONTRAST = """() => {
  const rgb = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = (c) => c.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const found = {};
  for (const name of ["h1", "p", "dt", "a", ".soft", ".empirical", "th", ".status.estimate",
                      ".status.refuted", ".status.error", ".status.timeout", "#shown"]) {
    const e = document.querySelector(name);
    if (!e) continue;
    const pair = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
    found[name] = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  }
  return found;
}"""
