"""Rows of a pass are handed over in plain tensors, whatever form auto_LiRPA keeps them in."""

import pytest
import torch

from verixplain.bounds import _lirpa

SHAPE = (1, 3, 6, 6)
OUTPUT = [1, 2, 3, 3]


def patches(places=None):
    """A convolution's rows, kernel 4, stride 2, padding 1: all of them, or those at `places`."""
    random = torch.Generator().manual_seed(0)
    numbers = torch.randn((2, 1, 3, 3, 3, 4, 4), generator=random)
    if places is not None:
        numbers = numbers[places[0], :, places[1], places[2]]
    return _lirpa.library().patches.Patches(
        numbers, 2, 1, numbers.shape, unstable_idx=places, output_shape=OUTPUT
    )


@pytest.mark.parametrize("chosen", [[], [4], [17, 0, 9, 9]])
def test_some_rows_of_patches_are_rows_of_their_matrix(chosen):
    chosen = torch.tensor(chosen, dtype=torch.long)
    whole = patches().to_matrix(SHAPE).reshape(18, -1)
    assert torch.equal(_lirpa._matrix_of(patches(), chosen, SHAPE), whole[chosen])


def test_some_rows_of_sparse_patches_are_rows_of_their_matrix():
    index = torch.tensor([2, 3, 11, 16])
    places = index // 9, index // 3 % 3, index % 3
    whole = patches().to_matrix(SHAPE).reshape(18, -1)
    found = _lirpa._matrix_of(patches(places), torch.tensor([3, 1]), SHAPE)
    assert torch.equal(found, whole[index[[3, 1]]])


def test_tensors_are_flattened_and_other_forms_are_left():
    rows = torch.arange(36.0).reshape(3, 1, 3, 2, 2)
    found = _lirpa._matrix_of(rows, torch.tensor([2]), (1, 3, 2, 2))
    assert found.tolist() == [list(range(24, 36))]
    assert _lirpa._matrix_of(None, torch.tensor([0]), SHAPE) is None
