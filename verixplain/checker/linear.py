"""The three linear maps a network is made of, each forward on boxes and backward on rows."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from .rounding import Array
from .rows import Image, Rows


class Linear(Protocol):
    """A linear map W between flat values.

    `fan` bounds the products in one output, `spread` those in one coefficient of a backward row.
    """

    fan: int
    spread: int

    @property
    def largest(self) -> float: ...
    def forward(self, values: Array, absolute: bool = False) -> Array:
        """W v, or |W| v, for a batch (members, n) of vectors."""
        ...

    def backward(self, rows: Rows) -> Rows:
        """L W for rows L over the output."""
        ...

    def absolute(self) -> "Linear":
        """|W|."""
        ...


@dataclass
class Dense:
    """z = W h with W of shape (outputs, inputs)."""

    weight: Array

    def __post_init__(self) -> None:
        self.spread, self.fan = self.weight.shape

    @cached_property
    def _absolute(self) -> Array:
        return np.abs(self.weight)

    @property
    def largest(self) -> float:
        return float(self._absolute.max(initial=0.0))

    def forward(self, values: Array, absolute: bool = False) -> Array:
        return values @ (self._absolute if absolute else self.weight).T

    def backward(self, rows: Rows) -> Rows:
        return Rows(rows.dense().numbers @ self.weight)

    def absolute(self) -> "Dense":
        return Dense(self._absolute)


@dataclass
class Diagonal:
    """z_i = w_i h_i."""

    weight: Array
    fan: int = 1
    spread: int = 1

    @property
    def largest(self) -> float:
        return float(np.abs(self.weight).max(initial=0.0))

    def forward(self, values: Array, absolute: bool = False) -> Array:
        return values * (np.abs(self.weight) if absolute else self.weight)

    def backward(self, rows: Rows) -> Rows:
        part = rows.cut(self.weight[None], np.zeros(len(rows), np.int64))
        return rows.like(rows.flat * part)

    def absolute(self) -> "Diagonal":
        return Diagonal(np.abs(self.weight))


@dataclass
class Window:
    """Where a kernel of taps lies on an image: stride, padding before, dilation, both sizes."""

    source: Image
    target: Image
    kernel: tuple[int, int]
    stride: tuple[int, int]
    before: tuple[int, int]
    dilation: tuple[int, int] = (1, 1)

    def taps(self):
        """Every tap with its offset on the padded image."""
        for a in range(self.kernel[0]):
            for b in range(self.kernel[1]):
                yield a, b, a * self.dilation[0], b * self.dilation[1]

    def padded(self, values: Array, fill: float = 0.0) -> Array:
        """Images (members, c, h, w), padded so that every tap of every output lies inside."""
        need_h = (self.target[1] - 1) * self.stride[0] + (self.kernel[0] - 1) * self.dilation[0] + 1
        need_w = (self.target[2] - 1) * self.stride[1] + (self.kernel[1] - 1) * self.dilation[1] + 1
        (_, height, width), (top, left) = self.source, self.before
        full = np.full(
            (len(values), self.source[0], max(need_h, top + height), max(need_w, left + width)),
            fill,
        )
        full[:, :, top : top + height, left : left + width] = values.reshape(-1, *self.source)
        return full

    def at_tap(self, padded: Array, down: int, right: int) -> Array:
        """What one tap sees at every output position."""
        (_, h, w), (sy, sx) = self.target, self.stride
        return padded[
            :, :, down : down + (h - 1) * sy + 1 : sy, right : right + (w - 1) * sx + 1 : sx
        ]

    def grow(self, rows: Rows, channels: int, part) -> Rows:
        """Rows over the output -> rows over the input; `part(a, b, numbers)` is one tap's share."""
        whole = not rows.windowed
        rows = rows.as_image(self.target)
        count, h, w, _ = rows.numbers.shape
        (sy, sx), (top, left) = self.stride, self.before
        tall = (h - 1) * sy + (self.kernel[0] - 1) * self.dilation[0] + 1
        wide = (w - 1) * sx + (self.kernel[1] - 1) * self.dilation[1] + 1
        if whole:
            tall, wide = max(tall, top + self.source[1]), max(wide, left + self.source[2])
        total = np.zeros((count, tall, wide, channels))
        for a, b, y, x in self.taps():
            total[:, y : y + (h - 1) * sy + 1 : sy, x : x + (w - 1) * sx + 1 : sx] += part(
                a, b, rows
            )
        if whole:
            return Rows(total[:, top:, left:], self.source, rows.y, rows.x).from_image()
        return Rows(total, self.source, rows.y * sy - top, rows.x * sx - left).clear_outside()


@dataclass
class Convolution:
    """A convolution; `kernel` is (groups, outputs, inputs, kh, kw) per group."""

    kernel: Array
    window: Window

    def __post_init__(self) -> None:
        _, outputs, inputs, kh, kw = self.kernel.shape
        self.fan, self.spread = inputs * kh * kw, outputs * kh * kw

    @cached_property
    def _absolute(self) -> Array:
        return np.abs(self.kernel)

    @property
    def largest(self) -> float:
        return float(self._absolute.max(initial=0.0))

    def forward(self, values: Array, absolute: bool = False) -> Array:
        kernel = self._absolute if absolute else self.kernel
        groups, outputs, inputs, _, _ = kernel.shape
        padded, (_, h, w) = self.window.padded(values), self.window.target
        total = np.zeros((len(values), groups, outputs, h * w))
        for a, b, y, x in self.window.taps():
            seen = self.window.at_tap(padded, y, x).reshape(len(values), groups, inputs, h * w)
            total += kernel[:, :, :, a, b] @ seen
        return total.reshape(len(values), -1)

    def backward(self, rows: Rows) -> Rows:
        groups, outputs, inputs, _, _ = self.kernel.shape

        def part(a: int, b: int, image: Rows) -> Array:
            count, h, w, _ = image.numbers.shape
            if groups == 1:
                return image.numbers @ self.kernel[0, :, :, a, b]
            split = image.numbers.reshape(count, h, w, groups, 1, outputs)
            return (split @ self.kernel[:, :, :, a, b]).reshape(count, h, w, groups * inputs)

        return self.window.grow(rows, groups * inputs, part)

    def absolute(self) -> "Convolution":
        return Convolution(self._absolute, self.window)
