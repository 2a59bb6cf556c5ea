"""A job of 200 items in which everything goes wrong, once straight through and once in pieces.

    python experiments/batch/faults.py DATA OUT [--items 200] [--kills 10]

Five networks of DATA with real inputs, one input with a NaN, one corrupt model, one network too
large for the memory that an item may use and one too slow. The first run loses two of its workers;
of the second the coordinator is killed again and again. Both must say the same, and the right
thing, of every item.
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
from run import NETWORKS, job

from verixplain.errors import VerixplainError
from verixplain.jobs.store import Ledger
from verixplain.jobs.summary import rows

WANTED = {"huge": "out-of-memory", "slow": "timeout", "corrupt": "error", "nan": "error"}
"""What the items that cannot be done must end in; all others are done."""


def faulty(data: Path, out: Path, items: int) -> Path:
    """The job file."""
    usual = job(data, max(1, (items - len(WANTED)) // len(NETWORKS)))
    lines = usual.replace('memory = "4 GiB"', 'memory = "5 GiB"')
    lines = lines.replace("seconds = 120", "seconds = 60").splitlines()
    with np.load(next((data / "inputs").glob("mnist*.npz"))) as arrays:
        image = arrays["images"][:1].astype("f4")
    image[0, 3, 3] = np.nan
    np.savez(out / "nan.npz", images=image)
    (out / "corrupt.onnx").write_bytes((data / NETWORKS[0]).read_bytes()[:5000])
    entries = {
        "huge": data / "models/cifar10/vit_ibp_3_3_8.onnx",
        "slow": data / "models/imagenet/squeezenet_v1.0_deepcompression.onnx",
        "corrupt": out / "corrupt.onnx",
    }
    inputs = {"nan": out / "nan.npz"}
    for name, path in entries.items():
        lines += ["[[models]]", f'path = "{path}"', f'name = "{name}"']
        shape = (1, 227, 227, 3) if name == "slow" else (1, 32, 32, 3)
        inputs[name] = out / f"{name}.npy"
        pixels = np.random.default_rng(0).uniform(0, 1, shape).astype("f4")
        np.save(inputs[name], pixels.transpose(0, 3, 1, 2))
    for name, path in inputs.items():
        model = Path(NETWORKS[0]).stem if name == "nan" else name
        lines += ["[[data]]", f'path = "{path}"', f'name = "{name}"', f'models = ["{model}"]']
    path = out / "job.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def started(path: Path, folder: Path) -> subprocess.Popen:
    program = "from verixplain.cli import main; main()"
    words = ["run", str(path), "--out", str(folder), "--workers", "2"]
    quiet = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-c", program, *words], stdout=quiet, stderr=quiet)


def count(folder: Path) -> int:
    """Finished items."""
    try:
        ledger = Ledger(folder)
    except VerixplainError:  # it is not there yet, or just being made
        return 0
    try:
        return sum(row["seconds"] is not None for row in ledger.rows())
    finally:
        ledger.close()


def reach(process: subprocess.Popen, folder: Path, number: int) -> None:
    """Wait until so many items are finished, or the run is."""
    while process.poll() is None and count(folder) < number:
        time.sleep(0.2)


def losing_workers(path: Path, folder: Path, total: int) -> None:
    process = started(path, folder)
    for number in (total // 4, total // 2):
        reach(process, folder, number)
        workers = [p for p in psutil.Process(process.pid).children() if p.cpu_times().user > 1]
        workers[0].kill()
    process.wait()


def in_pieces(path: Path, folder: Path, total: int, kills: int) -> None:
    chance = random.Random(0)
    for number in sorted(chance.sample(range(total - 2), kills)):
        process = started(path, folder)
        reach(process, folder, number)
        time.sleep(chance.uniform(0, 1))
        if process.poll() is None:
            children = psutil.Process(process.pid).children()
            process.send_signal(signal.SIGKILL)
            for child in children:  # they end when their pipe is closed; sooner is quicker
                child.kill()
        process.wait()
    started(path, folder).wait()


def said(folder: Path) -> dict:
    """Everything a run says of its items but times and places."""
    found = {}
    for row in rows(folder):
        files = {}
        for name in row["files"]:
            file = folder / "items" / row["key"] / name
            if name.endswith(".json"):
                values = json.loads(file.read_text())
                kept = {k: v for k, v in values.items() if k not in ("timing", "environment")}
                files[name] = json.dumps(kept, sort_keys=True)
            elif name.endswith(".npz"):
                with np.load(file) as arrays:
                    files[name] = {key: arrays[key].tobytes() for key in arrays.files}
            else:
                files[name] = file.read_bytes()
        killed = row["outcome"] in ("timeout", "out-of-memory")  # the reason holds a measured size
        found[row["key"]] = (row["outcome"], "" if killed else row["reason"], files)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    path = faulty(asked.data.resolve(), asked.out.resolve(), asked.items)
    losing_workers(path, asked.out / "whole", asked.items)
    in_pieces(path, asked.out / "pieces", asked.items, asked.kills)
    found = rows(asked.out / "whole")
    wrong = []
    for row in found:
        kind = next((w for w in WANTED if w in (row["model"], row["data"])), None)
        if row["outcome"] != (WANTED[kind] if kind else "done"):
            wrong.append((row["model"], row["data"], row["index"], row["outcome"], row["reason"]))
    whole, pieces = said(asked.out / "whole"), said(asked.out / "pieces")
    different = [key for key in whole | pieces if whole.get(key) != pieces.get(key)]
    print(json.dumps(
        {
            "items": len(found),
            "outcomes": Counter(row["outcome"] for row in found),
            "tried twice": sum(row["attempts"] > 1 for row in found),
            "wrong": wrong,
            "kills": asked.kills,
            "different": different,
        },
        indent=1,
    ))  # fmt: skip
    sys.exit(bool(wrong or different))


if __name__ == "__main__":
    main()
