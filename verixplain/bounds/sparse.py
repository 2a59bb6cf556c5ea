"""Matrices of which only a few numbers are kept."""

import warnings

import torch
from torch import Tensor


def sparse(begins: Tensor, columns: Tensor, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A matrix in torch's CSR layout, which torch says once in a process is not final.

    Args:
        begins: where each row's numbers begin, and last their count: (rows + 1,).
        columns, values: of each number, row by row.
        shape: rows and columns.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.sparse_csr_tensor(begins, columns, values, shape, check_invariants=True)
