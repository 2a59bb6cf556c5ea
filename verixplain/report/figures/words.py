"""What stands over and beside the pictures of an explanation."""

from matplotlib.figure import Figure

from verixplain.explanation import Explanation
from verixplain.report.view import box_in_words, interval, order_in_words, target_in_words

SHORT = {
    "certified": "certified",
    "estimate": "estimate (bounds that no checker has seen)",
    "empirical": "empirical (sampled, nothing proved)",
    "none": "none",
}


def head(figure: Figure, explanation: Explanation) -> None:
    """The headline: what, how sure, how far."""
    kept = target_in_words(explanation)
    lines = [
        f"What keeps {kept}   |   guarantee: {SHORT[explanation.guarantee]}",
        box_in_words(explanation),
    ]
    if explanation.overlaps is not None:
        found = interval(explanation.overlaps.lower, explanation.overlaps.upper)
        lines.append(f"overlap in the box in {found} (negative: the decision stands)")
    if explanation.order is not None:
        lines[-1] += f"   |   {order_in_words(explanation.order)}"
    figure.suptitle("\n".join(lines), fontsize=10)


def column_names(explanation: Explanation) -> list[str]:
    """What to write beside each bar: the group's name with the input's value where it is one."""
    query = explanation.query
    center = query.box.center.ravel()
    return [
        f"{name} = {center[members[0]]:.4g}" if len(members) == 1 else name
        for name, members in zip(query.groups.names, query.groups.members, strict=True)
    ]
