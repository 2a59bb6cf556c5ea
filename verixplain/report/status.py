"""How statuses look: told apart by colour-blind readers, and in grey by hatching and words."""

COLOURS = {
    "certified": "#0b3d91",
    "estimate": "#5aa2dd",
    "refuted": "#b8400a",
    "unknown": "#b5b5b5",
    "timeout": "#8f8f8f",
    "out-of-memory": "#757575",
    "unsupported": "#d6d6d6",
    "error": "#5c1a52",
    "not-run": "#ececec",
}
HATCHES = {
    "refuted": "xx",
    "timeout": "//",
    "out-of-memory": "\\\\",
    "error": "..",
    "not-run": "--",
}
EMPIRICAL = "#9a6700"
"""Of numbers that are computed or sampled and not proved."""
