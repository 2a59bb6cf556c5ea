"""How many pairs of groups are ordered: enclosures, then the exchange rule, then faces.

    python experiments/certified_order/run.py [NAME ...]

One line of results.jsonl an item, and items that have one are skipped; `table` prints the table.
"""

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from realdata import real  # noqa: E402

from verixplain.attribution.eva import EVA  # noqa: E402
from verixplain.bounds import Engine  # noqa: E402
from verixplain.certify.exchange import exchange  # noqa: E402
from verixplain.certify.faces import Faces  # noqa: E402
from verixplain.certify.order import closure, order  # noqa: E402
from verixplain.query import Query  # noqa: E402
from verixplain.request import Request, predicted_label  # noqa: E402

RESULTS = HERE / "results.jsonl"
ITEMS = [
    ("verix_mnist-10x2", 0.005, "grid:7x7"),
    ("mnist-net_256x2", 0.005, "grid:7x7"),
    ("wong_mnist", 0.03, "grid:7x7"),
    ("eran_convSmallRELU__PGDK", 0.03, "grid:7x7"),
    ("cifar_base_kw", 0.5 / 255, "grid:8x8"),
    ("cifar_base_kw", 1 / 255, "grid:8x8"),
]
INPUTS = 3


def queries(name: str, radius: float, words: str):
    """The first correctly classified real inputs; the radius is of raw [0, 1] values."""
    found = real(name, 20)
    network, done = found.network, 0
    for index, (x, label) in enumerate(zip(found.inputs, found.labels, strict=True)):
        if predicted_label(network(x[None])[0], network.card.kind) != label:
            continue
        asked = Request(radius=radius, units="scaled", groups=words, target=int(label))
        given = SimpleNamespace(values=x, index=index, label=int(label))
        yield index, asked.query(network, given)
        done += 1
        if done == INPUTS:
            return


def measured(query: Query) -> dict:
    """Pairs and seconds of each rule."""
    begin = time.perf_counter()
    overlaps = EVA(device="cpu").explain(query).overlaps
    plain = order(overlaps)
    one = time.perf_counter()
    raised = exchange(query, overlaps, device="cpu")
    exchanged = closure(plain.above | raised.above())
    two = time.perf_counter()
    faces = Faces(query, overlaps, "cpu")
    for row in raised.asked():
        faces.row(row, raised)
    upper = np.minimum(overlaps.group_upper, raised.row_upper.max(axis=0))
    more = upper[:, None] < overlaps.group_lower[None]
    faced = closure(exchanged | more | raised.above())
    three = time.perf_counter()
    open_ = {name: ((a < 0) & (b > 0)).sum() for name, (a, b) in overlaps.intervals.items()}
    engine = Engine.of(query.network, "float64", "cpu")
    inner = [n for n in engine.exact.relaxed_inputs() if n != engine.exact.input]
    gap = (overlaps.group_upper - overlaps.group_lower).mean()
    return {
        "unstable": int(sum(open_[name] for name in inner)),
        "rows": int((overlaps.row_upper >= overlaps.group_lower).any(axis=1).sum()),
        "plain": plain.decided / plain.pairs,
        "exchange": exchanged.sum() / plain.pairs,
        "faces": faced.sum() / plain.pairs,
        "gap": gap,
        "gap_faces": (upper - overlaps.group_lower).mean(),
        "seconds": [one - begin, two - one, three - two],
    }


def main(names: list[str]) -> None:
    done = set()
    if RESULTS.exists():
        lines = map(json.loads, RESULTS.read_text().splitlines())
        done = {(line["name"], line["radius"], line["place"]) for line in lines}
    for name, radius, words in ITEMS:
        if names and name not in names:
            continue
        if all((name, radius, place) in done for place in range(INPUTS)):
            continue
        for place, (index, query) in enumerate(queries(name, radius, words)):
            if (name, radius, place) in done:
                continue
            line = {"name": name, "radius": radius, "place": place, "input": index}
            line |= measured(query)
            with RESULTS.open("a") as file:
                file.write(json.dumps(line) + "\n")


def table() -> None:
    """The table of the README."""
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    print("| network, radius | unstable | rows | enclosures | + exchange | + faces | mean gap | "
          "seconds: map, exchange, faces |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for name, radius, _ in ITEMS:
        some = [line for line in lines if (line["name"], line["radius"]) == (name, radius)]
        if not some:
            continue

        def shares(key: str, some: list = some) -> str:
            return " / ".join(f"{100 * line[key]:.0f}" for line in some) + " %"

        unstable, rows = (" / ".join(str(one[k]) for one in some) for k in ("unstable", "rows"))
        gaps = [f"{np.mean([one[k] for one in some]):.2g}" for k in ("gap", "gap_faces")]
        spent = ", ".join(f"{t:.2f}" for t in np.mean([one["seconds"] for one in some], axis=0))
        size = f"{radius * 255:g}/255" if "cifar" in name else f"{radius:g}"
        print(f"| {name}, {size} | {unstable} | {rows} | {shares('plain')} | {shares('exchange')} "
              f"| {shares('faces')} | {' → '.join(gaps)} | {spent} |")  # fmt: skip


if __name__ == "__main__":
    table() if sys.argv[1:] == ["table"] else main(sys.argv[1:])
