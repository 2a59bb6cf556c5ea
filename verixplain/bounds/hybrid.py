"""Sampled bounds at a node, verified propagation after it: for networks beyond certified reach.

The values seen at the node are a *subset* of those the box can cause, so nothing that follows is
a bound of the network. It is what EVA does at ImageNet scale, and everything made from it is
`empirical`.

Source: Fel et al. 2023, arXiv:2202.07728, section 3 (figure 3).
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from verixplain.bounds import BoundMethod, Engine
from verixplain.errors import SettingError
from verixplain.network.primitives import Plan
from verixplain.query import Query

Progress = Callable[[str, int, int], None]


def after(plan: Plan, cut: str) -> tuple[Plan, Plan]:
    """The plan up to an ONNX node's output, and the plan that starts there.

    Args:
        plan: the whole network.
        cut: name of the node.

    Raises:
        SettingError: no such node, or something after it also needs what comes before.
    """
    names = [step.name for step in plan.steps if step.node == cut]
    if not names:
        nodes = ", ".join(dict.fromkeys(step.node for step in plan.steps))
        raise SettingError(f"no node {cut!r} to cut at; there are: {nodes}")
    place = names[-1]
    head, tail = Plan(plan.input), Plan(place)
    reached = {place}
    for step in plan.steps:
        inside = [name in reached for name in step.inputs]
        if any(inside) and step.name != place:
            if not all(inside):
                raise SettingError(
                    f"node {cut!r} is no place to cut: node {step.node!r} after it also needs "
                    "values from before it (a residual connection around it)"
                )
            reached.add(step.name)
            tail.steps.append(step)
        elif step.name not in reached or step.name == place:
            head.steps.append(step)
    if plan.output not in reached:
        raise SettingError(f"the output does not depend on node {cut!r}")
    head.output, tail.output = place, plan.output
    head.shapes = tail.shapes = plan.shapes
    return head, tail


@torch.no_grad()
def sampled_upper(
    engine: Engine,
    query: Query,
    method: BoundMethod,
    cut: str,
    samples: int,
    seed: int,
    progress: Progress | None = None,
) -> tuple[float, np.ndarray]:
    """What the method says of B and of every B_u from sampled values at a node. Not bounds.

    Args:
        engine: the network.
        query: network, box, target and groups.
        method: propagates from the node on.
        cut: name of the ONNX node.
        samples: points drawn in B; each sub-box takes the same ones, with its group frozen.
        seed: of the points.
        progress: told how many groups are done.

    Returns:
        The largest row over B, and over every B_u: (groups,).
    """
    if samples < 2:
        raise SettingError(f"a hybrid bound needs at least 2 samples, not {samples}")
    head, tail = after(engine.plan, cut)
    rest = Engine(engine.network, tail, engine.dtype, engine.device)
    matrix, offsets = query.target.matrix(query.network.outputs)
    rows = torch.as_tensor(matrix, dtype=engine.dtype, device=engine.device)
    shift = engine.tensor(offsets)
    generator = np.random.default_rng(seed)
    low, high, center = query.box.lower, query.box.upper, query.box.center
    points = generator.uniform(low, high, (samples, *low.shape))
    points[0] = center
    points[1 : 1 + samples // 2] = np.where(
        generator.random((samples // 2, *low.shape)) < 0.5, low, high
    )

    def upper(held: np.ndarray | None) -> Tensor:
        drawn = points if held is None else np.where(held, center, points)
        place = torch.as_tensor(drawn, dtype=engine.dtype, device=engine.device)
        values = torch.cat([head.run(part)[head.output] for part in place.split(256)])
        ends = values.amin(0, keepdim=True), values.amax(0, keepdim=True)
        return (method.run(rest, *ends, rows).upper.double() + shift).max()

    parent, found = float(upper(None)), np.empty(len(query.groups))
    for u in range(len(query.groups)):
        found[u] = float(upper(query.groups.memberships(u, u + 1).reshape(low.shape)))
        if progress is not None:
            progress("bound", u + 1, len(query.groups))
    return parent, found
