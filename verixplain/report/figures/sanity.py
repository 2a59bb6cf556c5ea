"""How alike maps stay when the network changes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from verixplain.report.figures.canvas import canvas, short

_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "h")


def sanity_curves(lines: Sequence[Mapping[str, Any]], measure: str = "spearman") -> Figure:
    """How alike maps stay, step by step and check by check; noise also against the score.

    Args:
        lines: of an examination's table.
        measure: which similarity is drawn.
    """
    known = [one for one in lines if one["similarity"] == measure and one["mean"] is not None]
    names = list(dict.fromkeys(one["check"] for one in known))
    methods = list(dict.fromkeys(one["method"] for one in known))
    panels = [(name, "step") for name in names]
    panels += [(name, "score") for name in names if name == "model-perturbation"]
    figure = canvas(4.4 * len(panels) + 1.6, 4.2)
    axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
    for axis, (name, by) in zip(axes, panels, strict=True):
        found = [one for one in known if one["check"] == name]
        steps = list(dict.fromkeys(one["step"] for one in found))
        for number, method in enumerate(methods):
            mine = [one for one in found if one["method"] == method]
            if not mine:
                continue
            places = [one["score"] if by == "score" else steps.index(one["step"]) for one in mine]
            errors = [one["standard_error"] or 0.0 for one in mine]
            style = {"color": _LINES[number % len(_LINES)], "marker": _MARKS[number % len(_MARKS)]}
            values = [one["mean"] for one in mine]
            axis.errorbar(places, values, errors, label=method, markersize=4, lw=1.2, **style)
        axis.axhline(0, color="0.6", lw=0.8)
        axis.set_title(name + (" by the prediction" if by == "score" else ""), fontsize=10)
        if by == "score":
            axis.set_xlabel("softmax of the class, as a share of what it was")
            axis.set_xlim(1.03, -0.03)
            continue
        axis.set_xticks(
            range(len(steps)), [short(one, 18) for one in steps], rotation=45, ha="right"
        )
        if name == "model-perturbation":
            kept = {one["step"]: one["score"] for one in found}
            axis.plot(
                range(len(steps)), [kept[step] for step in steps], "--", color="0.4",
                label="softmax of the class",
            )  # fmt: skip
    axes[0].set_ylabel(f"similarity to the first map ({measure})")
    handles: dict[str, Any] = {}
    for axis in axes:
        lines_there, words = axis.get_legend_handles_labels()
        handles |= dict(zip(words, lines_there, strict=True))
    figure.legend(list(handles.values()), list(handles), loc="outside right upper", fontsize=8)
    return figure
