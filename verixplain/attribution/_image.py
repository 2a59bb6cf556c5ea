"""Inputs as images: rows and columns, and back to the input's shape."""

import torch
import torch.nn.functional as F
from torch import Tensor

from verixplain.attribution._base import Explained
from verixplain.errors import GroupsError, UnsupportedMethodError
from verixplain.features import Plane, plane


def image_of(explained: Explained) -> Plane | None:
    """The image that the input is, or None where it is none, or none that can be told."""
    groups = explained.query.groups
    if groups.plane is not None:
        return groups.plane
    try:
        return plane(explained.query.box.center.shape, explained.network.card.layout)
    except GroupsError:
        return None


def needed_image(explained: Explained, method: str) -> Plane:
    """The image that the input is.

    Raises:
        UnsupportedMethodError: it is none.
    """
    found = image_of(explained)
    if found is None:
        raise UnsupportedMethodError(
            f"{method} explains images, and an input of shape {tuple(explained.x.shape)} is none; "
            "if it is one, say its layout (in the model's card, or --layout)"
        )
    return found


def over_pixels(image: Plane, values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Values of pixels (..., rows, columns) as inputs (..., *shape), the same for each channel."""
    places = torch.as_tensor(image.pixels, device=values.device)
    flat = values.flatten(-2)[..., None].expand(*values.shape[:-2], *places.shape)
    laid = values.new_zeros((*values.shape[:-2], places.numel()))
    laid[..., places.flatten()] = flat.flatten(-2)
    return laid.reshape(*values.shape[:-2], *shape)


def enlarged(values: Tensor, image: Plane) -> Tensor:
    """Maps (maps, rows, columns) bilinearly at the size of the image."""
    size = (image.rows, image.columns)
    return F.interpolate(values[None], size=size, mode="bilinear", align_corners=False)[0]
