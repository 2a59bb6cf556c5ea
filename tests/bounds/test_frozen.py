"""Linear functions over parts of a box, judged in rationals."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from networks import loaded, mlp

from verixplain.bounds import Engine
from verixplain.bounds.enclosure import UNIT, Interval, input_disturbance
from verixplain.bounds.frozen import Frozen
from verixplain.features import Groups
from verixplain.query import Box

SIZE = 7
GROUPS = {
    "columns": [[u] for u in range(SIZE)],
    "overlapping": [[0, 1, 2], [], list(range(SIZE)), [5, 2]],
    "some left out": [[0, 3], [6]],
}


@pytest.fixture(params=sorted(GROUPS))
def groups(request):
    members = tuple(np.array(one, dtype=int) for one in GROUPS[request.param])
    return Groups((SIZE,), members, tuple(map(str, range(len(members)))))


@pytest.fixture(params=["float64", "float32"])
def engine(request):
    return Engine.of(loaded(mlp((SIZE, 4, 2))), request.param, "cpu")


@pytest.fixture(params=["center", "moving"])
def held(request, box):
    if request.param == "center":
        return None
    return (box.center + box.lower) / 2, (box.center + 3 * box.upper) / 4


@pytest.fixture(params=["box", "face"])
def face(request, box):
    return None if request.param == "box" else (box.lower, (box.lower + 2 * box.upper) / 3)


@pytest.fixture
def box():
    random = np.random.default_rng(3)
    return Box.around(random.normal(size=SIZE).astype("f4"), random.uniform(0, 1, SIZE))


def frozen(engine, box, groups, face=None, held=None) -> Frozen:
    def size():
        whole = Interval(*(engine.tensor(end)[None] for end in (box.lower, box.upper)))
        return input_disturbance(whole, 2, UNIT[engine.dtype])[0].to(engine.dtype)

    return Frozen(engine, box, groups, face, held, size)


def exact(slopes, lower, upper) -> Fraction:
    """The maximum of a linear function over a box."""
    ends = zip(map(Fraction, lower), map(Fraction, upper), strict=True)
    return sum(
        max(slope * low, slope * high)
        for slope, (low, high) in zip(map(Fraction, slopes), ends, strict=True)
    )


def test_bounds_over_groups_are_never_below_the_maximum(engine, box, groups, face, held):
    found = frozen(engine, box, groups, face, held)
    slopes = torch.randn((5, SIZE), generator=torch.Generator().manual_seed(0)).to(engine.dtype)
    lower, upper = (box.lower, box.upper) if face is None else face
    still = (box.center, box.center) if held is None else held
    for side in (+1, -1):
        signed = (side * slopes.double()).tolist()
        whole = [exact(row, lower, upper) for row in signed]
        start = torch.tensor([float(one) for one in whole], dtype=torch.float64)
        start = torch.nextafter(start.to(engine.dtype), torch.tensor(torch.inf, dtype=engine.dtype))
        bounds = side * found.over_groups(side * start, slopes, side)
        for u, members in enumerate(groups.members):
            low, high = lower.copy(), upper.copy()
            low[members], high[members] = still[0][members], still[1][members]
            for r, row in enumerate(signed):
                truth = exact(row, low, high)
                assert Fraction(bounds[r, u].item()) >= truth
                assert bounds[r, u].item() == pytest.approx(float(truth), abs=1e-3)


def test_the_largest_value_is_where_it_is_said_to_be(engine, box, groups, held):
    found = frozen(engine, box, groups, None, held)
    part = torch.arange(len(groups))
    members = found.members(part)
    slopes = torch.randn((len(part), SIZE), generator=torch.Generator().manual_seed(1))
    slopes = slopes.to(engine.dtype)
    low, high = found.within(members)
    for u, inputs in enumerate(groups.members):
        assert sorted(inputs) == members[u].nonzero().flatten().tolist()
        truth = float(exact(slopes[u].tolist(), low[u].tolist(), high[u].tolist()))
        assert found.largest(slopes, members)[u].item() == pytest.approx(truth, abs=1e-5)
    if held is None:
        values = (slopes.double().numpy() * found.furthest(slopes, members)).sum(1)
        np.testing.assert_allclose(values, found.largest(slopes, members), rtol=1e-5)
