"""Maps of public networks over boxes: sampled and attacked inputs lie inside, without tolerance."""

import numpy as np
import pytest
import realdata
import torch

from certify.map_cases import search
from verixplain.features import Groups
from verixplain.query import Box, Query, Target

pytestmark = pytest.mark.data
CASES = {
    "verix_mnist-10x2": 0.01,
    "wong_mnist": 0.03,
    "captum_titanic": 0.1,
    "safenlp_ruarobot": 0.02,
}


@pytest.mark.parametrize("name", [name for name in CASES if name in realdata.entries()])
@pytest.mark.parametrize("method", ["saliency", "gradient-times-input"])
def test_ten_thousand_inputs_and_an_attack_lie_inside(name, method):
    real = realdata.real(name, 1)
    x, network = real.inputs[0].astype(np.float64), real.network
    box = Box.around(x, CASES[name])
    label = int(network(real.inputs)[0].argmax())
    asked = Query(network, box, Target.label(label), Groups.columns(x.shape))
    one = search(asked, method)
    found = one.region((box.lower, box.upper))[0]
    generator = torch.Generator().manual_seed(0)
    low, high = torch.as_tensor(box.lower), torch.as_tensor(box.upper)
    for number in range(20):
        share = torch.rand((500, *x.shape), generator=generator, dtype=torch.float64)
        share = share.round() if number % 2 else share
        scores = one.map.at(one.shown, low + share * (high - low)).flatten(1)
        assert (found.lower <= scores).all()
        assert (scores <= found.upper).all()
    assert (
        one.farthest(box.lower, box.upper)
        <= next(one.proofs(box.lower, box.upper, None)).change.linf
    )
