"""Every public network: loading, parity, and what each bound costs and gives.

    OMP_NUM_THREADS=1 python experiments/zoo/run.py [NAME ...]

One (network, bound) pair after the other, each in a process of its own with a limit of time and of
memory; a line of results.jsonl for every pair that ended. Pairs that are there already are left
out, so the run can be stopped and started again. README.md gets its table from results.jsonl:

    python experiments/zoo/run.py --table
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))
RESULTS, README = HERE / "results.jsonl", HERE / "README.md"
SECONDS, GIGABYTES = 120, 16
BOUNDS = ("interval", "crown", "crown-ibp")
BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


def radius_of(real) -> tuple[object, str]:
    """1/255 of the pixel range for images, 0.001 for tables and signals, in the model's units."""
    card, shape = real.network.card, real.network.input_shape
    if card.range is None:
        return 0.001, "0.001"
    scaled = 1 / 255 * (card.range[1] - card.range[0])
    return card.radius(scaled, shape), "1/255"


def measure(name: str, bound_name: str) -> dict:
    """One network under one bound, in this process."""
    import numpy as np
    import realdata
    import torch

    from verixplain.bounds import bound
    from verixplain.query import Box, Target
    from verixplain.request import predicted_label

    torch.set_num_threads(1)
    begin = time.perf_counter()
    real = realdata.real(name, 20)
    network = real.network
    found: dict = {
        "load_seconds": time.perf_counter() - begin,
        "parameters": network.parameters,
        "batchable": network.unbatchable is None,
        "inputs": real.source,
    }
    if bound_name == "load":
        parity = network.compare(real.inputs)
        return found | {
            "parity_absolute": parity.absolute,
            "parity_relative": parity.relative,
            "parity_points": parity.points,
        }
    center = real.inputs[0].astype(np.float64)
    radius, words = radius_of(real)
    box = Box.around(center, radius)
    label = predicted_label(network(real.inputs[:1])[0], network.card.kind)
    target = (
        Target.rows([[1.0]])
        if label is None
        else Target.label(label, network.card.kind == "scores-min")
    )
    begin = time.perf_counter()
    result = bound(network, box.lower[None], box.upper[None], target, bound_name, device="cpu")
    return found | {
        "seconds": time.perf_counter() - begin,
        "radius": words,
        "upper": float(result.overlap_upper[0]),
        "allowance": float(result.allowance.max()),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


def child(name: str, bound_name: str) -> None:
    """Measure under a limit of memory; the last line that is printed is the result."""
    size = GIGABYTES * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    try:
        found = {"status": "ok", **measure(name, bound_name)}
    except MemoryError as error:
        found = {"status": "out-of-memory", "reason": str(error)[:300]}
    except Exception as error:
        kind = type(error).__name__
        status = "out-of-memory" if kind == "OutOfMemoryError" else kind
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        found = {"status": status, "reason": str(error)[:300], "peak_bytes": peak}
    print(json.dumps(found))


def ran(name: str, bound_name: str) -> dict:
    """One pair in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    begin = time.perf_counter()
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", __file__, "--child", name, bound_name],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return {"status": "timeout", "reason": f"more than {SECONDS} s"}
    lines = done.stdout.strip().splitlines()
    if not lines:
        words = done.stderr.strip().splitlines()[-1:] or [f"exit {done.returncode}"]
        return {"status": "killed", "reason": words[0][:300]}
    return json.loads(lines[-1]) | {"wall_seconds": time.perf_counter() - begin}


def known() -> list[dict]:
    """The lines of results.jsonl."""
    if not RESULTS.is_file():
        return []
    return [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]


def run(names: list[str]) -> None:
    """Everything that is not there yet."""
    import realdata

    from verixplain import __version__

    done = {(line["network"], line["bound"]) for line in known()}
    for name in names or list(realdata.entries()):
        for bound_name in ("load", *BOUNDS):
            if (name, bound_name) in done:
                continue
            line = {"network": name, "bound": bound_name, "version": __version__}
            line |= ran(name, bound_name)
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            shown = {k: line[k] for k in ("status", "seconds", "upper") if k in line}
            print(name, bound_name, shown, flush=True)


def number(value: float | None) -> str:
    """Three digits, or a dash."""
    return "–" if value is None else f"{value:.3g}"


def cell(line: dict | None, key: str) -> str:
    """A number of a result, or why there is none."""
    if line is None:
        return "not run"
    if line["status"] != "ok":
        return line["status"] if key == "upper" else "–"
    return number(line.get(key))


def table() -> str:
    """All results as a Markdown table, a row a network."""
    by = {(line["network"], line["bound"]): line for line in known()}
    names = list(dict.fromkeys(line["network"] for line in known()))
    head = ["network", "parameters", "parity (relative)", "batches", "radius"]
    for bound_name in BOUNDS:
        head += [f"{bound_name} s", "upper", "allowance"]
    head += ["peak GB (CROWN)"]
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in names:
        loaded = by.get((name, "load"), {"status": "not run"})
        crown = by.get((name, "crown"), {})
        radius = next(
            (by[name, b]["radius"] for b in BOUNDS if by.get((name, b), {}).get("radius")), "–"
        )
        row = [
            name,
            f"{loaded['parameters']:,}" if "parameters" in loaded else loaded["status"],
            number(loaded.get("parity_relative")),
            "yes" if loaded.get("batchable") else "no",
            radius,
        ]
        for bound_name in BOUNDS:
            line = by.get((name, bound_name))
            row += [cell(line, key) for key in ("seconds", "upper", "allowance")]
        row.append(number(crown["peak_bytes"] / 1e9) if crown.get("peak_bytes") else "–")
        rows.append("| " + " | ".join(row) + " |")
    good = {b: sum(by.get((n, b), {}).get("status") == "ok" for n in names) for b in BOUNDS}
    counts = ", ".join(f"{b}: {good[b]} of {len(names)}" for b in BOUNDS)
    return "\n".join([*rows, "", f"Networks with a bound: {counts}."])


def write_table() -> None:
    """Put the table into README.md, between its two marks."""
    words = README.read_text(encoding="utf-8")
    before, rest = words.split(BEGIN)
    _, after = rest.split(END)
    README.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Run, or write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="networks; all by default")
    parser.add_argument("--table", action="store_true", help="only write the table into README.md")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(*given.child)
        return
    if not given.table:
        run(given.names)
    write_table()


if __name__ == "__main__":
    main()
