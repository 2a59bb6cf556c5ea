"""What lines are off ReLUs, judged in rationals."""

from fractions import Fraction

import torch
from hypothesis import given
from hypothesis import strategies as st

from verixplain.bounds.slack import slack_of

number = st.floats(-1e3, 1e3)
share = st.floats(0, 1)


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@given(st.lists(number, min_size=4, max_size=4), share, st.floats(0, 1e3), share, share, number)
def test_a_line_costs_a_row_at_least_its_gain(ends, slope, offset, flat, where, row):
    begin, low, high, end = sorted(ends)
    line = tensor(slope), tensor(offset), tensor(flat)
    slack = slack_of(
        torch.tensor([1]), tensor(low)[None], tensor(high)[None], (tensor(begin), tensor(end)), line
    )
    rows = tensor(7.0, row)[None]
    z = Fraction(low) + Fraction(where) * (Fraction(high) - Fraction(low))
    for point in map(Fraction, (low, high, z, min(max(0.0, low), high))):
        relu = max(point, Fraction(0))
        over = Fraction(slope) * point + Fraction(offset) - relu
        under = relu - Fraction(flat) * point
        if over < 0 or under < 0:
            continue  # lines that do not hold
        for side in (+1, -1):
            coefficient = side * Fraction(row)
            cost = coefficient * over if coefficient > 0 else -coefficient * under
            gain = slack.gain(rows, side)
            assert gain.shape == (1, 1)
            assert 0 <= Fraction(gain.item()) <= cost


def test_gains_of_groups_and_rows_are_sums_over_neurons():
    random = torch.Generator().manual_seed(0)
    index = torch.tensor([4, 0, 2])
    low, high = -torch.rand(3, generator=random).double(), torch.rand(3, generator=random).double()
    shrink = torch.rand((2, 5, 3), generator=random).double()
    lower, upper = low * shrink[0], high * shrink[1]
    lower[3], upper[3] = low, high  # a group that gains nothing
    lower[4] = 0.1 * high  # one for which they are all active
    chord = high / (high - low)
    flat = tensor(0.0, 1.0, 0.5)
    slack = slack_of(index, lower, upper, (low, high), (chord, -low * chord, flat))
    rows = torch.randn((7, 6), generator=random).double()
    heights = [end.clamp(min=0) - chord * end for end in (lower, upper)]
    over = -low * chord - torch.maximum(*heights)
    under = torch.maximum(lower - flat * lower, -flat * upper).clamp(min=0)
    for side in (+1, -1):
        at = side * rows[:, index]
        expected = over @ at.clamp(min=0).T + under @ (-at).clamp(min=0).T
        found = slack.gain(rows, side)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
        assert (found[3] == 0).all()
