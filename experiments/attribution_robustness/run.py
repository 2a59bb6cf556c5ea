"""How far gradient maps are provably stable, and where an attack changes them.

    python experiments/attribution_robustness/run.py [NAME ...]

One line of results.jsonl an item, and items that have one are skipped; `table` prints the tables.
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
from verixplain.bounds import Engine, method_named  # noqa: E402
from verixplain.bounds.enclosure import enclose  # noqa: E402
from verixplain.bounds.jacobian import gradients  # noqa: E402
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
    "gradient-times-input": "gradient-times-input",
    "integrated-gradients": "integrated-gradients,steps=10,rule=gauss-legendre",
    "smoothgrad": "smoothgrad,samples=10",
}
QUESTIONS = {"top-1": ("map-stability", 1), "top-5": ("map-stability", 5), "sign": ("map-sign", 0)}
INPUTS, BUDGET = 3, "3s"
WIDTHS = (0.003, 0.01)
"""Radii, of raw values scaled to [0, 1], at which the widths of enclosures are compared."""


def queries(name: str, **asked):
    """The first correctly classified real inputs, and what turns a radius into raw values."""
    found = real(name, 20)
    network, done = found.network, 0
    flat = found.inputs.reshape(len(found.inputs), -1)
    if network.card.clip(network.input_shape) is None:
        asked["clip"] = (float(flat.min()), float(flat.max()))
    for index, (x, label) in enumerate(zip(found.inputs, found.labels, strict=True)):
        if predicted_label(network(x[None])[0], network.card.kind) != label:
            continue
        given = SimpleNamespace(values=x, index=index, label=int(label), source=name)
        yield index, Request(**asked).query(network, given), float(max(network.card.std))
        done += 1
        if done == INPUTS:
            return


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
    """Median width of the class's gradient: CROWN and zonotopes beside intervals alone."""
    engine, plan = (one := Engine.of(query.network, "float64", "cpu")), one.exact
    low, high = engine.tensor(query.box.lower)[None], engine.tensor(query.box.upper)[None]
    rows = np.eye(query.network.outputs)[[query.target.label_index]]
    rows = engine.tensor(rows)
    shaped = rows.reshape(1, *plan.shapes[plan.output])
    plain = {name: (v.lower, v.upper) for name, v in enclose(plan, low, high).items()}
    crown = plain | dict(method_named("crown").run(engine, low, high, rows).values)
    ours = gradients(plan, shaped, crown, kinks=True)
    sides = {
        "intervals": gradients(plan, shaped, plain, kinks=True, symbols=0),
        "crown and intervals": gradients(plan, shaped, crown, kinks=True, symbols=0),
        "ours": ours,
    }
    reach = ours.symbols.abs().sum(1) + ours.rest
    found = {name: (one.upper - one.lower).numpy().ravel() for name, one in sides.items()}
    found["ours"] = np.minimum(found["ours"], 2 * reach.numpy().ravel())
    wide = found["intervals"] > 1e-9
    return {
        "open": int(sum(((a <= 0) & (b >= 0)).sum() for n, (a, b) in crown.items()
                        if n in plan.relaxed_inputs())),
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
    done = {(one["name"], one["place"], one["method"], one["question"]) for one in lines()}
    for name in names or NETWORKS:
        for place, (index, query, scale) in enumerate(queries(name, radius="max")):
            for method in METHODS:
                for question in QUESTIONS:
                    if (name, place, method, question) not in done:
                        found = radii(query, method, question)
                        keep({"name": name, "place": place, "input": index, "method": method,
                              "question": question, "scale": scale, **found})  # fmt: skip
        for radius in WIDTHS:
            asked = {"radius": radius, "units": "scaled"}
            for place, (index, query, _) in enumerate(queries(name, **asked)):
                if (name, place, "widths", radius) not in done:
                    keep({"name": name, "place": place, "input": index, "method": "widths",
                          "question": radius, **widths(query)})  # fmt: skip


def quartiles(numbers: list[float]) -> str:
    if not numbers:
        return "none"
    low, middle, high = np.percentile(numbers, [25, 50, 75])
    return f"{middle:.2g} ({low:.2g}-{high:.2g})"


def table() -> None:
    """The tables of the README."""
    known = lines()
    print("| network (training) | map | " + " | ".join(QUESTIONS) + " |")
    print("|---|---|---|---|---|")
    for name, training in NETWORKS.items():
        for method in METHODS:
            cells = []
            for question in QUESTIONS:
                some = [one for one in known if (one["name"], one["method"], one["question"])
                        == (name, method, question)]  # fmt: skip
                proved = [one["proved"] * one["scale"] for one in some if one["proved"]]
                far = [one["attacked"] * one["scale"] for one in some if one["attacked"]]
                words = f"{quartiles(proved)} / {quartiles(far)}"
                cells.append(words + ("" if len(far) == len(some) else f" [{len(far)}]"))
            print(f"| {name} ({training}) | {method} | " + " | ".join(cells) + " |")
    print()
    print("| network | radius | open | intervals | CROWN + intervals | ours | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name in NETWORKS:
        for radius in WIDTHS:
            some = [one for one in known if (one["name"], one["method"], one["question"])
                    == (name, "widths", radius)]  # fmt: skip
            if not some:
                continue
            both = [one for one in some if one["intervals"] > 0]
            cells = [f"{np.median([one[side] for one in both]):.2g}" if both else "0"
                     for side in ("intervals", "crown and intervals", "ours")]  # fmt: skip
            ratio = np.median([one["ours"] / one["intervals"] for one in both]) if both else 0
            print(f"| {name} | {radius:g} | {np.median([one['open'] for one in some]):.0f} | "
                  + " | ".join(cells) + f" | {ratio:.2f} |")  # fmt: skip


if __name__ == "__main__":
    table() if sys.argv[1:] == ["table"] else main(sys.argv[1:])
