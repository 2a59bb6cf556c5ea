"""Reports of a run over two public networks and of certified inputs, measured in a real browser.

python experiments/report/run.py DATA OUT
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from verixplain.report.guarantee.page import index_page
from verixplain.report.guarantee.pdf import browser
from verixplain.report.guarantee.words import words

ROOT = Path(__file__).parents[2]
JOB = """schema = "job/1"
name = "two networks"
limits = {{seconds = {seconds}}}
models = [
  {{path = "{data}/models/mnist/wong_mnist.onnx", card = "cards/wong_mnist.toml"}},
  {{path = "{data}/models/titanic/captum_titanic.onnx", card = "cards/captum_titanic.toml"}},
]
[[data]]
name = "digits"
path = "{data}/inputs/mnist_t10k_0-999.npz:images#0:{inputs}"
models = ["wong_mnist"]
[[data]]
name = "passengers"
path = "{data}/inputs/titanic3.npz:X#0:{inputs}"
models = ["captum_titanic"]
[[data]]
name = "broken"
path = "broken.npy"
models = ["captum_titanic"]
[[questions]]
name = "0.02"
radius = 0.02
units = "scaled"
groups = "grid:7x7"
data = ["digits"]
[[questions]]
name = "0.1"
radius = 0.1
units = "scaled"
groups = "grid:7x7"
data = ["digits"]
[[questions]]
name = "0.3, every pixel"
radius = 0.3
units = "scaled"
groups = "pixels"
data = ["digits"]
check_label = true
[[questions]]
name = "0.05"
radius = 0.05
groups = "columns"
data = ["passengers", "broken"]
[[questions]]
name = "0.5"
radius = 0.5
groups = "columns"
data = ["passengers"]
[[questions]]
name = "2"
radius = 2
groups = "columns"
data = ["passengers"]
check_label = true
[[methods]]
method = "eva"
claims = ["prediction", "order", "top-k"]
settings = {{bound = "crown"}}
[[methods]]
method = "saliency"
"""


def verixplain(*parts: object) -> tuple[int, float]:
    """Exit code and seconds of one command."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", "from verixplain.cli import main; main()",
                           *map(str, parts)])  # fmt: skip
    return done.returncode, time.perf_counter() - start


def prepared(data: Path, out: Path, inputs: int, seconds: float) -> None:
    """Cards, an input with NaN in it, and the job."""
    script = ROOT / "tests" / "write_cards.py"
    subprocess.run([sys.executable, script, out / "cards", "--data", data], check=True)
    with np.load(data / "inputs" / "titanic3.npz") as archive:
        broken = archive["X"][:1].copy()
    broken[0, 3] = np.nan
    np.save(out / "broken.npy", broken)
    (out / "job.toml").write_text(JOB.format(data=data.resolve(), inputs=inputs, seconds=seconds))


def loaded(page: Path) -> float:
    """Milliseconds until the page is there, the quickest of five."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        chromium = driver.chromium.launch(executable_path=browser(), args=root)
        tab = chromium.new_page()
        times = []
        for _ in range(5):
            tab.goto(page.as_uri())
            entry = "performance.getEntriesByType('navigation')[0].domComplete"
            times.append(tab.evaluate(entry))
        chromium.close()
    return min(times)


def grown(report: Path, items: int, out: Path) -> Path:
    """The first page as it would be with so many items: those of the report, again and again."""
    values = json.loads((report / "report.json").read_text("utf-8"))
    some = values["items"]
    values["items"] = [{**some[n % len(some)], "number": n + 1} for n in range(items)]
    page = out / f"index-{items}.html"
    page.write_text(index_page(words(values), values["confidence"], {}), encoding="utf-8")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--inputs", type=int, default=10, help="of each network")
    parser.add_argument("--seconds", type=float, default=12.0, help="limit of an item")
    given = parser.parse_args()
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    prepared(given.data, out, given.inputs, given.seconds)
    model = given.data / "models" / "mnist" / "wong_mnist.onnx"
    inputs = f"{given.data / 'inputs' / 'mnist_t10k_0-999.npz'}:images#0:2"
    asked = [
        "--radius",
        0.02,
        "--radius-units",
        "scaled",
        "--groups",
        "grid:7x7",
        "--budget",
        "20s",
    ]
    asked += [
        "--claim",
        "prediction",
        "--claim",
        "top-k:1",
        "--card",
        out / "cards/wong_mnist.toml",
    ]
    verixplain("run", out / "job.toml", "--out", out / "RUN", "--workers", 1)
    verixplain("certify", model, inputs, *asked, "--out", out / "DIR")
    for source in ("RUN", "DIR"):
        folder = out / f"report-{source}"
        code, seconds = verixplain(
            "report", out / source, "--out", folder, "--check", "--model", model, "--pdf",
            "--sarif", "--junit", "--in-toto",
        )  # fmt: skip
        values = json.loads((folder / "report.json").read_text("utf-8"))
        pages = [page for page in values["pages"] if page["path"].endswith(".html")]
        totals = {}
        for counts in values["summary"]["claims"].values():
            for status, n in counts.items():
                totals[status] = totals.get(status, 0) + n
        print(f"{source}: exit code {code}, {seconds:.0f} s, {len(values['items'])} items")
        print("  ", {status: n for status, n in totals.items() if n and status != "planned"})
        print("   outcomes", {k: n for k, n in values["summary"]["outcomes"].items() if n})
        index = next(page for page in pages if page["path"] == "index.html")
        largest = max(page["bytes"] for page in pages)
        print(f"   index.html {index['bytes']:,} bytes, {loaded(folder / 'index.html'):.0f} ms; "
              f"largest page {largest:,} bytes")  # fmt: skip
    for items in (200, 1000):
        page = grown(out / "report-RUN", items, out)
        print(f"{items} items: {page.stat().st_size:,} bytes, {loaded(page):.0f} ms")


if __name__ == "__main__":
    main()
