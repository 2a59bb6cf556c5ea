"""Our enclosures of gradients beside the Jacobian bounds of auto_LiRPA 0.4 and later.

Ours rest on auto_LiRPA 0.3, so this runs twice, with a folder for what is handed over:

    cd experiments/attribution_robustness
    PYTHONPATH=../..:NEWER_AUTO_LIRPA python auto_lirpa.py theirs FOLDER
    python auto_lirpa.py ours FOLDER
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch
from run import HERE, WIDE, WIDTHS, queries
from torch import nn

from verixplain.bounds import Engine, method_named
from verixplain.bounds.enclosure import enclose
from verixplain.bounds.jacobian import gradients
from verixplain.certify.maps._arithmetic import cut, narrowed
from verixplain.network.primitives import Linear, Rearrange, Univariate

NETWORKS = "mnist-net_256x2 eran_convSmallRELU__Point eran_convSmallRELU__PGDK wong_mnist".split()
RESULTS = HERE / "auto_lirpa.jsonl"


def boxes():
    for name in NETWORKS:
        for radius in WIDTHS:
            for place in range(WIDE):
                _, query, _ = queries(name, place, radius=radius, units="scaled")
                yield f"{name} {radius} {place}", query, Engine.of(query.network, "float64", "cpu")


class Explained(nn.Module):
    """The gradient of one output of a network without branches, in layers that the library knows.

    It has no gradient of a transposition: what moves numbers is done to the weights that follow.
    """

    def __init__(self, plan, label: int) -> None:
        from auto_LiRPA.jacobian import JacobianOP

        super().__init__()
        self.label, self.gradient, self.layers = label, JacobianOP, nn.Sequential()
        order = None
        for step in plan.steps:
            if isinstance(step.kind, Rearrange):
                shape = plan.shapes[step.inputs[0]]
                if order is None:
                    self.layers.append(nn.Flatten())
                    order = torch.arange(int(np.prod(shape))).reshape(1, *shape)
                order = step.kind(order)
            else:
                self.layers.append(layer(step.kind, order))
                order = None

    def forward(self, x):
        x = x.requires_grad_()
        number = self.layers(x)[:, self.label : self.label + 1]
        return self.gradient.apply(number, x)


def layer(kind, order) -> nn.Module:
    """A layer with a plan's numbers; its inputs come in the order before they were moved."""
    if isinstance(kind, Univariate) and kind.native == "Relu":
        return nn.ReLU()
    weight = kind.weight.clone()
    if isinstance(kind, Linear):
        made = nn.Linear(weight.shape[1], len(weight))
        if order is not None:
            weight[:, order.flatten()] = kind.weight
    else:
        made = nn.Conv2d(weight.shape[1], len(weight), weight.shape[2:], **kind.settings)
    made.weight.data = weight
    made.bias.data = torch.zeros(len(weight)) if kind.bias is None else kind.bias
    return made


def theirs(folder: Path) -> None:
    """Their bounds from CROWN, and from slopes optimised for the network's output."""
    from auto_LiRPA import BoundedModule, BoundedTensor, PerturbationLpNorm

    torch.set_default_dtype(torch.float64)  # it makes tensors without saying one
    for key, query, engine in boxes():
        if (folder / f"{key} optimised.npz").exists():
            continue
        low, high = (engine.tensor(end)[None] for end in (query.box.lower, query.box.upper))
        middle = (low + high) / 2
        module = Explained(engine.exact, query.target.label_index)
        chosen = {"conv_mode": "matrix"}  # patches have no gradient of a strided convolution
        bounded = BoundedModule(module, middle, chosen, device="cpu")
        place = PerturbationLpNorm(norm=np.inf, x_L=low, x_U=high)
        for name, optimise in (("crown", False), ("optimised", True)):
            begin = time.process_time()
            ends = bounded.compute_jacobian_bounds(BoundedTensor(middle, place), optimize=optimise)
            seconds = time.process_time() - begin
            flat = [end.detach().numpy().ravel() for end in ends]
            np.savez(folder / f"{key} {name}.npz", low=flat[0], high=flat[1], seconds=seconds)


def ours(folder: Path) -> None:
    """Compare: median ratio of widths over the features that intervals do not fix."""
    RESULTS.write_text("")
    for key, query, engine in boxes():
        if not (folder / f"{key} optimised.npz").exists():
            continue
        plan = engine.exact
        low, high = (engine.tensor(end)[None] for end in (query.box.lower, query.box.upper))
        rows = engine.tensor(np.eye(query.network.outputs)[[query.target.label_index]])
        begin = time.process_time()
        values = {name: (v.lower, v.upper) for name, v in enclose(plan, low, high).items()}
        plain = gradients(plan, rows, values, kinks=True, symbols=0)
        values |= dict(method_named("crown").run(engine, low, high, rows).values)
        found = narrowed(cut(gradients(plan, rows, values, kinks=True, products=True)))
        line = {"box": key, "seconds": time.process_time() - begin}
        wide = (plain.upper - plain.lower)[0].numpy() > 1e-9
        mine = (found.upper - found.lower)[0].numpy()[wide]
        for name in ("crown", "optimised"):
            known = np.load(folder / f"{key} {name}.npz")
            other = (known["high"] - known["low"])[wide]
            more = other > 1e-12  # below, all that is left of ours is rounding
            line[name] = {
                "ratio": float(np.median(mine[more] / other[more])) if more.any() else None,
                "wider": int((mine > other * (1 + 1e-6) + 1e-11).sum()),
                "features": int(wide.sum()),
                "seconds": float(known["seconds"]),
            }
        with RESULTS.open("a") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    {"theirs": theirs, "ours": ours}[sys.argv[1]](Path(sys.argv[2]))
