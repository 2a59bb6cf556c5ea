"""Loading a network leaves the process as it was."""

import torch
from networks import cnn, loaded


def test_loading_does_not_move_the_random_numbers_on():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    loaded(cnn())
    assert torch.equal(torch.rand(4), expected)
