"""FullGrad: the input's share and every layer's bias share, as one map."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from verixplain.attribution._affine import is_affine, offset
from verixplain.attribution._base import Attribution, Explained, Scores, one_of
from verixplain.attribution._image import enlarged, needed_image, over_pixels
from verixplain.attribution._layers import CURVES, Layer, run
from verixplain.errors import UnsupportedMethodError
from verixplain.registry import methods

HANDLINGS = ("signed", "absolute", "positive", "positive-gradient")
TOLERANCE = 1e-4


@methods.add
@dataclass(frozen=True)
class FullGrad(Attribution):
    """Gradient times input plus gradient times bias of every layer with rows and columns.

    The explained number is exactly the sum of these shares and those of layers without rows and
    columns, which the map leaves out as published; this is checked. `absolute` is the published
    handling: every share's size, stretched to [0, 1], then added up, in arbitrary units. `signed`
    adds up the shares as they are; `positive` takes their positive part, `positive-gradient` that
    of the gradient. A pixel's value is shared equally by its channels.

    Args:
        handling: absolute, signed, positive or positive-gradient.

    Source: Srinivas and Fleuret 2019, arXiv:1905.00780; the handlings Khakzar, Baselizadeh and
    Navab 2020, arXiv:2012.00362.
    """

    handling: str = "absolute"

    needs = "an image, and layers that are affine, or functions of one number"
    keeps_ignored_at_zero = False

    @property
    def sanity(self) -> str:  # type: ignore[override]
        if self.handling == "signed":
            return "sanity checks: passes; its map changes with the class and with the weights"
        return "sanity checks: weak; its map changes less with the class the more is made positive"

    def check(self) -> None:
        one_of("handling", self.handling, HANDLINGS)

    def scores(self, explained: Explained) -> Scores:
        image = needed_image(explained, self.name)
        number, x, slope, shares = self._shares(explained)
        total = float((slope * x).sum()) + sum(float((b * g).sum()) for _, b, g in shares)
        if abs(total - number) > TOLERANCE * max(1.0, abs(number)):
            raise UnsupportedMethodError(
                f"full-grad: the shares add up to {total:.6g}, but the explained number is "
                f"{number:.6g}; some layer is neither affine nor a function of one number"
            )
        places = torch.as_tensor(image.pixels, device=x.device)
        pixels = [self._handled(one.flatten()[places].T, other.flatten()[places].T)
                  for one, other in [(x, slope)]]  # fmt: skip
        found = pixels[0].reshape(-1, image.rows, image.columns).sum(0)
        left_out = 0.0
        for _, bias, grad in shares:
            if grad.ndim == 4 and grad.shape[2] * grad.shape[3] > 1:
                channels = self._handled(bias[0].flatten(1), grad[0].flatten(1))
                maps = channels.reshape(grad.shape[1:])
                large = enlarged(maps, image)
                if self.handling == "signed":  # what is spread over more pixels is thinner
                    large = large * (maps[0].numel() / large[0].numel())
                found = found + large.sum(0)
            else:
                left_out += float((bias * grad).sum())
        laid = over_pixels(image, found, tuple(explained.x.shape)) / image.pixels.shape[1]
        notes = (
            f"{self.handling} handling; input and biases add up to {total:.6g}, the explained "
            f"number is {number:.6g}; {left_out:.6g} of it, of layers without rows and columns, is "
            "not in the map",
        )
        return Scores(laid, notes, {"completeness_delta": np.array(total - number)})

    def _handled(self, value: Tensor, grad: Tensor) -> Tensor:
        """Shares (channels, places) as they enter the map."""
        if self.handling == "signed":
            return value * grad
        if self.handling == "positive-gradient":
            share = (value * grad.clamp(min=0)).abs()
        else:
            share = value * grad
            share = share.clamp(min=0) if self.handling == "positive" else share.abs()
        low, high = share.min(), share.max()
        return (share - low) / (high - low) if bool(high > low) else torch.zeros_like(share)

    def _shares(
        self, explained: Explained
    ) -> tuple[float, Tensor, Tensor, list[tuple[str, Tensor, Tensor]]]:
        """The number, the input and its slope, and every layer's bias and the slope there."""
        seen: list[tuple[str, Tensor, Tensor]] = []

        def watch(layer: Layer, *inputs: Tensor):
            result = layer.module(*inputs)
            if is_affine(layer, *inputs):
                bias = offset(layer, inputs[0])
            elif layer.operator in CURVES:
                bias = _intercept(layer, inputs[0])
            else:
                return result
            if bool(bias.any()):
                seen.append((layer.name, bias.expand_as(result), result))
            return result

        with torch.enable_grad():
            x = explained.x[None].detach().requires_grad_()
            number = explained.number(run(explained, x, watch))[0]
            results = [result for _, _, result in seen]
            grads = torch.autograd.grad(number, [x, *results], allow_unused=True)
        slope, *others = [
            torch.zeros_like(one) if grad is None else grad
            for one, grad in zip([x, *results], grads, strict=True)
        ]
        shares = [(name, bias, grad) for (name, bias, _), grad in zip(seen, others, strict=True)]
        constant = self._constant(explained)
        shares.append(("target", constant, torch.ones_like(constant)))
        return float(number.detach()), x.detach()[0], slope[0], shares

    def _constant(self, explained: Explained) -> Tensor:
        """What the explained number itself adds: minus the offset of the largest row."""
        if explained.probability:
            raise UnsupportedMethodError("full-grad explains class and margin, not the probability")
        with torch.no_grad():
            outputs = explained.network.forward(explained.x[None])[0]
        row = int((explained.rows @ outputs + explained.offsets).argmax())
        return -explained.offsets[row : row + 1]


def _intercept(layer: Layer, x: Tensor) -> Tensor:
    """Where the tangent of a function of one number meets zero: its bias at this input."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        result = layer.module(x)
        (slope,) = torch.autograd.grad(result.sum(), x)
    return (result - slope * x).detach()
