"""Robustness claims on public networks: what the independent checker accepts, and what it costs.

    python experiments/certificates/run.py [NAME ...]

One line of results.jsonl an input, and inputs that have one are skipped; `table` prints the table.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from realdata import entries, real  # noqa: E402

from verixplain.bounds import Engine  # noqa: E402
from verixplain.bounds.parent import bound_groups  # noqa: E402
from verixplain.certificate.checking import check_bytes  # noqa: E402
from verixplain.certificate.draft import Draft, Way  # noqa: E402
from verixplain.certificate.issue import issue  # noqa: E402
from verixplain.certify.claim import Finding, Stands  # noqa: E402
from verixplain.certify.run import Certified, Outcome  # noqa: E402
from verixplain.errors import VerixplainError  # noqa: E402
from verixplain.explanation import Explanation  # noqa: E402
from verixplain.features import Groups  # noqa: E402
from verixplain.query import Box, Query, Target  # noqa: E402
from verixplain.request import length, position, predicted_label  # noqa: E402

RESULTS = HERE / "results.jsonl"
INPUTS = 5
SECONDS = 60
"""For the inputs of one network; the first is always done."""

RADII = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)
"""Of inputs scaled to [0, 1] where a card says how, else of the network's own."""


def target(network, scores: np.ndarray) -> Target:
    """The decision; of a network with one number, that it stays within a tenth."""
    if scores.size == 1:
        value, room = float(scores[0]), 0.1 * abs(float(scores[0]))
        return Target.rows(np.array([[1.0], [-1.0]]), np.array([-value - room, value - room]))
    label = predicted_label(scores, network.card.kind)
    return Target.label(int(label), network.card.kind == "scores-min")


def query(network, values: np.ndarray, radius: float) -> Query:
    card, shape = network.card, network.input_shape
    clip = None
    if card.range is not None:  # normalised in float32, an input may lie a last place outside
        low, high = (position(end, "scaled", card, shape) for end in card.range)
        clip = np.minimum(low, values), np.maximum(high, values)
    box = Box.around(values, length(np.array(radius), "scaled", card, shape), clip)
    return Query(network, box, target(network, network(values[None])[0]))


def producer(asked: Query) -> tuple[float, float]:
    """CROWN's bound of the largest row, widened for rounding, and its processor seconds."""
    begin = time.process_time()
    one = Groups(asked.network.input_shape, (np.array([0]),), ("first input",))
    engine = Engine.of(asked.network, "float64", "cpu")
    found = bound_groups(engine, asked.box, one, asked.target)
    return float(found.parent.max()), time.process_time() - begin


def refusal(asked: Query) -> str:
    """What the checker does not know of the network; "" where it knows all of it."""
    draft = Draft(asked, [], Way())
    rows = len(asked.target.matrix(asked.network.outputs)[0])
    draft.claim("bound", upper=dict.fromkeys(draft.semantics, np.zeros(rows)))
    (report,) = check_bytes(asked.network.data, [draft.encoded()])
    return report["detail"] if report.get("reason") == "operator" else ""


def measured(network, values: np.ndarray) -> dict:
    """The largest radius of the ladder that CROWN certifies, and its certificate."""
    line: dict = {"radius": None}
    asked = None
    refused = refusal(query(network, values, 0.0))
    if refused:
        return line | {"error": f"the checker refuses: {refused}"}
    for radius in RADII:
        trial = query(network, values, radius)
        upper, seconds = producer(trial)
        if not upper < 0:
            break
        asked, line = trial, {"radius": radius, "producer": upper, "crown": seconds}
    if asked is None:
        return line
    finding = Finding("estimate", "", line["producer"], rests_on=Stands(np.array([], int)))
    claim = Outcome("prediction", {}, finding, "settled", 0.0, 0)
    explanation = Explanation(asked, "crown", "estimate", np.zeros(len(asked.groups)))
    begin = time.perf_counter()
    found = issue(Certified(explanation, (claim,), 0.0))
    line["issue"] = time.perf_counter() - begin
    line["notes"], finding = list(found.explanation.notes), found.claims[0].finding
    line["status"], line["semantics"] = finding.status, finding.semantics
    if finding.certificate is not None:
        (report,) = check_bytes(network.data, [finding.certificate])
        assert finding.details is not None
        line |= {"bytes": len(finding.certificate), "check": report["seconds"]}
        line["bounds"] = finding.details["certified_bounds"]
    return line


def main(names: list[str]) -> None:
    torch.set_num_threads(1)
    done = set()
    if RESULTS.exists():
        done = {(one["name"], one["input"]) for one in map(json.loads, RESULTS.open())}
    for name in sorted(entries(), key=lambda name: entries()[name]["params"]):
        if names and name not in names:
            continue
        begin = time.perf_counter()
        for index in range(INPUTS):
            if (name, index) in done:
                continue
            if time.perf_counter() - begin > SECONDS:
                break
            line = {"name": name, "input": index, "model_bytes": None}
            try:
                found = real(name, INPUTS)
                line["model_bytes"] = len(found.network.data)
                line |= measured(found.network, found.inputs[index])
            except VerixplainError as error:
                line["error"] = f"{type(error).__name__}: {error}"[:300]
            with RESULTS.open("a") as file:
                file.write(json.dumps(line) + "\n")
            if "error" in line:
                break


def table() -> None:
    """The table of the README."""
    lines = [json.loads(line) for line in RESULTS.read_text().splitlines()]
    print(
        "| network | inputs | radius | claims | real | float32 | lost | producer | real bound "
        "| float32 bound | producer s | issue s | check s | bytes | of the ONNX |"
    )
    print("|" + "---|" * 15)
    for name in dict.fromkeys(line["name"] for line in lines):
        some = [line for line in lines if line["name"] == name]
        made = [line for line in some if line.get("radius")]
        held = [line for line in made if line.get("bytes")]
        why = next((line["error"] for line in some if "error" in line), "")
        why = why or next((n for line in made for n in line["notes"]), "")
        counts = [len(some), len(made), len(held)]
        both = sum(line["semantics"] == "real+float32" for line in held)
        words = f"| {name} | {counts[0]} | {_range(line['radius'] for line in made)} | {counts[1]} "
        words += f"| {counts[2]} | {both} | {counts[1] - counts[2]} "
        if not held:
            print(words + f"| {why[:110]} |" + " |" * 7)
            continue
        first = next((line for line in held if "float32" in line["bounds"]), held[0])
        numbers = [
            first["producer"],
            first["bounds"]["real"],
            first["bounds"].get("float32", np.nan),
        ]
        spent = [np.median([line[key] for line in held]) for key in ("crown", "issue", "check")]
        size = np.median([line["bytes"] for line in held])
        words += "| " + " | ".join(f"{number:.6g}" for number in numbers)
        words += " | " + " | ".join(f"{number:.2g}" for number in spent)
        print(words + f" | {size:,.0f} | {100 * size / first['model_bytes']:.2g} % |")


def _range(radii) -> str:
    found = sorted(set(radii))
    return "" if not found else f"{found[0]:g}" + (f" to {found[-1]:g}" if found[1:] else "")


if __name__ == "__main__":
    table() if sys.argv[1:] == ["table"] else main(sys.argv[1:])
