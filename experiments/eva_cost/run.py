"""Seconds and closeness of a verified importance map: one parent pass against a bound per group.

One JSON line per (network, group set) goes to results.jsonl; what is there is not run again.
Each item runs in a process of its own, on one thread. Seconds are the processor's.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
NETWORKS = [
    "mnist-net_256x4",
    "wong_mnist",
    "eran_convSmallRELU__PGDK",
    "cifar_base_kw",
    "resnet_2b",
]
SAMPLED = 128  # groups bounded one by one where all of them would take too long


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--item", nargs=2, metavar=("NETWORK", "GROUPS"))
    parser.add_argument("--input", type=int, default=0, help="number of the real input")
    chosen = parser.parse_args()
    if chosen.item:
        print(json.dumps(measure(*chosen.item, chosen.input)))
        return
    results = HERE / "results.jsonl"
    done = (
        [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    )
    finished = {(row["network"], row["groups"]) for row in done}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for network in NETWORKS:
        for groups in ("patches", "pixels"):
            if (network, groups) in finished:
                continue
            command = [sys.executable, __file__, "--item", network, groups]
            found = subprocess.run(
                command, capture_output=True, text=True, env=environment, check=False
            )
            if found.returncode:
                print(network, groups, found.stderr.strip().splitlines()[-1], file=sys.stderr)
                continue
            with results.open("a") as file:
                file.write(found.stdout)
            done.append(json.loads(found.stdout))
    print(table(done))


def measure(name: str, kind: str, number: int) -> dict:
    """All figures of one network and group set."""
    sys.path.insert(0, str(HERE.parents[1] / "tests"))
    import numpy as np
    import torch
    from realdata import real
    from scipy.stats import spearmanr

    from verixplain.attribution.eva import frozen_boxes
    from verixplain.bounds import Engine, bound
    from verixplain.bounds.parent import bound_groups
    from verixplain.features import Groups
    from verixplain.query import Box, Query, Target

    torch.set_num_threads(1)
    item = real(name, number + 1)
    network, x = item.network, item.inputs[number]
    target = Target.label(int(network(x[None])[0].argmax()))
    clip, layout = network.card.clip(network.input_shape), network.card.layout
    if clip is not None:  # a black pixel in float32 may lie a rounding outside its own range
        clip = np.minimum(clip[0], x), np.maximum(clip[1], x)

    def box_of(radius: float) -> Box:
        return Box.around(x, network.card.radius(radius, network.input_shape), clip)

    def crown(box: Box, dtype: str, widen: bool = True) -> float:
        engine = Engine.of(network, dtype, "cpu")
        engine.widen = widen
        try:
            found = bound(
                network, box.lower[None], box.upper[None], target, dtype=dtype, device="cpu"
            )
            return float(found.overlap_upper[0])
        finally:
            engine.widen = True

    low, high = 0.0, 0.5
    for _ in range(12):  # the radius (in raw units, 0 to 1) at which CROWN proves the prediction
        middle = (low + high) / 2
        low, high = (middle, high) if crown(box_of(middle), "float64") < 0 else (low, middle)
    box = box_of(low)
    shape = network.input_shape
    groups = Groups.pixels(shape, layout) if kind == "pixels" else Groups.grid(shape, 8, 8, layout)
    query = Query(network, box, target, groups)

    engines = {dtype: Engine.of(network, dtype, "cpu") for dtype in ("float64", "float32")}
    parents = {
        dtype: (lambda engine=engine: bound_groups(engine, box, groups, target))
        for dtype, engine in engines.items()
    }
    found = parents["float64"]()
    spent = seconds(
        {
            "one_raw32": lambda: crown(box, "float32", widen=False),
            "one_raw64": lambda: crown(box, "float64", widen=False),
            "one_rigorous64": lambda: crown(box, "float64"),
            "parent64": parents["float64"],
            "parent32": parents["float32"],
        },
        5,
    )
    row = {
        "network": name,
        "groups": kind,
        "count": len(groups),
        "radius": low,
        **spent,
        "rows_evaluated": found.rows_evaluated,
    }
    chosen = np.arange(len(groups))
    if x.size == 3072 and len(groups) > SAMPLED:
        chosen = np.sort(np.random.default_rng(0).choice(chosen, SAMPLED, replace=False))
    held = np.concatenate(
        [np.stack(frozen_boxes(query, int(u), int(u) + 1), axis=1) for u in chosen]
    )
    engines["float64"].widen = False
    begin = time.process_time()
    alone = bound(network, held[:, 0], held[:, 1], target, dtype="float64", device="cpu")
    spent = time.process_time() - begin
    truth, ours = alone.overlap_upper, found.groups[chosen]
    apart = np.abs(truth - truth.max()) > 1e-6
    spread = float(np.ptp(truth))
    row |= {
        "per_group_measured": len(chosen),
        "per_group": spent / len(chosen) * len(groups),
        "spearman": float(spearmanr(truth[apart], ours[apart]).statistic),
        "difference": float(np.abs(truth - ours).mean() / spread),
    }
    return row


def seconds(calls: dict, times: int) -> dict[str, float]:
    """Median processor seconds of calls that take turns, after one of each that is not counted."""
    spent = {name: [] for name in calls}
    for turn in range(times + 1):
        for name, call in calls.items():
            begin = time.process_time()
            call()
            if turn:
                spent[name].append(time.process_time() - begin)
    return {name: statistics.median(found) for name, found in spent.items()}


def table(rows: list[dict]) -> str:
    """The figures as README shows them."""
    head = (
        "| network, groups | radius | (a) one bound, raw f64 (f32) | (c) parent pass f64 (f32) | "
        "(b) per group | (c)/(a) | (c)/max((a), 50 ms) | (b)/(c) | Spearman | mean diff / spread |"
    )
    lines = [head, "|---" * 10 + "|"]
    for row in rows:
        a, c, b = row["one_raw64"], row["parent64"], row["per_group"]
        part = "" if row["per_group_measured"] == row["count"] else " *"
        lines.append(
            f"| {row['network']}, {row['count']} | {row['radius']:.4f} "
            f"| {1e3 * a:.0f} ({1e3 * row['one_raw32']:.0f}) ms "
            f"| {1e3 * c:.0f} ({1e3 * row['parent32']:.0f}) ms | {b:.2f} s{part} "
            f"| {c / a:.2f} | {c / max(a, 0.05):.2f} | {b / c:.0f} "
            f"| {row['spearman']:.4f} | {100 * row['difference']:.2f} % |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
