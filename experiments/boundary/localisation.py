"""Where BIG, BSM and their baselines look, and how far the map at the boundary is.

    python experiments/boundary/localisation.py [--inputs N]

Networks and masks of experiments/scenes. One JSON line per (network, input) goes to
localisation.jsonl; what is there is not run again. Prints README's tables.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "scenes"))

import scenes  # noqa: E402

from verixplain import Box  # noqa: E402
from verixplain.attribution.bsm import BSM  # noqa: E402
from verixplain.attribution.deeplift import DeepLIFT  # noqa: E402
from verixplain.attribution.integrated_gradients import IntegratedGradients  # noqa: E402
from verixplain.attribution.saliency import Saliency  # noqa: E402
from verixplain.errors import NoBoundaryError  # noqa: E402
from verixplain.evaluation import Case, made_metric  # noqa: E402
from verixplain.explanation import Explanation  # noqa: E402
from verixplain.metrics._base import Sample  # noqa: E402

NETWORKS = [(kind, seed) for kind in scenes.KINDS for seed in (0, 1)]
METRICS = ("energy-game", "positive-share", "iou", "relevance-rank-accuracy")
SEARCH = {"steps": 30, "restarts": 1, "attacks": "deepfool,pgd,cw", "bound": "none"}


def maps(case: Case) -> dict[str, Explanation]:
    """The maps by name; one search serves all that start from the boundary point."""
    query = case.asked
    bsm = BSM(**SEARCH).explain(query)
    point = bsm.arrays["boundary_point"]
    return {
        "SM": Saliency().explain(query),
        "BSM": bsm,
        "normal at the boundary": Saliency(quantity="margin").explain(
            replace(query, box=Box.around(point, 0.0))
        ),
        "IG, black": IntegratedGradients().explain(query),
        "IG, white": IntegratedGradients(baseline=1.0).explain(query),
        "BIG": IntegratedGradients(baseline=point).explain(query),
        "DeepLIFT": DeepLIFT().explain(query),
        "boundary DeepLIFT": DeepLIFT(baseline=point).explain(query),
    }


def box_of(mask: np.ndarray) -> np.ndarray:
    """The smallest upright box of pixels that holds a mask (channels, rows, columns)."""
    rows, columns = (np.flatnonzero(mask[0].any(axis)) for axis in (1, 0))
    found = np.zeros_like(mask)
    found[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return found


def measured(case: Case) -> dict:
    """The four localisations of every map in the digit's box, and what lies between SM and BSM."""
    try:
        found = maps(case)
    except NoBoundaryError:
        return {"found": False}
    here, there, normal, black, white = (
        found[name].scores.ravel()
        for name in ("SM", "BSM", "normal at the boundary", "IG, black", "IG, white")
    )

    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    box = box_of(case.mask)
    localised = {
        name: {
            metric: made_metric(metric, {}).measure(Sample(one, mask=box)).value
            for metric in METRICS
        }
        for name, one in found.items()
    }
    return {
        "found": True,
        "distance": float(found["BSM"].arrays["distance_l2"]),
        "difference": float(np.linalg.norm(here - there)),
        "cosine": cosine(here, there),
        "normal_here": cosine(here, normal),
        "normal_there": cosine(there, normal),
        "baselines": cosine(black, white),
        "completeness": abs(float(found["BIG"].arrays["completeness_delta"])),
        "localised": localised,
    }


def mean(values: list[float], digits: int = 3) -> str:
    """Mean ± standard error."""
    error = np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):.{digits}f} ± {error:.{digits}f}"


def tables(rows: list[dict]) -> str:
    """Both tables of the README."""
    lines = [
        "| network, seed | inputs | distance | norm of SM - BSM | over the distance "
        "| cos(SM, BSM) | cos(SM, normal) | cos(BSM, normal) | cos(IG black, IG white) |",
        "|---" * 9 + "|",
    ]
    second = ["| network, seed | map | EG ↑ | PP ↑ | IoU ↑ | best k ↑ |", "|---" * 6 + "|"]
    for name in dict.fromkeys(row["network"] for row in rows):
        mine = [row for row in rows if row["network"] == name and row["found"]]
        cells = [mean([row[key] for row in mine]) for key in ("distance", "difference")]
        cells.append(mean([row["difference"] / row["distance"] for row in mine]))
        keys = ("cosine", "normal_here", "normal_there", "baselines")
        cells += [f"{np.mean([row[key] for row in mine]):.3f}" for key in keys]
        lines.append(f"| {name} | {len(mine)} | {' | '.join(cells)} |")
        for method in mine[0]["localised"]:
            values = [[row["localised"][method][one] for row in mine] for one in METRICS]
            second.append(f"| {name} | {method} | {' | '.join(map(mean, values))} |")
    return "\n".join([*lines, "", *second])


def main() -> None:
    """Run what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=40)
    count = parser.parse_args().inputs
    torch.set_num_threads(1)
    results = HERE / "localisation.jsonl"
    rows = (
        [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    )
    done = {(row["network"], row["input"]) for row in rows}
    for kind, seed in NETWORKS:
        name = f"{kind} {seed}"
        for case in scenes.cases(kind, seed, count):
            if (name, case.name) in done:
                continue
            rows.append({"network": name, "input": case.name, **measured(case)})
            with results.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            print(f"\r{name}: input {case.name}", end="", file=sys.stderr, flush=True)
    print("\n" + tables(rows))


if __name__ == "__main__":
    main()
