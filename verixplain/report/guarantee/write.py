"""A report as a folder: made beside its place and moved there, whole or not at all."""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from verixplain.errors import OutputError, ReportError
from verixplain.report.figures.canvas import as_png, as_svg
from verixplain.report.guarantee import pictures
from verixplain.report.guarantee.document import canonical, document, sha256, validate
from verixplain.report.guarantee.evidence import Evidence, changed, gather, hashed
from verixplain.report.guarantee.page import index_page, item_page
from verixplain.report.guarantee.pdf import print_pdf
from verixplain.report.guarantee.recheck import recheck, without_certificate
from verixplain.report.guarantee.words import words

REPORT = "report.json"
IMAGES = ("heatmap.png", "enclosure.png", "order.png")
"""Pictures that come with an explanation and are shown as they are."""

Progress = Callable[[str, int, int], None]


def write_report(
    source: str | Path,
    out: str | Path,
    *,
    check: bool = False,
    models: Iterable[str | Path] = (),
    require: str = "estimate",
    supersedes: str | Path | None = None,
    pdf: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the report of a DIR or a RUN; returns what report.json says.

    Args:
        source: what explain, certify or run wrote.
        out: folder of the report: `index.html`, `items/`, `report.json`, `evidence/`.
        check: ask the independent checker about every certificate, and hold the files of
            `source` against an earlier report in `out`.
        models: ONNX files that the checker may need, told by their SHA-256.
        require: the weakest status that counts as holding.
        supersedes: the report.json that this one replaces; by default that in `out`.
        pdf: also print `index.html` as `report.pdf`, by a Chromium.
        progress: told how far each stage is.

    Raises:
        InputError: `source` is neither.
        ReportError: files contradict each other, were changed, or `out` holds a signed report.
        OutputError: something cannot be read or written.
    """
    out = Path(out)
    earlier = _earlier(out)
    beside = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        (beside / "items").mkdir(parents=True)
        evidence = gather(source, beside / "evidence")
        if check and earlier is not None:
            _unchanged(evidence, json.loads(earlier))
        without_certificate(evidence)
        if check:
            recheck(evidence, models, progress)
        before = Path(supersedes).read_bytes() if supersedes is not None else earlier
        report = document(
            evidence,
            checked=check,
            require=require,
            supersedes=None if before is None else sha256(before),
        )
        report["pages"] = _pages(report, beside, pdf, progress)
        wrong = validate(report)
        if wrong is not None:
            raise ReportError(f"report.json would not be what its schema says: {wrong}")
        (beside / REPORT).write_bytes(canonical(report))
        _moved(beside, out)
    except OSError as error:
        raise OutputError(f"cannot write the report: {error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return report


def _earlier(out: Path) -> bytes | None:
    """The report.json that is in the way, if there is one.

    Raises:
        OutputError: there is something else.
        ReportError: it is signed.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return None
    if not (out / REPORT).is_file():
        raise OutputError(f"{str(out)!r} is there and is no report; give another --out")
    if any(out.glob("*.sig")):
        raise ReportError(
            f"the report in {str(out)!r} is signed; give another --out, and name the old one with "
            f"--supersedes {out / REPORT}"
        )
    return (out / REPORT).read_bytes()


def _unchanged(evidence: Evidence, earlier: dict[str, Any]) -> None:
    """Hold the files against those of an earlier report.

    Raises:
        ReportError: some have other bytes; the message lists them.
    """
    lines = changed(evidence.folder, earlier["files"])
    known = {file["path"] for file in earlier["files"]}
    lines += [f"{file['path']}: new" for file in evidence.files if file["path"] not in known]
    if lines:
        raise ReportError(
            "files are not those of the report that is there:\n  "
            + "\n  ".join(lines)
            + "\nif that is right, make a new report without --check, or in another --out"
        )


def _pages(
    report: dict[str, Any], folder: Path, pdf: bool, progress: Progress | None
) -> list[dict[str, Any]]:
    """Write pages and pictures; their paths and hashes."""
    told, made = words(report), []

    def put(path: str, data: bytes) -> None:
        (folder / path).write_bytes(data)
        made.append({"path": path, **hashed(data)})

    def drawn(figures: pictures.Pictures, prefix: str) -> dict[str, str]:
        for name, figure in figures.items():
            put(f"{prefix}{name}.png", as_png(figure))
        return {name: as_svg(figure) for name, figure in figures.items()}

    for place, item in enumerate(report["items"]):
        found = drawn(
            pictures.of_item(item, report, folder / "evidence"), f"items/{item['number']}-"
        )
        images = [folder / "evidence" / item["folder"] / name for name in IMAGES]
        shown = {path.stem: path.read_bytes() for path in images if path.is_file()}
        page = item_page(told, place, found, shown)
        put(told.items[place].page, page.encode())
        if progress is not None:
            progress("pages", place + 1, len(report["items"]))
    put(
        "index.html",
        index_page(told, report["confidence"], drawn(pictures.of_report(report), "")).encode(),
    )
    if pdf:
        put("report.pdf", print_pdf(folder / "index.html"))
    return made


def _moved(beside: Path, out: Path) -> None:
    """Put the finished folder in its place; an earlier report goes only then."""
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    if out.exists():
        out.rename(old)
    beside.rename(out)
    shutil.rmtree(old, ignore_errors=True)
