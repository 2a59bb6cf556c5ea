"""How the seconds of a map grow with the groups and with the network.

One JSON line per (network, groups) goes to growth.jsonl; what is there is not run again. Then
growth.png and the fitted exponents.
"""

import json
import sys
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
RADII = {  # raw units, 0 to 1
    "mnist-net_256x2": 0.01,
    "mnist-net_256x4": 0.01,
    "mnist-net_256x6": 0.01,
    "cifar_base_kw": 0.004,
    "cifar_wide_kw": 0.004,
    "resnet_2b": 0.002,
    "resnet_4b": 0.001,
}
REPEATS = 3


def main() -> None:
    """Run what is missing, draw, and print the table."""
    path = HERE / "growth.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {row["network"] for row in rows}
    for name in RADII:
        if name in done:
            continue
        found = measure(name)
        with path.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in found)
        rows += found
    draw(rows, HERE / "growth.png")
    print(table(rows))


def measure(name: str) -> list[dict]:
    """Seconds of one bound and of maps with ever more groups; medians of a few."""
    sys.path.insert(0, str(HERE.parents[1] / "tests"))
    import numpy as np
    import torch
    from realdata import real
    from run import seconds

    from verixplain.bounds import Engine, bound
    from verixplain.bounds.parent import bound_groups
    from verixplain.features import Groups
    from verixplain.query import Box, Target

    torch.set_num_threads(1)
    item = real(name, 1)
    network, x = item.network, item.inputs[0]
    shape, card = network.input_shape, network.card
    clip = card.clip(shape)
    if clip is not None:
        clip = np.minimum(clip[0], x), np.maximum(clip[1], x)
    box = Box.around(x, card.radius(RADII[name], shape), clip)
    target = Target.label(int(network(x[None])[0].argmax()))
    engine = Engine.of(network, "float64", "cpu")
    size = 28 if x.size == 784 else 32
    sides = [k for k in (2, 4, 7, 8, 14, 16, 28, 32) if size % k == 0]
    sets = [Groups.grid(shape, k, k, card.layout) for k in sides]
    if x.size > size * size:
        sets.append(Groups.columns(shape))
    ends = box.lower[None], box.upper[None]
    one = seconds({"one": lambda: bound(network, *ends, target, device="cpu")}, REPEATS)["one"]
    rows = []
    for groups in sets:
        call = partial(bound_groups, engine, box, groups, target)
        spent = seconds({"map": call}, REPEATS)["map"]
        rows.append(
            {
                "network": name,
                "activations": sum(
                    int(np.prod(engine.plan.shapes[n])) for n in engine.plan.relaxed_inputs()
                ),
                "groups": len(groups),
                "one_bound": one,
                "map": spent,
            }
        )
    return rows


def exponent(xs: list[float], ys: list[float]) -> float:
    """The slope of a straight line through the logarithms."""
    import numpy as np

    return float(np.polyfit(np.log(xs), np.log(ys), 1)[0])


def draw(rows: list[dict], path: Path) -> None:
    """Seconds against groups, one line a network; crosses are one bound."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 5), layout="constrained")
    for name in dict.fromkeys(row["network"] for row in rows):
        mine = [row for row in rows if row["network"] == name]
        counts = [row["groups"] for row in mine]
        (line,) = axes.loglog(counts, [row["map"] for row in mine], "o-", label=name)
        axes.loglog([1], [mine[0]["one_bound"]], "x", color=line.get_color())
    axes.set(xlabel="groups (a cross at 1: one CROWN bound)", ylabel="seconds of the map")
    figure.legend(fontsize="small", loc="outside right upper")
    figure.savefig(path, dpi=120)


def table(rows: list[dict]) -> str:
    """Maps beside one bound, and the fitted exponents."""
    lines = ["| network | activations | one bound | " + "map: groups = seconds | exponent |"]
    lines.append("|---|---|---|---|---|")
    pixels = {}
    for name in dict.fromkeys(row["network"] for row in rows):
        mine = [row for row in rows if row["network"] == name]
        spent = ", ".join(f"{row['groups']} = {row['map']:.2f}" for row in mine)
        grown = exponent([row["groups"] for row in mine], [row["map"] for row in mine])
        first = mine[0]
        lines.append(
            f"| {name} | {first['activations']:,} | {first['one_bound']:.2f} s | {spent} | "
            f"{grown:.2f} |"
        )
        pixels[first["activations"]] = next(row["map"] for row in mine if row["groups"] >= 784)
    lines.append("")
    lines.append(
        f"Seconds at every pixel grow with the activations to the power "
        f"{exponent(list(pixels), list(pixels.values())):.2f}."
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
