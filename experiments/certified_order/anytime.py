"""One anytime run an item: enclosures, exchange, faces, then branch and bound until time is over.

    python experiments/certified_order/anytime.py [--inputs 2] [--seconds 5] [NAME ...]
    python experiments/certified_order/anytime.py table

Seconds are of one processor. One line of anytime.jsonl an item; items that have one are skipped.
"""

import json
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from realdata import real  # noqa: E402

from verixplain.attribution.eva import EVA  # noqa: E402
from verixplain.bounds import bound  # noqa: E402
from verixplain.certify.branching import Branching  # noqa: E402
from verixplain.certify.claim import Asked  # noqa: E402
from verixplain.certify.exchange import exchange  # noqa: E402
from verixplain.certify.faces import Faces  # noqa: E402
from verixplain.certify.order import closure, order  # noqa: E402
from verixplain.certify.topk import top_k  # noqa: E402
from verixplain.explanation import Order  # noqa: E402
from verixplain.request import Request, predicted_label  # noqa: E402

RESULTS = HERE / "anytime.jsonl"
NETWORKS = {
    "verix_mnist-10x2": "grid:7x7",
    "marabou_mnist5x20_leaky_relu": "grid:7x7",
    "mnist-net_256x2": "grid:7x7",
    "wong_mnist": "grid:7x7",
    "eran_convSmallRELU__PGDK": "grid:7x7",
    "cifar_base_kw": "grid:8x8",
    "cifar_deep_kw": "grid:8x8",
}
FACTORS = (1.0, 1.5)
MOMENTS = (1, 5, 20)


def asked(found, x, label: int, radius: float, words: str):
    """The query of an input at a radius of raw values in [0, 1]."""
    request = Request(radius=radius, units="scaled", groups=words, target=label)
    return request.query(found.network, SimpleNamespace(values=x, index=0, label=label))


def proved_radius(found, x, label: int, words: str) -> float:
    """About the largest radius at which CROWN proves the prediction."""

    def proves(radius: float) -> bool:
        box = asked(found, x, label, radius, words).box
        target = asked(found, x, label, radius, words).target
        bounds = bound(found.network, box.lower[None], box.upper[None], target, device="cpu")
        return bool(bounds.overlap_upper[0] < 0)

    low, high = 0.0, 0.0005
    while proves(high) and high < 0.5:
        low, high = high, 2 * high
    for _ in range(3):
        middle = (low + high) / 2
        low, high = (middle, high) if proves(middle) else (low, middle)
    return float(f"{low:.3g}")


def state(overlaps, above: np.ndarray, scores: np.ndarray, first: np.ndarray) -> dict:
    """What is decided by now."""
    decided = Order(closure(above))
    gap = overlaps.group_upper - overlaps.group_lower
    return {
        "pairs": decided.decided / decided.pairs,
        "top1": top_k(decided, scores, 1).status != "unknown",
        "top3": top_k(decided, scores, 3).status != "unknown",
        "closed": 1 - float(gap.sum() / first.sum()) if first.sum() > 0 else 1.0,
    }


def measured(query, seconds: float) -> dict:
    """The states after each rule, and of the tree at some moments after them."""
    from dataclasses import replace

    begin = time.process_time()
    explanation = EVA(device="cpu").explain(query)
    overlaps, scores = explanation.overlaps, explanation.group_scores
    first = overlaps.group_upper - overlaps.group_lower
    line = {"map": time.process_time() - begin}
    line["plain"] = state(overlaps, order(overlaps).above, scores, first)
    begin = time.process_time()
    raised = exchange(query, overlaps, device="cpu")
    line["exchange_seconds"] = time.process_time() - begin
    line["exchange"] = state(overlaps, order(overlaps).above | raised.above(), scores, first)
    faces = Faces(query, overlaps, "cpu")
    for row in raised.asked():
        faces.row(row, raised)
    line["rules_seconds"] = time.process_time() - begin
    upper = np.minimum(overlaps.group_upper, raised.row_upper.max(axis=0))
    rows = np.minimum(overlaps.box_row_upper, faces.box_upper)
    overlaps = replace(
        overlaps, group_upper=upper, row_upper=raised.row_upper.copy(), box_row_upper=rows
    )

    def above() -> np.ndarray:
        return closure(order(overlaps).above | raised.above())

    line["rules"] = state(overlaps, above(), scores, first)
    branching = Branching(query, overlaps, "cpu")
    moments = [moment for moment in MOMENTS if moment <= seconds]
    while moments:
        now = above()
        open_ = ~(now | now.T | np.eye(len(now), dtype=bool))
        better = branching.step(overlaps, Asked(open_), raised) if open_.any() else None
        spent = time.process_time() - begin
        if better is not None:
            overlaps = better
        while moments and (spent >= moments[0] or better is None):
            line[f"tree_{moments.pop(0)}"] = {
                **state(overlaps, above(), scores, first),
                "leaves": len(branching.tree.leaves),
                "spent": spent,
            }
    return line


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("names", nargs="*", default=list(NETWORKS))
    parser.add_argument("--inputs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=5)
    given = parser.parse_args()
    done = set()
    if RESULTS.exists():
        lines = map(json.loads, RESULTS.read_text().splitlines())
        done = {(line["name"], line["place"], line["factor"]) for line in lines}
    for place in range(given.inputs):
        for name in given.names:
            if all((name, place, factor) in done for factor in FACTORS):
                continue
            found, words = real(name, 20), NETWORKS[name]
            right = [
                index
                for index, (x, label) in enumerate(zip(found.inputs, found.labels, strict=True))
                if predicted_label(found.network(x[None])[0], found.network.card.kind) == label
            ]
            x, label = found.inputs[right[place]], int(found.labels[right[place]])
            radius = proved_radius(found, x, label, words)
            for factor in FACTORS:
                if (name, place, factor) in done or radius == 0:
                    continue
                query = asked(found, x, label, factor * radius, words)
                line = {"name": name, "place": place, "factor": factor, "input": right[place]}
                line |= {"radius": factor * radius} | measured(query, given.seconds)
                with RESULTS.open("a") as file:
                    file.write(json.dumps(line) + "\n")


def table() -> None:
    """The table of the README."""
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    last = max(moment for moment in MOMENTS if f"tree_{moment}" in lines[0])
    stages = {"plain": "CROWN + PGD", "exchange": "+ exchange", "rules": "+ faces"}
    stages |= {f"tree_{moment}": f"tree, {moment} s" for moment in MOMENTS if moment <= last}
    print(f"| network | radius, inputs | {' | '.join(stages.values())} | top-1, top-3 | "
          "gaps closed: faces, tree | leaves | seconds: map, exchange, faces |")  # fmt: skip
    print("|---" * (6 + len(stages)) + "|")
    for name in NETWORKS:
        for factor in FACTORS:
            some = [one for one in lines if (one["name"], one["factor"]) == (name, factor)]
            if not some:
                continue
            pairs = [
                " / ".join(f"{100 * one[stage]['pairs']:.0f}" for one in some) + " %"
                for stage in stages
            ]
            end = [one[f"tree_{last}"] for one in some]
            tops = ", ".join(
                f"{sum(one[k] for one in end)} of {len(end)}" for k in ("top1", "top3")
            )
            closed = [
                f"{100 * np.mean([one['closed'] for one in states]):.0f} %"
                for states in ([one["rules"] for one in some], end)
            ]
            spent = ", ".join(
                f"{np.mean([one[k] for one in some]):.2f}"
                for k in ("map", "exchange_seconds", "rules_seconds")
            )
            leaves = " / ".join(str(one["leaves"]) for one in end)
            radii = " / ".join(f"{one['radius']:.3g}" for one in some)
            print(f"| {name} | {factor:g} x: {radii} | {' | '.join(pairs)} | {tops} | "
                  f"{', '.join(closed)} | {leaves} | {spent} |")  # fmt: skip


if __name__ == "__main__":
    table() if sys.argv[1:] == ["table"] else main()
