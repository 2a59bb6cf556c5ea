"""The claim about the map itself."""

import numpy as np
import pytest
from networks import loaded, mlp

from verixplain.attribution.eva import EVA
from verixplain.certify.claim import Encloses, claim_named
from verixplain.certify.run import certify
from verixplain.errors import SettingError
from verixplain.query import Box, Query, Target


def test_it_has_no_parameters():
    with pytest.raises(SettingError, match="written enclosure"):
        claim_named("enclosure:3")


def test_a_map_is_an_estimate_until_it_is_checked():
    network = loaded(mlp())
    center = np.zeros(network.input_shape)
    label = int(network(center[None])[0].argmax())
    asked = Query(network, Box.around(center, 0.1), Target.label(label))
    (found,) = certify(asked, ["enclosure"], EVA(steps=2, restarts=1)).claims
    assert found.finding.status == "estimate"
    assert isinstance(found.finding.rests_on, Encloses)
    assert f"each of {len(asked.groups)} groups" in found.finding.statement
