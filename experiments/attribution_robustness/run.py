"""How far gradient maps are provably stable, and where an attack changes them.

    python experiments/attribution_robustness/run.py [NAME ...]

One line of results.jsonl an item, and items that have one are skipped. In place of names, `table`
prints the tables and `picture` draws radii.png.
"""

import functools
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
from verixplain.bounds import Engine, method_named  # noqa: E402
from verixplain.bounds.enclosure import enclose  # noqa: E402
from verixplain.bounds.jacobian import gradients  # noqa: E402
from verixplain.certify.maps._arithmetic import cut, narrowed  # noqa: E402
from verixplain.certify.run import certify  # noqa: E402
from verixplain.query import Query  # noqa: E402
from verixplain.request import Request, predicted_label  # noqa: E402

RESULTS = HERE / "results.jsonl"
NETWORKS = {
    "mnist-net_256x2": "standard",
    "eran_convSmallRELU__Point": "standard",
    "eran_convSmallRELU__PGDK": "adversarial",
    "wong_mnist": "certified",
    "cifar_base_kw": "certified",
    "captum_titanic": "standard",
    "safenlp_ruarobot": "not known",
}
METHODS = {
    "saliency": "saliency",
    "integrated-gradients": "integrated-gradients,steps=10,rule=gauss-legendre",
}
QUESTIONS = {"top-1": ("map-stability", 1), "top-5": ("map-stability", 5), "sign": ("map-sign", 0)}
INPUTS = {"saliency": 10, "integrated-gradients": 2}
BUDGET = "8s"
WIDE, WIDTHS = 2, (0.003, 0.01)
"""Inputs, and radii (raw values scaled to [0, 1]), at which widths of enclosures are compared."""


data = functools.cache(real)


def queries(name: str, place: int, **asked):
    """The correctly classified real input at a place, and what turns a radius into raw values."""
    found = data(name, 30)
    network, done = found.network, 0
    flat = found.inputs.reshape(len(found.inputs), -1)
    if network.card.clip(network.input_shape) is None:
        asked["clip"] = (float(flat.min()), float(flat.max()))
    for index, (x, label) in enumerate(zip(found.inputs, found.labels, strict=True)):
        if predicted_label(network(x[None])[0], network.card.kind) == label:
            if done == place:
                given = SimpleNamespace(values=x, index=index, label=int(label), source=name)
                return index, Request(**asked).query(network, given), float(max(network.card.std))
            done += 1
    raise LookupError(f"{name} has no {place + 1} correctly classified inputs of 30")


def radii(query: Query, method: str, question: str) -> dict:
    """The proved and the attacked radius."""
    kind, k = QUESTIONS[question]
    options = {"radius": "max"} | ({"top_k": k} if k else {})
    begin = time.perf_counter()
    words = f"{kind}:{METHODS[method]}"
    found = certify(query, [words], EVA(device="cpu"), options=options, budget=BUDGET).claims[0]
    details = found.finding.details or {}
    return {
        "status": found.finding.status,
        "proved": details.get("r_estimate"),
        "attacked": details.get("r_attacked"),
        "error": details.get("error"),
        "seconds": time.perf_counter() - begin,
    }


def widths(query: Query) -> dict:
    """Median width of the class's gradient, of four enclosures that have more and more parts."""
    engine, plan = (one := Engine.of(query.network, "float64", "cpu")), one.exact
    low, high = engine.tensor(query.box.lower)[None], engine.tensor(query.box.upper)[None]
    rows = engine.tensor(np.eye(query.network.outputs)[[query.target.label_index]])
    shaped = rows.reshape(1, *plan.shapes[plan.output])
    plain = {name: (v.lower, v.upper) for name, v in enclose(plan, low, high).items()}
    crown = plain | dict(method_named("crown").run(engine, low, high, rows).values)

    def ends(values: dict, **chosen) -> np.ndarray:
        found = narrowed(cut(gradients(plan, shaped, values, kinks=True, **chosen)))
        return (found.upper - found.lower).numpy().ravel()

    found = {
        "intervals": ends(plain, symbols=0),
        "crown": ends(crown, symbols=0),
        "zonotope": ends(crown),
        "lines": ends(crown, symbols=0, products=True),
        "ours": ends(crown, products=True),
    }
    wide = found["intervals"] > 1e-9
    open_ = [(a <= 0) & (b >= 0) for n, (a, b) in crown.items() if n in plan.relaxed_inputs()]
    return {
        "open": int(sum(one.sum() for one in open_)),
        **{name: float(np.median(one[wide])) if wide.any() else 0.0
           for name, one in found.items()},
    }  # fmt: skip


def lines() -> list[dict]:
    return (
        [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    )


def keep(line: dict) -> None:
    with RESULTS.open("a") as file:
        file.write(json.dumps(line) + "\n")


def main(names: list[str]) -> None:
    """Input after input over all networks, so that a run that is stopped is even."""
    done = {(one["name"], one["place"], one["method"], one["question"]) for one in lines()}
    for place in range(max(INPUTS.values())):
        for name in names or NETWORKS:
            for radius in WIDTHS[: 2 * (place < WIDE)]:
                if (name, place, "widths", radius) not in done:
                    index, query, _ = queries(name, place, radius=radius, units="scaled")
                    keep({"name": name, "place": place, "input": index, "method": "widths",
                          "question": radius, **widths(query)})  # fmt: skip
            for method in [one for one, count in INPUTS.items() if place < count]:
                for question in QUESTIONS:
                    if (name, place, method, question) not in done:
                        index, query, scale = queries(name, place, radius="max")
                        found = radii(query, method, question)
                        keep({"name": name, "place": place, "input": index, "method": method,
                              "question": question, "budget": BUDGET, "scale": scale,
                              **found})  # fmt: skip


def of(known: list[dict], *key) -> list[dict]:
    """The rows of a network, method and question."""
    return [one for one in known if (one["name"], one["method"], one["question"]) == key]


def scaled(some: list[dict], side: str) -> list[float]:
    """Radii in raw values; 0 where none was proved, and no number where none was attacked."""
    if side == "proved":
        return [(one[side] or 0.0) * one["scale"] for one in some]
    return [one[side] * one["scale"] for one in some if one[side]]


def quartiles(numbers: list[float]) -> str:
    if not numbers:
        return "none"
    low, middle, high = np.percentile(numbers, [25, 50, 75])
    return f"{middle:.2g} ({low:.2g}-{high:.2g})"


def table() -> None:
    """The tables of the README."""
    known = lines()
    print("| network (training) | inputs | map | " + " | ".join(QUESTIONS) + " |")
    print("|---|---|---|---|---|---|")
    for name, training in NETWORKS.items():
        for method in INPUTS:
            parts = [of(known, name, method, question) for question in QUESTIONS]
            cells = []
            for some in parts:
                far = scaled(some, "attacked")
                words = f"{quartiles(scaled(some, 'proved'))} / {quartiles(far)}"
                cells.append(words + ("" if len(far) == len(some) else f" [{len(far)}]"))
            counts = "-".join(str(n) for n in sorted({len(some) for some in parts}))
            print(f"| {name} ({training}) | {counts} | {method} | " + " | ".join(cells) + " |")
    print()
    sides = ("intervals", "crown", "zonotope", "lines", "ours")
    print("| network | radius | open | " + " | ".join(sides) + " | ours / intervals |")
    print("|---|---|---|" + "---|" * (len(sides) + 1))
    for name in NETWORKS:
        for radius in WIDTHS:
            some = of(known, name, "widths", radius)
            both = [one for one in some if one["intervals"] > 0]
            if not both:
                continue
            cells = [f"{np.median([one[side] for one in both]):.2g}" for side in sides]
            ratio = np.median([one["ours"] / one["intervals"] for one in both])
            print(f"| {name} | {radius:g} | {np.median([one['open'] for one in both]):.0f} | "
                  + " | ".join(cells) + f" | {ratio:.2g} |")  # fmt: skip


def picture() -> None:
    """Median and quartiles of both radii, for every network, map and question."""
    import matplotlib.pyplot as plt

    known = lines()
    figure, axes = plt.subplots(
        len(INPUTS), len(QUESTIONS), figsize=(13, 7), sharex=True, sharey=True, squeeze=False
    )
    for row, method in zip(axes, INPUTS, strict=True):
        for axis, question in zip(row, QUESTIONS, strict=True):
            for number, name in enumerate(NETWORKS):
                for side, shift, colour in (("proved", -0.15, "C0"), ("attacked", 0.15, "C3")):
                    numbers = scaled(of(known, name, method, question), side)
                    if not numbers:
                        continue
                    low, middle, high = np.percentile(numbers, [25, 50, 75])
                    axis.plot([number + shift] * 2, [low, high], color=colour, linewidth=2)
                    label = side if number == 0 else None
                    axis.plot(number + shift, middle, "o", color=colour, label=label)
            axis.set_yscale("log")
            axis.set_title(f"{method}: {question}", fontsize=10)
            axis.grid(alpha=0.3)
            words = [f"{name}\n({training})" for name, training in NETWORKS.items()]
            axis.set_xticks(range(len(NETWORKS)), words, rotation=60, ha="right", fontsize=8)
    for row in axes:
        row[0].set_ylabel("radius (median, quartiles)")
    axes[0][0].legend()
    figure.tight_layout()
    figure.savefig(HERE / "radii.png", dpi=100)


if __name__ == "__main__":
    commands = {"table": table, "picture": picture}
    commands.get("".join(sys.argv[1:2]), lambda: main(sys.argv[1:]))()
