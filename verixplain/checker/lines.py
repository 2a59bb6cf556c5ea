"""Straight lines above and below an activation on an interval, whatever the slope.

A slope decides how tight a line is, never whether it holds: the intercept is computed for the
slope, rounded outward, so slopes may come from anywhere.
"""

from dataclasses import dataclass

import numpy as np

from .rounding import LIBRARY32, TINY32, UNIT, UNIT32, Array, down, sigmoid, up


@dataclass
class Lines:
    """lower_slope z + lower_at <= f(z) <= upper_slope z + upper_at on the interval of each z."""

    upper_slope: Array
    upper_at: Array
    lower_slope: Array
    lower_at: Array
    open: Array
    """Where the lower slope is free, and a certificate may choose it."""


@dataclass(frozen=True)
class Kinked:
    """max(z, leak z) with 0 <= leak <= 1: ReLU is leak 0. Convex, so chords lie above it."""

    leak: float = 0.0

    def range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        ends = [np.maximum(z, 0.0) + self.leak * np.minimum(z, 0.0) for z in (lower, upper)]
        return (down(ends[0]), up(ends[1])) if self.leak else (ends[0], ends[1])

    def executed(self, lower: Array, upper: Array) -> Array:
        """How far one float32 execution may be from the exact value."""
        return (UNIT32 * self.leak) * np.maximum(-lower, 0.0) + (TINY32 if self.leak else 0.0)

    def open(self, lower: Array, upper: Array) -> Array:
        return (lower < 0.0) & (upper > 0.0)

    def derivative(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Least and largest derivative; at the kink itself any of the two will do."""
        on, off = lower >= 0.0, (upper <= 0.0) & (lower < 0.0)
        return np.where(on, 1.0, self.leak), np.where(off, self.leak, 1.0)

    def slope(self, share: Array) -> Array:
        """The slope a share in [0, 1] stands for; any in [leak, 1] passes below the kink."""
        return np.clip(self.leak + (1.0 - self.leak) * share, self.leak, 1.0)

    def lines(self, lower: Array, upper: Array) -> Lines:
        open_ = self.open(lower, upper)
        closed = np.where(lower >= 0.0, 1.0, self.leak)
        width = np.where(open_, upper - lower, 1.0)
        chord = np.clip((upper - self.leak * lower) / width, self.leak, 1.0)
        slope = np.where(open_, chord, closed)
        ends = np.maximum((self.leak - slope) * lower, upper - slope * upper)
        rounding = 4 * UNIT * (upper - lower) + 1e-300  # each step costs UNIT of a part of it
        at = np.where(open_, np.maximum(ends, 0.0) + rounding, 0.0)
        adaptive = np.where(upper > -lower, 1.0, self.leak)
        return Lines(slope, at, np.where(open_, adaptive, closed), np.zeros_like(at), open_)


@dataclass(frozen=True)
class Curved:
    """scale * sigmoid(scale * z) - shift: the sigmoid (1, 0) and the tanh (2, 1).

    Increasing, convex below 0, concave above, and f(-z) = (scale - 2 shift) - f(z).
    """

    scale: float
    shift: float

    def values(self, z: Array) -> tuple[Array, Array]:
        low, high = sigmoid(self.scale * z)
        return down(self.scale * low - self.shift), up(self.scale * high - self.shift)

    def range(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        return self.values(lower)[0], self.values(upper)[1]

    def executed(self, lower: Array, upper: Array) -> Array:
        return np.full_like(lower, LIBRARY32)

    def open(self, lower: Array, upper: Array) -> Array:
        return lower < upper

    def derivative(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """Least and largest derivative: it falls with the distance from 0."""
        near = np.maximum(np.maximum(lower, -upper), 0.0)
        far = np.maximum(-lower, upper)
        least, most = self._derivative(far) - 2.0**-45, self._derivative(near) + 2.0**-45
        return np.maximum(least, 0.0), most

    def _derivative(self, z: Array) -> Array:
        """f'(z) with an absolute error below 2^-45."""
        low, high = sigmoid(self.scale * z)
        middle = 0.5 * (low + high)
        return self.scale**2 * middle * (1.0 - middle)

    def lines(self, lower: Array, upper: Array) -> Lines:
        slope, at = self._above(lower, upper)
        mirrored, at_mirrored = self._above(-upper, -lower)
        below = (self.scale - 2 * self.shift) - at_mirrored  # its rounding is paid for there
        return Lines(slope, at, mirrored, below, np.zeros(lower.shape, bool))

    def _above(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """A line above f on [lower, upper]: chord, or tangent where the chord would cut f."""
        low, high = self.values(lower)[0], self.values(upper)[1]
        chord = np.clip((high - low) / np.maximum(upper - lower, 1e-12), 0.0, self.scale**2 / 4)
        near, far = np.maximum(lower, 0.0), np.maximum(upper, 0.0)
        chord_lies_above = (upper <= 0.0) | (self._derivative(upper) >= chord)
        left, right = near, far
        for _ in range(25):  # the point of [0, upper] whose tangent meets f(lower)
            middle = 0.5 * (left + right)
            passes = self.values(middle)[1] - self._derivative(middle) * (middle - lower) >= low
            left, right = np.where(passes, left, middle), np.where(passes, middle, right)
        touch = np.where(lower >= 0.0, 0.5 * (near + far), right)
        touch = np.where(chord_lies_above, far, touch)
        slope = np.where(chord_lies_above, chord, self._derivative(touch))
        return slope, self._intercept(slope, touch, lower, upper)

    def _intercept(self, slope: Array, touch: Array, lower: Array, upper: Array) -> Array:
        """At least f(z) - slope z on [lower, upper], for any slope >= 0 and any touch point.

        On the convex part that is largest at an end. On the concave part [near, upper] f lies
        below its tangent at the touch point, f(touch) + f'(touch) (z - touch).
        """
        near = np.maximum(lower, 0.0)
        touch = np.clip(touch, near, np.maximum(upper, 0.0))
        steep = self._derivative(touch)
        rest = np.maximum((steep + 2.0**-45 - slope) * (np.maximum(upper, 0.0) - touch), 0.0)
        rest = np.maximum(rest, (slope - steep + 2.0**-45) * (touch - near))
        concave = np.where(upper > 0.0, self.values(touch)[1] - slope * touch + rest, -np.inf)
        ends = [self.values(z)[1] - slope * z for z in (lower, upper)]
        size = np.maximum(np.abs(lower), np.abs(upper))
        rounding = 2.0**-47 * (2.0 + slope * size + rest)  # each step costs 2^-53 of this or less
        return np.maximum(concave, np.maximum(*ends)) + rounding


RELU = Kinked()
SIGMOID = Curved(1.0, 0.0)
TANH = Curved(2.0, 1.0)
