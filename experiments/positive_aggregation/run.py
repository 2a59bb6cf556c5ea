"""Which maps hardly change with the class or with the weights: sanity checks of many methods.

    python experiments/positive_aggregation/run.py [--networks A,B] [--inputs N]

A network is a public one, or `standard 0` and so on, of experiments/scenes. Rows go to
results/NETWORK/LABEL/rows.jsonl; what is there is not computed again.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "tests"), str(HERE.parent / "scenes")]

import scenes  # noqa: E402
from realdata import real  # noqa: E402

from verixplain import Box, Groups, Query, Target  # noqa: E402
from verixplain.examination import Examination, examine  # noqa: E402
from verixplain.explainer import made  # noqa: E402

METHODS = {
    "GradCAM": ("grad-cam", {}),
    "GradCAM+": ("grad-cam-plus", {}),
    "GradCAM++": ("grad-cam-plus-plus", {}),
    "GradCAM-abs": ("grad-cam-abs", {}),
    "FullGrad signed": ("full-grad", {"handling": "signed"}),
    "FullGrad positive": ("full-grad", {"handling": "positive"}),
    "FullGrad absolute": ("full-grad", {"handling": "absolute"}),
    "gradient": ("saliency", {}),
    "integrated gradients": ("integrated-gradients", {}),
    "LRP epsilon": ("lrp", {"rule": "epsilon"}),
    "LRP alpha2-beta1": ("lrp", {"rule": "alpha2-beta1"}),
    "LRP z-plus": ("lrp", {"rule": "z-plus"}),
    "guided backprop": ("guided-backprop", {}),
    "deconvnet": ("deconvnet", {}),
    "RectGrad": ("rect-grad", {}),
}


def queries(name: str, count: int) -> list[Query]:
    """The first inputs, every pixel a group, about the class that wins."""
    kind, _, seed = name.partition(" ")
    if kind in scenes.KINDS:
        return [case.asked for case in scenes.cases(kind, int(seed), count)]
    item = real(name, count)
    network = item.network
    groups = Groups.pixels(network.input_shape, network.card.layout)
    labels = network(item.inputs).argmax(1)
    return [
        Query(network, Box.around(x.astype(np.float64), 0.0), Target.label(int(label)), groups)
        for x, label in zip(item.inputs, labels, strict=True)
    ]


def cell(found: Examination, check: str, measure: str, last: bool) -> str:
    """Mean and standard error of the last (or first) step; constant maps are counted."""
    lines = [one for one in found.table() if (one["check"], one["similarity"]) == (check, measure)]
    line = lines[-1 if last else 0]
    constant = f" ({line['constant']} constant)" if line["constant"] else ""
    if line["mean"] is None:
        return f"-{constant}"
    return f"{line['mean']:.2f} ± {line['standard_error'] or 0:.2f}{constant}"


def main() -> None:
    """Compute what is missing, then print a table a network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", default="eran_convSmallRELU__Point,standard 0,standard 1")
    parser.add_argument("--inputs", type=int, default=20)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    for name in chosen.networks.split(","):
        asked = queries(name, chosen.inputs)
        print(f"\n{name}, {len(asked)} inputs\n")
        print("| method | last class | of sizes | last layer anew | of sizes | all layers anew |")
        print("|---" * 6 + "|")
        for label, (method, settings) in METHODS.items():
            folder = HERE / "results" / name.replace(" ", "_") / label.replace(" ", "-")
            found = examine(asked, [made(method, settings)], ["class", "cascade"], folder=folder)
            cells = [
                cell(found, "class", "spearman", last=True),
                cell(found, "class", "spearman-absolute", last=True),
                cell(found, "cascade", "spearman", last=False),
                cell(found, "cascade", "spearman-absolute", last=False),
                cell(found, "cascade", "spearman", last=True),
            ]
            print(f"| {label} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
