"""Constants of the graph as torch wants them."""

import numpy as np
import torch
from torch import nn


def weight(array: np.ndarray) -> nn.Parameter:
    """A constant as a frozen Parameter, in its own dtype."""
    return nn.Parameter(torch.from_numpy(np.array(array)), requires_grad=False)
