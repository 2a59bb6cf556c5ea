"""EVA and other methods by Deletion, Insertion, MuFidelity, Robustness-Sr and time.

    python experiments/eva_against_baselines/run.py [--networks A,B] [--inputs N] [--attacked N]

Rows go to results/NETWORK/rows.jsonl; what is there is not computed again. The values alone are
in results.csv. Prints README's tables.
"""

import argparse
import csv
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from realdata import real  # noqa: E402

from verixplain import Groups, Query, Target  # noqa: E402
from verixplain.attribution._base import Attribution, Explained, Scores  # noqa: E402
from verixplain.attribution.saliency import Saliency  # noqa: E402
from verixplain.evaluation import Case, Evaluation, evaluate  # noqa: E402
from verixplain.metrics.robustness_sr import RobustnessSr  # noqa: E402
from verixplain.query import Box  # noqa: E402

NETWORKS = {"wong_mnist": (0.1, 14), "cifar_base_kw": (2 / 255, 16)}
"""Radius of EVA's box (raw, 0 to 1), and the side of the grid of patches."""


@dataclass(frozen=True)
class Random(Attribution):
    """Random scores: what every method should beat. Source: a control."""

    name = "random"

    def scores(self, explained: Explained) -> Scores:
        seed = int(explained.x.sum() * 1e6) % 2**32
        drawn = np.random.default_rng(seed).normal(size=explained.x.shape)
        return Scores(torch.as_tensor(drawn))


METHODS = (
    Random(), Saliency(absolute=True), "gradient-times-input", "smoothgrad", "vargrad",
    "integrated-gradients", "occlusion", "rise", "grad-cam", "grad-cam-plus-plus", "bsm", "big",
    "eva",
)  # fmt: skip
SETTINGS = {"bsm": {"bound": "none"}, "big": {"bound": "none"}, "eva": {"steps": 0}}
"""Nothing is proved about boundary points, and EVA's scores need no attack."""

CHEAP = ("deletion", "insertion", "mu-fidelity")


def cases(name: str, count: int) -> list[Case]:
    """The first inputs that the network gets right."""
    radius, side = NETWORKS[name]
    item = real(name, 3 * count)
    network, shape = item.network, item.network.input_shape
    right = np.flatnonzero(network(item.inputs).argmax(1) == item.labels)[:count]
    low, high = network.card.clip(shape)
    groups = Groups.grid(shape, side, side, network.card.layout)
    found = []
    for index in right:
        x = item.inputs[index].astype(np.float64)
        clip = np.minimum(low, x), np.maximum(high, x)  # float32 may miss an end by a last digit
        box = Box.around(x, network.card.radius(radius, shape), clip)
        label = Target.label(int(item.labels[index]))
        found.append(Case(str(index), Query(network, box, label, groups)))
    return found


def run(name: str, inputs: int, attacked: int) -> tuple[Evaluation, Evaluation]:
    """Both parts of one network's table."""
    chosen, folder = cases(name, inputs), HERE / "results" / name

    def told(stage: str, done: int, total: int) -> None:
        print(f"\r{name}: {done} of {total} {stage}", end="", file=sys.stderr, flush=True)

    robustness = RobustnessSr(steps=20, restarts=4, shares="0.1,0.2,0.3")
    common = {"folder": folder, "settings": SETTINGS, "progress": told}
    return (
        evaluate(chosen, METHODS, CHEAP, **common),
        evaluate(chosen[:attacked], METHODS, [robustness], **common),
    )


def seconds(name: str, methods: tuple, count: int = 5) -> dict[str, float]:
    """Mean seconds of the processor for one explanation, after one that does not count."""
    file = HERE / "results" / name / "seconds.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    for method in methods:
        if method.name not in known:
            first, *others = cases(name, count + 1)
            method.explain(first.asked)
            begin = time.process_time()
            for case in others:
                method.explain(case.asked)
            known[method.name] = (time.process_time() - begin) / count
            file.write_text(json.dumps(known))
    return known


def write_values(name: str, found: tuple[Evaluation, Evaluation]) -> None:
    """This network's rows, without what belongs to them, into results.csv."""
    file, columns = HERE / "results.csv", ("network", "input", "method", "metric", "value", "lower")
    rows = []
    if file.exists():
        with file.open(newline="") as opened:
            rows = [row for row in csv.DictReader(opened) if row["network"] != name]
    for row in (*found[0].rows, *found[1].rows):
        rounded = {key: "" if row[key] is None else f"{row[key]:.5g}" for key in ("value", "lower")}
        rows.append({**{key: row.get(key) for key in columns}, "network": name, **rounded})
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def table(cheap: Evaluation, robust: Evaluation, spent: dict[str, float]) -> str:
    """Mean ± standard error; Robustness-Sr as found by the attack, and as bounds show."""
    lines = [
        "| method | Deletion ↓ | Insertion ↑ | MuFidelity ↑ | Robustness-Sr ↓ (attack) | "
        "from bounds, at least | seconds |",
        "|---" * 7 + "|",
    ]
    found = {(one["method"], one["metric"]): one for one in (*cheap.table(), *robust.table())}

    def cell(one: dict) -> str:
        failed = f" ({one['failed']} failed)" if one["failed"] else ""
        return f"{one['mean']:.3f} ± {one['standard_error']:.3f}{failed}"

    for method in cheap.methods:
        cells = [cell(found[method.name, metric]) for metric in (*CHEAP, "robustness-sr")]
        lower = found[method.name, "robustness-sr"]["lower_mean"]
        cost = spent[method.name]
        lines.append(f"| {method.name} | {' | '.join(cells)} | {lower:.3f} | {cost:.2g} |")
    return "\n".join(lines)


def main() -> None:
    """Compute what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--inputs", type=int, default=100)
    parser.add_argument("--attacked", type=int, default=20, help="inputs for Robustness-Sr")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for name in chosen.networks.split(","):
        found = run(name, chosen.inputs, chosen.attacked)
        write_values(name, found)
        print(f"\n\n{name}, {len(found[0].rows) // len(CHEAP) // len(METHODS)} inputs\n")
        print(table(*found, seconds(name, found[0].methods)))


if __name__ == "__main__":
    main()
