"""How alike maps stay when the network changes."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from verixplain.report.figures.canvas import canvas, short

_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_DASHES = ("-", "--", "-.")
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
    columns = min(len(panels), 2)
    rows = -(-len(panels) // columns)
    figure = canvas(4.6 * columns + 2.2, 3.5 * rows + 0.6)
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axis in axes.ravel()[len(panels) :]:
        axis.axis("off")
    for axis, (name, by) in zip(axes.ravel(), panels, strict=False):
        found = [one for one in known if one["check"] == name]
        steps = list(dict.fromkeys(one["step"] for one in found))
        for number, method in enumerate(methods):
            mine = [one for one in found if one["method"] == method]
            if not mine:
                continue
            places = [one["score"] if by == "score" else steps.index(one["step"]) for one in mine]
            errors = [one["standard_error"] or 0.0 for one in mine]
            style = {
                "color": _LINES[number % len(_LINES)],
                "marker": _MARKS[number % len(_MARKS)],
                "linestyle": _DASHES[number // len(_LINES) % len(_DASHES)],
            }
            values = [one["mean"] for one in mine]
            axis.errorbar(
                places, values, errors, label=method, markersize=5, lw=1.3, elinewidth=0.6, **style
            )
        axis.axhline(0, color="0.6", lw=0.8)
        axis.set_title(name + (" by the prediction" if by == "score" else ""), fontsize=10)
        if by == "score":
            axis.set_xlabel("softmax of the class, as a share of what it was")
            axis.set_xlim(1.03, -0.03)
            continue
        axis.set_xticks(
            range(len(steps)), [short(one, 24) for one in steps], rotation=25, ha="right",
            fontsize=8,
        )  # fmt: skip
        if name == "model-perturbation":
            kept = {one["step"]: one["score"] for one in found}
            axis.plot(
                range(len(steps)), [kept[step] for step in steps], ":", color="0.4", lw=2,
                label="softmax of the class",
            )  # fmt: skip
    figure.supylabel(f"similarity to the first map ({measure})", fontsize=10)
    handles: dict[str, Any] = {}
    for axis in axes.ravel():
        lines_there, words = axis.get_legend_handles_labels()
        handles |= dict(zip(words, lines_there, strict=True))
    figure.legend(list(handles.values()), list(handles), loc="outside right upper", fontsize=8)
    return figure
