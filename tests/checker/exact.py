"""Runs an ONNX network in exact rationals, or as one arbitrary float32 execution.

Written from the ONNX operator descriptions, slowly, and sharing nothing with the checker. Square
roots and exponentials are rationals correct to 60 digits.
"""

from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
import onnx
from onnx import helper, numpy_helper

F = Fraction
ONE32 = np.float32(1)


def fractions(array) -> np.ndarray:
    array = np.asarray(array)
    return np.array([F(float(v)) for v in array.ravel()], object).reshape(array.shape)


def root(value: Fraction) -> Fraction:
    with localcontext() as context:
        context.prec = 60
        return F((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())


def logistic(z: Fraction) -> Fraction:
    with localcontext() as context:
        context.prec = 80
        z = max(min(z, F(5000)), F(-5000))
        return F(1 / (1 + (-(Decimal(z.numerator) / Decimal(z.denominator))).exp()))


class Exact:
    """Arithmetic without any rounding."""

    def sum(self, terms) -> Fraction:
        return sum((F(w) * h for w, h in terms), F(0))

    def leak(self, alpha: float, z):
        return max(z, 0) + F(alpha) * min(z, 0)

    def smooth(self, operator: str, z):
        return logistic(z) if operator == "Sigmoid" else 2 * logistic(2 * z) - 1

    def quotient(self, h, c):
        return h / F(float(c))

    def average(self, values, count: int):
        return sum(values, F(0)) / count

    def normalise(self, h, gain, shift, mean, variance, epsilon):
        g, s, m, v, e = (F(float(p)) for p in (gain, shift, mean, variance, epsilon))
        return (h - m) / root(v + e) * g + s


class Deployed(Exact):
    """One float32 execution: random order, fused multiply-add or not, perhaps flush-to-zero."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.flushes = rng, rng.random() < 0.5

    def sum(self, terms) -> Fraction:
        terms = list(terms)
        total = np.float32(0)
        for place in self.rng.permutation(len(terms)):
            w, h = (self.flushed(np.float32(part)) for part in terms[place])
            if self.rng.random() < 0.5:
                total = self.flushed(np.float32(total + self.flushed(np.float32(w * h))))
            else:
                exact = F(float(w)) * F(float(h)) + F(float(total))
                total = self.flushed(self.round(exact))
        return F(float(total))

    def flushed(self, value: np.float32) -> np.float32:
        return np.float32(0) if self.flushes and abs(value) < 2.0**-126 else value

    @staticmethod
    def round(value: Fraction) -> np.float32:
        """A rational to float32; through binary64, which is off in ties only."""
        return np.float32(float(value))

    def leak(self, alpha: float, z):
        return max(z, 0) if z >= 0 else F(float(np.float32(alpha) * np.float32(float(z))))

    def smooth(self, operator: str, z):
        wrong = F(float(self.rng.uniform(-1, 1))) / 2**21
        return F(float(self.round(super().smooth(operator, z) + wrong)))

    def quotient(self, h, c):
        return F(float(np.float32(float(h)) / np.float32(c)))

    def average(self, values, count: int):
        total = np.float32(float(self.sum((1.0, v) for v in values)))
        if self.rng.random() < 0.5:
            return F(float(total / np.float32(count)))
        return F(float(total * (ONE32 / np.float32(count))))

    def normalise(self, h, gain, shift, mean, variance, epsilon):
        h = np.float32(float(h))
        scale = np.float32(gain) / np.sqrt(np.float32(variance) + np.float32(epsilon))
        if self.rng.random() < 0.5:
            return F(float((h - mean) * scale + shift))
        return F(float(h * scale + (shift - mean * scale)))


class Run:
    """All values of one run; `numbers[name]` is an array of Fractions shaped as in ONNX."""

    def __init__(self, model: bytes, x: np.ndarray, arithmetic: Exact) -> None:
        graph = onnx.load_from_string(model).graph
        self.a = arithmetic
        self.constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
        self.numbers = {graph.input[0].name: fractions(x)}
        self.terms: dict[str, list] = {}
        for node in graph.node:
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            found = getattr(self, node.op_type.lower())(node, **attributes)
            self.numbers[node.output[0]] = found
        self.output = self.numbers[graph.output[0].name].ravel()

    def _linear(self, node, terms: list, shape) -> np.ndarray:
        self.terms[node.output[0]] = terms
        return np.array([self.a.sum(t) for t in terms], object).reshape(shape)

    def gemm(self, node, transB=0):  # noqa: N803 - ONNX's name
        h, weight = self.numbers[node.input[0]].ravel(), self.constants[node.input[1]]
        weight = weight if transB else weight.T
        terms = [list(zip(map(float, row), h, strict=True)) for row in weight]
        if len(node.input) > 2:
            for own, b in zip(terms, self.constants[node.input[2]], strict=True):
                own.append((float(b), F(1)))
        return self._linear(node, terms, (1, len(weight)))

    def matmul(self, node):
        h, weight = self.numbers[node.input[0]].ravel(), self.constants[node.input[1]]
        terms = [list(zip(map(float, row), h, strict=True)) for row in weight.T]
        return self._linear(node, terms, (1, weight.shape[1]))

    def add(self, node, sign=1):
        a, b = node.input
        if b in self.constants or a in self.constants:
            constant, name = (b, a) if b in self.constants else (a, b)
            h = self.numbers[name]
            c = np.broadcast_to(self.constants[constant], h.shape).ravel()
            first, second = (1.0, float(sign)) if constant == b else (float(sign), 1.0)
            old = self.terms.get(name)
            if old is None or first < 0 or self._apart():
                old = [[(first, v)] for v in h.ravel()]
            terms = [[*t, (second * float(v), F(1))] for t, v in zip(old, c, strict=True)]
            return self._linear(node, terms, h.shape)
        shape = self.numbers[a].shape
        parts = []
        for name, s in ((a, 1.0), (b, float(sign))):
            old = self.terms.get(name)
            if old is None or self._apart():
                old = [[(1.0, v)] for v in self.numbers[name].ravel()]
            parts.append([[(s * w, v) for w, v in t] for t in old])
        return self._linear(node, [p + q for p, q in zip(*parts, strict=True)], shape)

    def sub(self, node):
        return self.add(node, sign=-1)

    def _apart(self) -> bool:
        """Whether a sum of sums is executed as such, or in one go (fused)."""
        return not isinstance(self.a, Deployed) or self.a.rng.random() < 0.5

    def mul(self, node):
        h = self.numbers[node.input[0]]
        c = np.broadcast_to(self.constants[node.input[1]], h.shape).ravel()
        pairs = zip(c, h.ravel(), strict=True)
        return self._linear(node, [[(float(w), v)] for w, v in pairs], h.shape)

    def div(self, node):
        h = self.numbers[node.input[0]]
        c = np.broadcast_to(self.constants[node.input[1]], h.shape).ravel()
        found = [self.a.quotient(v, w) for v, w in zip(h.ravel(), c, strict=True)]
        return np.array(found, object).reshape(h.shape)

    def batchnormalization(self, node, epsilon):
        h, found = self.numbers[node.input[0]], np.empty(self.numbers[node.input[0]].shape, object)
        parts = [self.constants[name] for name in node.input[1:]]
        for place in product(*map(range, h.shape)):
            own = [part[place[1]] for part in parts]
            found[place] = self.a.normalise(h[place], *own, np.float32(epsilon))
        return found

    def _each(self, node, function):
        h = self.numbers[node.input[0]]
        return np.array([function(v) for v in h.ravel()], object).reshape(h.shape)

    def relu(self, node):
        return self._each(node, lambda v: max(v, F(0)))

    def leakyrelu(self, node, alpha=0.01):
        return self._each(node, lambda v: self.a.leak(float(np.float32(alpha)), v))

    def sigmoid(self, node):
        return self._each(node, lambda v: self.a.smooth("Sigmoid", v))

    def tanh(self, node):
        return self._each(node, lambda v: self.a.smooth("Tanh", v))

    def _windows(self, h, kernel, strides, pads, dilations):
        """Output space, and per output place the (tap, input place) pairs inside the image."""
        several = len(kernel)
        space = [
            (s + pads[i] + pads[i + several] - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1
            for i, s in enumerate(h.shape[2:])
        ]
        seen = {}
        for place in product(*map(range, space)):
            seen[place] = []
            for tap in product(*map(range, kernel)):
                at = tuple(
                    p * s + t * d - pad
                    for p, s, t, d, pad in zip(place, strides, tap, dilations, pads, strict=False)
                )
                if all(0 <= i < n for i, n in zip(at, h.shape[2:], strict=True)):
                    seen[place].append((tap, at))
        return space, seen

    def conv(self, node, strides=None, pads=None, dilations=None, group=1):
        h, weight = self.numbers[node.input[0]], self.constants[node.input[1]]
        outputs, inputs, *kernel = weight.shape
        ones = [1] * len(kernel)
        geometry = (strides or ones, pads or [0] * 2 * len(kernel), dilations or ones)
        space, seen = self._windows(h, kernel, *geometry)
        bias = self.constants[node.input[2]] if len(node.input) > 2 else None
        terms = []
        for o in range(outputs):
            start = o // (outputs // group) * inputs
            for place in product(*map(range, space)):
                own = [
                    (float(weight[(o, i, *tap)]), h[(0, start + i, *at)])
                    for tap, at in seen[place]
                    for i in range(inputs)
                ]
                terms.append(own + ([] if bias is None else [(float(bias[o]), F(1))]))
        return self._linear(node, terms, (1, outputs, *space))

    def _pooled(self, node, kernel_shape, strides, pads, function):
        h = self.numbers[node.input[0]]
        space, seen = self._windows(h, kernel_shape, strides, pads, [1] * len(kernel_shape))
        found = [
            function([h[(0, c, *at)] for _, at in seen[place]])
            for c in range(h.shape[1])
            for place in product(*map(range, space))
        ]
        return np.array(found, object).reshape(1, h.shape[1], *space)

    def maxpool(self, node, kernel_shape, strides, pads):
        return self._pooled(node, kernel_shape, strides, pads, max)

    def averagepool(self, node, kernel_shape, strides, pads, count_include_pad=0):
        def average(values):
            count = prod(kernel_shape) if count_include_pad else len(values)
            return self.a.average(values, count)

        return self._pooled(node, kernel_shape, strides, pads, average)

    def globalaveragepool(self, node):
        h = self.numbers[node.input[0]]
        found = [self.a.average(list(c.ravel()), c.size) for c in h[0]]
        return np.array(found, object).reshape(1, -1, *[1] * (h.ndim - 2))

    def identity(self, node):
        return self.numbers[node.input[0]]

    def flatten(self, node):
        return self.numbers[node.input[0]].reshape(1, -1)

    def reshape(self, node):
        return self.numbers[node.input[0]].reshape(self.constants[node.input[1]])

    def transpose(self, node, perm):
        return self.numbers[node.input[0]].transpose(perm)

    def concat(self, node, axis):
        return np.concatenate([self.numbers[name] for name in node.input], axis=axis)

    def pad(self, node):
        pads = self.constants[node.input[1]]
        half = len(pads) // 2
        around = list(zip(pads[:half], pads[half:], strict=True))
        return np.pad(self.numbers[node.input[0]], around, constant_values=F(0))

    def slice(self, node):
        (start,), (stop,), (axis,) = (self.constants[name] for name in node.input[1:])
        cut = [slice(None)] * 4
        cut[axis] = slice(int(start), int(stop))
        h = self.numbers[node.input[0]]
        return h[tuple(cut[: h.ndim])]
