"""One anytime run an item: enclosures, exchange, faces, then covers and branch and bound by turns.

    python experiments/certified_order/anytime.py [--inputs 2] [--seconds 20] [--factors 1,1.5]
        [--without covers|tree] [NAME ...]
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
from verixplain.certify.budget import Budget  # noqa: E402
from verixplain.certify.claim import Task, claim_named  # noqa: E402
from verixplain.certify.order import closure, order  # noqa: E402
from verixplain.certify.run import _Run  # noqa: E402
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


def measured(query, seconds: float, without: str = "") -> dict:
    """The states after each rule, and of one run at some moments after the map.

    Args:
        query: what is asked.
        seconds: of the processor, after the map; a step that had begun is finished.
        without: `covers` or `tree`, to leave that out.
    """
    begin = time.process_time()
    explanation = EVA(device="cpu").explain(query)
    overlaps, scores = explanation.overlaps, explanation.group_scores
    first = overlaps.group_upper - overlaps.group_lower
    line = {"map": time.process_time() - begin}
    line["plain"] = state(overlaps, order(overlaps).above, scores, first)
    part = claim_named("order")[1]
    run = _Run(Task(query, EVA(device="cpu"), Budget(), lambda *told: None), explanation)
    if without:
        setattr(run, f"_{without}", lambda parts: iter(()))
    moments = [moment for moment in MOMENTS if moment <= seconds]

    def now() -> dict:
        proved = run.proved()
        return state(proved.overlaps, proved.order.above, scores, first)

    def settled() -> bool:
        spent = time.process_time() - begin
        while moments and spent >= moments[0]:
            line[f"run_{moments.pop(0)}"] = {**now(), "spent": spent}
        return not moments or part.judge(run.proved()).status != "unknown"

    begin = time.process_time()
    run.exchange(settled, [part])
    line["exchange_seconds"] = time.process_time() - begin
    line["exchange"] = now()
    run.faces(settled, [part])
    line["rules_seconds"] = time.process_time() - begin
    line["rules"] = now()
    run.search(settled, [part])
    line["nodes"], line["notes"] = run.budget.nodes, run.notes
    for moment in moments:  # settled, or nothing left to try, before its time
        line[f"run_{moment}"] = {**now(), "spent": time.process_time() - begin}
    return line


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("names", nargs="*", default=list(NETWORKS))
    parser.add_argument("--inputs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--factors", default="1,1.5")
    parser.add_argument("--without", choices=("", "covers", "tree"), default="")
    given = parser.parse_args()
    factors = [float(factor) for factor in given.factors.split(",")]
    done = set()
    if RESULTS.exists():
        lines = map(json.loads, RESULTS.read_text().splitlines())
        done = {(one["name"], one["place"], one["factor"], one["without"]) for one in lines}
    for place in range(given.inputs):
        for name in given.names:
            asked_for = [f for f in factors if (name, place, f, given.without) not in done]
            if not asked_for:
                continue
            found, words = real(name, 20), NETWORKS[name]
            right = [
                index
                for index, (x, label) in enumerate(zip(found.inputs, found.labels, strict=True))
                if predicted_label(found.network(x[None])[0], found.network.card.kind) == label
            ]
            x, label = found.inputs[right[place]], int(found.labels[right[place]])
            radius = proved_radius(found, x, label, words)
            for factor in asked_for if radius else []:
                query = asked(found, x, label, factor * radius, words)
                line = {"name": name, "place": place, "factor": factor, "without": given.without}
                line |= {"input": right[place], "radius": factor * radius}
                line |= measured(query, given.seconds, given.without)
                with RESULTS.open("a") as file:
                    file.write(json.dumps(line) + "\n")


def table() -> None:
    """The tables of the README: everything together, then with a part left out."""
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    stages = {"plain": "CROWN + PGD", "exchange": "+ exchange", "rules": "+ faces"}
    stages |= {f"run_{moment}": f"{moment} s" for moment in MOMENTS}
    for without in ("", "covers", "tree"):
        some = [one for one in lines if one["without"] == without]
        if some:
            print(f"\nwithout {without}\n" if without else "")
            part_table(some, stages)


def part_table(lines: list[dict], stages: dict[str, str]) -> None:
    """One row a network and radius."""
    last = f"run_{MOMENTS[-1]}"
    print(f"| network | radius, inputs | {' | '.join(stages.values())} | top-1, top-3 at the end | "
          "gaps closed: faces, end | seconds: map, exchange, faces |")  # fmt: skip
    print("|---" * (5 + len(stages)) + "|")
    for name in NETWORKS:
        for factor in FACTORS:
            some = [one for one in lines if (one["name"], one["factor"]) == (name, factor)]
            if not some:
                continue
            pairs = [
                " / ".join(f"{100 * one[stage]['pairs']:.0f}" for one in some) + " %"
                for stage in stages
            ]
            end = [one[last] for one in some]
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
            radii = " / ".join(f"{one['radius']:.3g}" for one in some)
            print(f"| {name} | {factor:g} x: {radii} | {' | '.join(pairs)} | {tops} | "
                  f"{', '.join(closed)} | {spent} |")  # fmt: skip


if __name__ == "__main__":
    table() if sys.argv[1:] == ["table"] else main()
