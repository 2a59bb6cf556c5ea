"""Pictures of a report: every name is text, every status is there, equal pictures equal bytes."""

from xml.etree import ElementTree

import numpy as np
import pytest

from verixplain.explanation import STATUSES
from verixplain.features import plane
from verixplain.network.card import Card
from verixplain.report.figures import canvas, guarantee, methods
from verixplain.report.status import COLOURS

NAMES = ["$\\frac{$", "<script>alert(1)</script>", "\u202ex", "a" * 10_000, "$x$ & $y$"]
GROUPS = [
    {"id": k, "name": name, "size": 1, "score": 5.0 - k, "overlap": None,
     "importance": {"lower": 4.0 - k, "upper": 6.0 - k}}
    for k, name in enumerate(NAMES)
]  # fmt: skip
SHARE = {"share": 0.5, "lower": 0.2, "upper": 0.8}


def drawn():
    image = plane((1, 4, 4), "nchw")
    scores = np.arange(16.0).reshape(1, 4, 4)
    two = dict(zip(NAMES[:2], (scores, scores + 1), strict=True))
    counts = {name: dict.fromkeys(STATUSES, 1) for name in NAMES}
    return {
        "intervals": guarantee.intervals(GROUPS, "logits", "estimate"),
        "counts": guarantee.counts(counts),
        "shares": guarantee.shares({name: [(0.1, SHARE), (2.0, SHARE)] for name in NAMES}),
        "points": guarantee.points(two, Card(), image),
        "sheet": methods.sheet(dict.fromkeys(NAMES, scores), image, []),
        "table": methods.sheet(dict.fromkeys(NAMES, np.arange(5.0)), None, NAMES),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(drawn()))
def test_hostile_names_are_drawn_as_text_and_equal_pictures_have_equal_bytes(name):
    text = canvas.as_svg(drawn()[name])
    assert text == canvas.as_svg(drawn()[name])
    root = ElementTree.fromstring(text)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "foreignObject", "a"}
    assert canvas.as_png(drawn()[name]).startswith(b"\x89PNG")


def test_every_status_has_a_colour_and_its_count_in_words():
    assert list(COLOURS) == list(STATUSES)
    counts = {"order": {status: n for n, status in enumerate(STATUSES)}}
    figure = guarantee.counts(counts)
    shown = {text.get_text() for text in figure.axes[0].texts}
    assert {str(n) for n in range(1, len(STATUSES))} <= shown
    legend = {text.get_text() for text in figure.legends[0].get_texts()}
    assert legend == set(STATUSES[1:])


def test_the_intervals_are_those_of_the_groups_and_what_is_left_out_is_said():
    many = [GROUPS[0]] * (canvas.MOST_BARS + 7)
    axis = guarantee.intervals(many, "logits", "estimate").axes[0]
    assert "7 more groups" in axis.get_xlabel()
    ends = [line.get_xdata() for line in axis.lines if len(line.get_xdata()) == 2]
    assert any(np.array_equal(one, (4.0, 6.0)) for one in ends)


def test_numbers_without_proof_have_another_colour():
    plain = [{**group, "importance": None} for group in GROUPS]
    proved = guarantee.intervals(GROUPS, "logits", "estimate").axes[0].lines[0].get_color()
    sampled = guarantee.intervals(plain, "score", "none").axes[0].lines[0].get_color()
    assert proved != sampled


def test_the_difference_keeps_its_sign():
    image = plane((1, 2, 2), "nchw")
    given = np.zeros((1, 2, 2))
    moved = np.array([[[0.5, -1.0], [0.0, 0.25]]])
    axis = guarantee.points({"input": given, "witness": moved}, Card(), image).axes[2]
    np.testing.assert_array_equal(axis.images[0].get_array(), moved[0])
