"""Where float32 says robust and is wrong: what the checker says, and exact rationals.

    python experiments/certificates/demonstrations.py [digits|table]

For points a hair beyond the boundary of two classes: `false` counts the boxes that CROWN in plain
float32 (no allowance for rounding) calls robust, although the exact value of the row at the center,
in rationals, is not below 0. Of those `accepted` counts the certificates that the checker accepts.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper

sys.path[:0] = [str(Path(__file__).parents[2] / "tests"), str(Path(__file__).parents[2])]

from oracle import exact_overlap  # noqa: E402
from realdata import real  # noqa: E402

from verixplain.bounds import DTYPES, Engine  # noqa: E402
from verixplain.bounds.parent import bound_groups  # noqa: E402
from verixplain.certificate.checking import check_bytes  # noqa: E402
from verixplain.certificate.draft import Draft, Way  # noqa: E402
from verixplain.features import Groups  # noqa: E402
from verixplain.network import load  # noqa: E402
from verixplain.query import Box, Query, Target  # noqa: E402

POINTS = 24


def table(seed: int = 0):
    """Two classes of rows with a timestamp in seconds; standardisation is folded into the weights.

    Returns:
        The network (16 hidden neurons, trained for 300 steps) and some rows.
    """
    rng = np.random.default_rng(seed)
    mean, spread = np.array([1.7e9, 50.0, 3e4]), np.array([1e7, 20.0, 1e4])
    rows = rng.standard_normal((400, 3))
    labels = (rows[:, 0] + np.sin(2 * rows[:, 1]) - 0.5 * rows[:, 2] > 0).astype(int)
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(3, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))
    steps = torch.optim.Adam(model.parameters(), 0.02)
    inputs, wanted = torch.tensor(rows, dtype=torch.float32), torch.tensor(labels)
    for _ in range(300):
        steps.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), wanted).backward()
        steps.step()
    first, bias, last, shift = (p.detach().double().numpy() for p in model.parameters())
    folded = first / spread
    arrays = {"w": folded, "b": bias - folded @ mean, "v": last, "c": shift}
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "w", "b"], ["z"], transB=1),
            helper.make_node("Relu", ["z"], ["h"]),
            helper.make_node("Gemm", ["h", "v", "c"], ["y"], transB=1),
        ],
        "table",
        [value("x", TensorProto.FLOAT, ["batch", 3])],
        [value("y", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(a.astype(np.float32), name) for name, a in arrays.items()],
    )
    opset = helper.make_opsetid("", 17)
    network = load(helper.make_model(graph, opset_imports=[opset], ir_version=8))
    return network, (mean + rows * spread).astype(np.float32)


def in_float64(network, point: np.ndarray, row: np.ndarray) -> float:
    plan = network.plan
    values = plan.run(torch.tensor(point[None], dtype=torch.float64))
    return float(values[plan.output].flatten().numpy() @ row)


def beyond(network, first: np.ndarray, second: np.ndarray):
    """A float32 point between two inputs of two classes, where a row is hardly above 0 exactly."""
    label = int(network(first[None])[0].argmax())
    rival = int(network(second[None])[0].argmax())
    row = np.zeros((1, network.outputs))
    row[0, rival], row[0, label] = 1.0, -1.0
    target = Target.rows(row, np.zeros(1))
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        point = (first + middle * (second.astype(np.float64) - first)).astype(np.float32)
        below = in_float64(network, point, row[0]) < 1e-9  # the sign is left to rationals
        low, high = (middle, high) if below else (low, middle)
    point = (first + high * (second.astype(np.float64) - first)).astype(np.float32)
    return point, target


def judged(network, point: np.ndarray, target: Target, plain: Engine) -> tuple[bool, str, float]:
    """Whether float32 says robust, what the checker says to that, and the exact row if it does."""
    query = Query(network, Box.around(point, 0.0), target)
    one = Groups(network.input_shape, (np.array([0]),), ("first input",))
    said = float(bound_groups(plain, query.box, one, target).parent.max())
    draft = Draft(query, [], Way())
    draft.claim("bound", upper=dict.fromkeys(draft.semantics, np.array([min(said, -1e-30)])))
    (report,) = check_bytes(network.data, [draft.encoded()])
    exact = exact_overlap(network, point.astype(np.float64), target) if said < 0 else np.nan
    return said < 0, report["verdict"], float(exact)


def main(name: str) -> None:
    if name == "table":
        network, inputs = table()
    else:
        found = real("wong_mnist", 12)
        network, inputs = found.network, found.inputs
    labels = network(inputs).argmax(axis=1)
    plain = Engine(network, network.plan, DTYPES["float32"], "cpu")
    plain.widen = False
    pairs = [(i, j) for i in range(len(inputs)) for j in range(i) if labels[i] != labels[j]]
    false = accepted = 0
    for i, j in pairs[:POINTS]:
        point, target = beyond(network, inputs[i], inputs[j])
        robust, verdict, exact = judged(network, point, target, plain)
        false += robust and exact >= 0
        accepted += robust and exact >= 0 and verdict == "ACCEPTED"
        print(f"{i} {j}: float32 says {'robust' if robust else 'open'}, exactly {exact:.3g}, "
              f"checker {verdict}", flush=True)  # fmt: skip
    print(f"{name}: {len(pairs[:POINTS])} points, false {false}, accepted of those {accepted}")


if __name__ == "__main__":
    for chosen in sys.argv[1:] or ["table", "digits"]:
        main(chosen)
