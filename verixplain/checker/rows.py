"""Coefficient rows over one value of the network: dense, or a small window of an image.

The backward pass of a single convolutional neuron touches only its receptive field, so its row
is carried as a window that grows through the convolutions. Positions outside the image are kept
at zero: they multiply padding.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from .rounding import Array

Image = tuple[int, int, int]  # channels, height, width


def _nowhere() -> Array:
    return np.zeros(0, np.int64)


def image_of(shape: tuple[int, ...]) -> Image | None:
    """A value's shape as an image, if it is one (one-dimensional signals have height 1)."""
    if len(shape) == 4:
        return shape[1], shape[2], shape[3]
    return (shape[1], 1, shape[2]) if len(shape) == 3 else None


@dataclass
class Rows:
    """`numbers` is (rows, n), or (rows, h, w, channels) for windows with corners `y`, `x`."""

    numbers: Array
    image: Image = (0, 0, 0)
    y: Array = field(default_factory=_nowhere)
    x: Array = field(default_factory=_nowhere)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def windowed(self) -> bool:
        return self.numbers.ndim == 4

    @property
    def flat(self) -> Array:
        return self.numbers.reshape(len(self.numbers), -1)

    def like(self, numbers: Array) -> "Rows":
        """Rows at the same places with other numbers."""
        found = Rows(numbers.reshape(self.numbers.shape), self.image, self.y, self.x)
        if "places" in self.__dict__:
            found.__dict__["places"] = self.places
        return found

    @cached_property
    def places(self) -> Array:
        """Flat index into the value of every number of a window; n where it lies outside."""
        c, height, width = self.image
        _, h, w, _ = self.numbers.shape
        y = (self.y[:, None] + np.arange(h))[:, :, None, None]
        x = (self.x[:, None] + np.arange(w))[:, None, :, None]
        place = np.arange(c) * (height * width) + y * width + x
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        return np.where(inside, place, c * height * width).reshape(len(self), -1)

    def cut(self, vectors: Array, member: Array) -> Array:
        """The part of each row's own vector that the row covers, shaped like `flat`.

        Args:
            vectors: (members, n); a single member serves all rows.
            member: per row, which vector is its own.
        """
        if self.windowed:
            padded = np.concatenate([vectors, np.zeros((len(vectors), 1))], axis=1)
            return (
                padded[0][self.places]
                if len(vectors) == 1
                else padded[member[:, None], self.places]
            )
        return vectors if len(vectors) == 1 else vectors[member]

    def dot(self, numbers: Array, vectors: Array, member: Array) -> Array:
        """Row by row, the sum of `numbers` (shaped like `flat`) times the row's vector."""
        part = self.cut(vectors, member)
        if len(part) == 1:
            return numbers @ part[0]
        return np.einsum("rn,rn->r", numbers, part)

    def clear_outside(self) -> "Rows":
        """Set what lies outside the image to zero."""
        _, height, width = self.image
        _, h, w, _ = self.numbers.shape
        y = self.y[:, None] + np.arange(h)
        x = self.x[:, None] + np.arange(w)
        inside_y, inside_x = (y >= 0) & (y < height), (x >= 0) & (x < width)
        if not (inside_y.all() and inside_x.all()):
            inside = inside_y[:, :, None] & inside_x[:, None, :]
            self.numbers = np.where(inside[..., None], self.numbers, 0.0)
        return self

    def dense(self) -> "Rows":
        if not self.windowed:
            return self
        n = int(np.prod(self.image))
        full = np.zeros((len(self), n + 1))
        np.put_along_axis(full, self.places, self.flat, axis=1)
        return Rows(full[:, :n])

    def as_image(self, image: Image) -> "Rows":
        """Dense rows as one window each that is the whole image."""
        if self.windowed:
            return self
        numbers = self.numbers.reshape(-1, *image).transpose(0, 2, 3, 1)
        corner = np.zeros(len(self), np.int64)
        return Rows(np.ascontiguousarray(numbers), image, corner, corner)

    def from_image(self) -> "Rows":
        """Windows with corner (0, 0) that cover the whole image or more, as dense rows."""
        _, height, width = self.image
        inside = self.numbers[:, :height, :width].transpose(0, 3, 1, 2)
        return Rows(np.ascontiguousarray(inside).reshape(len(self), -1))

    def plus(self, other: "Rows") -> "Rows":
        """The sum; windows that moved apart unevenly are made dense first."""
        if self.windowed and other.windowed:
            dy, dx = other.y - self.y, other.x - self.x
            if (dy == dy[0]).all() and (dx == dx[0]).all():
                return self._union(other, int(dy[0]), int(dx[0]))
        return Rows(self.dense().numbers + other.dense().numbers)

    def _union(self, other: "Rows", dy: int, dx: int) -> "Rows":
        (rows, h, w, c), (_, p, q, _) = self.numbers.shape, other.numbers.shape
        top, left = min(0, dy), min(0, dx)
        total = np.zeros((rows, max(h, dy + p) - top, max(w, dx + q) - left, c))
        total[:, -top : h - top, -left : w - left] += self.numbers
        total[:, dy - top : dy - top + p, dx - left : dx - left + q] += other.numbers
        return Rows(total, self.image, self.y + top, self.x + left)


def unit_rows(shape: tuple[int, ...], neurons: Array, sign: Array) -> Rows:
    """One row `sign * e_neuron` per neuron of a value."""
    image, rows = image_of(shape), np.arange(len(neurons))
    if image is None or image[1] * image[2] == 1:
        numbers = np.zeros((len(neurons), int(np.prod(shape))))
        numbers[rows, neurons] = sign
        return Rows(numbers)
    channel, y, x = np.unravel_index(neurons, image)
    numbers = np.zeros((len(neurons), 1, 1, image[0]))
    numbers[rows, 0, 0, channel] = sign
    return Rows(numbers, image, y, x)
