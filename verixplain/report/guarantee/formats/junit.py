"""JUnit XML for continuous integration: a case a claim, or an item without claims."""

from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from verixplain.report.guarantee.formats import (
    ERROR,
    FAILED,
    OPEN,
    SKIPPED,
    formats,
    named,
    sentence,
    verdict,
)
from verixplain.report.guarantee.words import visible

_ELEMENTS = {FAILED: "failure", ERROR: "error", OPEN: "skipped", SKIPPED: "skipped"}
"""JUnit has no word for undecided: it is skipped, with the status as its type."""


@formats.add
def junit(report: Mapping[str, Any], data: bytes) -> tuple[str, bytes]:
    """One suite a question to a method about a model."""
    suites: dict[str, list[tuple[str, str, str, str, float]]] = {}
    for item in report["items"]:
        suite = suites.setdefault(f"{item['model']}, {item['question']}, {item['method']}", [])
        place = item["data"] if item["index"] is None else f"{item['data']}#{item['index']}"
        seconds = item["seconds"] or 0.0
        for claim in item["claims"]:
            status = verdict(claim["status"], report)
            name = f"{place}: {claim['id']} {claim['kind']}"
            suite.append((name, status, claim["status"], sentence(claim), seconds))
            seconds = 0.0  # of the whole item, told once
        if not item["claims"]:
            done = item["outcome"] == "done"
            status = "passed" if done else verdict(item["outcome"], report)
            words = f"{named(item)}: {item['reason']}"
            suite.append((place, status, item["outcome"], words, seconds))
    root = Element("testsuites", name=visible(report["title"]))
    for name, cases in suites.items():
        elements = [_ELEMENTS.get(status, "") for _, status, *_ in cases]
        suite = SubElement(
            root, "testsuite", name=visible(name), tests=str(len(cases)),
            failures=str(elements.count("failure")), errors=str(elements.count("error")),
            skipped=str(elements.count("skipped")), timestamp=report["created"].rstrip("Z"),
            time=f"{sum(case[-1] for case in cases):.3f}",
        )  # fmt: skip
        for (case, _, word, text, seconds), element in zip(cases, elements, strict=True):
            found = SubElement(
                suite, "testcase", name=visible(case), classname=visible(name),
                time=f"{seconds:.3f}",
            )  # fmt: skip
            if element:
                SubElement(found, element, type=word, message=visible(text))
    indent(root)
    return "report.junit.xml", tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
