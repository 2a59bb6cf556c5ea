"""What the class activation maps share: one layer's activations, weighted."""

from dataclasses import dataclass

import torch
from torch import Tensor

from verixplain.attribution._base import Attribution, Explained, Scores
from verixplain.attribution._image import enlarged, needed_image, over_pixels
from verixplain.attribution._layers import CURVES, SUMS, Layer, need, run
from verixplain.errors import SettingError, UnsupportedMethodError

PLACES = CURVES | SUMS | {"Conv", "ConvTranspose", "BatchNormalization"}
"""Operators whose results may be weighted: the last one that still has rows and columns is."""


@dataclass(frozen=True)
class ClassActivation(Attribution):
    """A weighted sum of one layer's channels, at the size of the input.

    Every pixel's value is shared equally by its channels, so a pixel's group scores the value.

    Args:
        layer: name of the layer; "" is the last one that still has rows and columns.

    """

    layer: str = ""

    needs = "a convolution, and an image"
    keeps_ignored_at_zero = False

    def weights(self, activations: Tensor, slopes: Tensor) -> Tensor:
        """One number a channel from activations and slopes (channels, rows, columns)."""
        raise NotImplementedError

    def scores(self, explained: Explained) -> Scores:
        need(explained, self.name, {"Conv", "ConvTranspose"}, "a convolution")
        image = needed_image(explained, self.name)
        name, activations, slopes = self.watched(explained)
        weights = self.weights(activations, slopes)
        found = torch.relu((weights[:, None, None] * activations).sum(0))
        shape = tuple(explained.x.shape)
        laid = over_pixels(image, enlarged(found[None], image)[0], shape) / image.pixels.shape[1]
        size = "x".join(map(str, activations.shape))
        empty = () if bool(found.any()) else ("the map is empty: no channel speaks for the class",)
        arrays = {"channel_weights": weights.cpu().numpy(), "coarse_map": found.cpu().numpy()}
        return Scores(laid, (f"layer {name} ({size})", *empty), arrays)

    def watched(self, explained: Explained) -> tuple[str, Tensor, Tensor]:
        """The layer's name, its activations, and the slopes of the explained number there."""
        seen: dict[str, Tensor] = {}

        def watch(layer: Layer, *inputs: Tensor):
            result = layer.module(*inputs)
            if isinstance(result, Tensor) and result.ndim == 4:
                places = layer.operator in PLACES and result.shape[2] * result.shape[3] > 1
                if layer.name == self.layer or (not self.layer and places):
                    seen[layer.name] = result
            return result

        with torch.enable_grad():
            x = explained.x[None].detach().requires_grad_()
            number = explained.number(run(explained, x, watch))
            if not seen and self.layer:
                raise SettingError(f"no layer {self.layer!r} with rows and columns")
            if not seen:
                raise UnsupportedMethodError(f"{self.name}: no layer has rows and columns")
            name = list(seen)[-1]
            (slopes,) = torch.autograd.grad(number.sum(), seen[name], allow_unused=True)
        slopes = torch.zeros_like(seen[name]) if slopes is None else slopes
        return name, seen[name].detach()[0], slopes[0]
