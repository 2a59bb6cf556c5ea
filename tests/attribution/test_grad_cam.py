import networks
import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam

from attribution import cams
from attribution.settings import digits, query, tensor, torch_module
from verixplain import Box, Groups, Query, Target
from verixplain.attribution.grad_cam import GradCAM
from verixplain.errors import SettingError, UnsupportedMethodError


def test_weights_are_the_mean_slopes():
    cams.agrees(GradCAM(), lambda values, slopes: slopes.mean((1, 2)))


def test_captum_agrees_on_the_coarse_map():
    of, x = digits()
    module = torch_module(of)
    for label in range(10):
        theirs = LayerGradCam(module, module[3]).attribute(
            tensor(x[:1]), label, relu_attributions=True
        )
        found = GradCAM().explain(query(of, x[0], label)).arrays["coarse_map"]
        np.testing.assert_allclose(found, theirs.detach()[0, 0], atol=1e-5)


def test_another_layer_can_be_named_and_the_map_has_the_inputs_size():
    of, x = digits()
    found = GradCAM(layer="/0/Conv").explain(query(of, x[0], 3))
    assert found.map.shape == (1, 8, 8)
    assert found.arrays["coarse_map"].shape == (8, 8)
    with pytest.raises(SettingError, match="no layer 'conv9'"):
        GradCAM(layer="conv9").explain(query(of, x[0], 3))


def test_an_empty_map_is_said():
    of, x = digits()
    found = [GradCAM().explain(query(of, x[0], label)) for label in range(10)]
    for one in found:
        said = any("the map is empty" in note for note in one.notes)
        assert said == (not one.map.any())


def test_a_pixel_of_several_channels_scores_the_maps_value():
    of = networks.loaded(networks.cnn(channels=(3, 4, 5)))
    x = np.random.default_rng(0).uniform(size=of.input_shape).astype("f4")
    groups = Groups.pixels(of.input_shape)
    found = GradCAM(layer="activation0").explain(
        Query(of, Box.around(x, 0), Target.label(0), groups)
    )
    coarse = torch.from_numpy(found.arrays["coarse_map"])[None, None]
    large = torch.nn.functional.interpolate(coarse, size=(8, 8), mode="bilinear")[0, 0]
    np.testing.assert_allclose(found.group_scores, large.flatten(), atol=1e-12)


def test_networks_without_a_convolution_and_inputs_that_are_no_images_are_refused():
    of, x = digits("digits_mlp")
    with pytest.raises(UnsupportedMethodError, match="grad-cam needs a convolution"):
        GradCAM().explain(query(of, x[0]))
