"""Pages: text stays text, nothing comes from outside, one known script runs."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from tests.report.guarantee.conftest import BROKEN, DATA, ITEMS, MODEL


class Page(HTMLParser):
    """Tags with their attributes, and the text a reader sees."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text, self.script = "", ""
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._inside.pop()

    def handle_data(self, data):
        if not self._inside:
            self.text += data
        elif self._inside[-1] == "script":
            self.script += data


@pytest.fixture(scope="module")
def pages(report):
    paths = [report / "index.html", *sorted((report / "items").glob("*.html"))]
    assert len(paths) == ITEMS + 1
    return {path.name: Page(path.read_text("utf-8")) for path in paths}


def test_hostile_names_are_text(pages):
    text = " ".join(pages["index.html"].text.split())
    for name in (
        MODEL,
        DATA,
        BROKEN,
        "'\"&amp; ⟨U+202E⟩gnp.exe⟨U+2066⟩ <img src=x onerror=alert(1)>",
    ):
        assert name in text
    for page in pages.values():
        assert "\u202e" not in page.text
        assert not any(tag == "img" and "onerror" in attrs for tag, attrs in page.tags)


def test_nothing_is_loaded_and_one_script_may_run(pages):
    for name, page in pages.items():
        scripts = [attrs for tag, attrs in page.tags if tag == "script"]
        assert scripts == ([{}] if name == "index.html" else [])
        for _, attrs in page.tags:
            assert not any(key.startswith("on") for key in attrs)
            for key in ("src", "href", "xlink:href", "data", "action"):
                if attrs.get(key):
                    assert not re.match(r"(?i)\s*(https?|javascript|file|ftp|//):?", attrs[key])
        (policy,) = [
            attrs["content"]
            for tag, attrs in page.tags
            if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
        ]
        assert "default-src 'none'" in policy
    script = pages["index.html"].script
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_every_item_is_listed_with_its_statuses(pages):
    rows = [attrs for tag, attrs in pages["index.html"].tags if "data-statuses" in attrs]
    assert len(rows) == ITEMS
    found = {status for row in rows for status in row["data-statuses"].split()}
    assert {"done", "timeout", "error", "not-run", "refuted"} <= found
    assert found & {"estimate", "certified"}


def test_failed_and_not_run_items_are_listed_with_reasons(pages):
    text = pages["index.html"].text
    for reason in ("killed after 5.0 s of 5 s", "must be finite", "not run yet"):
        assert reason in text.partition("Failed and not run")[2].partition("Models")[0] or (
            reason in text
        )


def test_only_what_is_recorded_as_certified_has_that_badge(pages, report):
    values = json.loads((report / "report.json").read_bytes())
    for item in values["items"]:
        page = pages[f"{item['number']}.html"]
        badges = {
            status
            for tag, attrs in page.tags
            if tag == "span" and attrs.get("class", "").startswith("status ")
            for status in attrs["class"].split()[1:]
        }
        own = {claim["status"] for claim in item["claims"]}
        assert badges == (own if item["outcome"] == "done" else own | {item["outcome"]})


def test_maps_without_proof_say_so(pages, report):
    plain = [page for page in pages.values() if "guarantee: none." in page.text]
    assert plain
    for page in plain:
        assert "nothing is proved about them" in page.text


def test_a_claim_has_its_sentence_arithmetic_inputs_and_witness(pages):
    page = next(p for p in pages.values() if "It is false: a point of the box" in p.text
                and "for which inputs" in p.text)  # fmt: skip
    for words in (
        "stays ahead of every other class, at every input of the box",
        "the network over the real numbers",
        "verixplain replay",
        "inputs differ",
    ):
        assert words in page.text
