"""What a run costs beyond its items, and what a second worker brings.

    python experiments/batch/run.py DATA OUT [--items 200]

Five networks of DATA with some inputs each, EVA over a coarse grid. First a bare loop over the
items of the plan in this process, then `run` with one worker, then with two.
"""

import argparse
import json
import time
from pathlib import Path

from verixplain.jobs.job import read
from verixplain.jobs.run import plan, run
from verixplain.jobs.work import perform, prepare

NETWORKS = (
    "models/mnist/mnist-net_256x2.onnx",
    "models/mnist/mnist-net_256x4.onnx",
    "models/mnist/mnist-net_256x6.onnx",
    "models/mnist/wong_mnist.onnx",
    "models/mnist/eran_ffnnSIGMOID__Point_6x200.onnx",
)


def job(data, each):
    lines = ['schema = "job/1"', "[limits]", "seconds = 120", 'memory = "4 GiB"']
    for model in NETWORKS:
        name = Path(model).stem
        found = data / model
        lines += ["[[models]]", f'path = "{found}"', f'name = "{name}"', 'layout = "flat"',
                  "scale = 0.00392156862745098", "range = [0, 1]"]  # fmt: skip
        source = next((data / "inputs").glob("mnist*.npz"))
        lines += ["[[data]]", f'path = "{source}#0:{each}"', f'name = "mnist for {name}"',
                  f'models = ["{name}"]']  # fmt: skip
    lines += ["[[questions]]", 'name = "patches"', "radius = 0.01", 'units = "scaled"',
              'groups = "grid:4x4"']  # fmt: skip
    lines += ["[[methods]]", 'method = "eva"', "settings = {steps = 5, restarts = 1, batch = 16}",
              'claims = ["prediction", "order", "top-k"]']  # fmt: skip
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--items", type=int, default=200)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    path = asked.out / "job.toml"
    path.write_text(job(asked.data.resolve(), max(1, asked.items // len(NETWORKS))))
    read(path)
    items = plan(path).items
    seconds = {}
    prepare()
    perform(items[0].task)
    begin, clock = time.perf_counter(), time.process_time()
    outcomes = [perform(item.task)["outcome"] for item in items]
    seconds["bare loop"] = time.perf_counter() - begin
    seconds["bare loop, processor"] = time.process_time() - clock
    for workers in (1, 2):
        begin = time.perf_counter()
        rows = run(path, asked.out / f"run-{workers}", workers=workers)
        seconds[f"{workers} worker(s)"] = time.perf_counter() - begin
        seconds[f"{workers} worker(s), sum of items"] = sum(row["seconds"] for row in rows)
    print(json.dumps({"items": len(items), "done": outcomes.count("done"), **seconds}, indent=1))


if __name__ == "__main__":
    main()
