"""What floating point may do to us, in one place.

Everything is computed in binary64, rounded to nearest. A computed number is corrected by a
bound of its rounding error; nothing here depends on the order in which numpy adds, and no
function of the C library is trusted: the exponential is made of +, -, * and / only.
"""

import numpy as np

from .reasons import Reason, need

Array = np.ndarray

UNIT = 2.0**-53  # half a unit in the last place of binary64
UNIT32 = 2.0**-24  # of binary32, the deployed network's arithmetic
SAFETY = 1.0 + 1e-6  # pays for the rounding of the error terms: sums of numbers >= 0
FLOOR = 1e-240  # pays for underflow: at most 2^14 steps of 2^52 products of 2^-1075 * 1e30
LARGEST = 1e30  # every weight and every value must stay below it
LARGEST32 = 2.0**126  # and every partial sum of a float32 execution below this
TINY32 = 2.0**-124  # what flushing subnormals to zero can cost a float32 operation
LIBRARY32 = 2.0**-20  # assumed error of a deployed float32 Sigmoid or Tanh; FORMAT.md 7.3


def up(a: Array) -> Array:
    """A number above `a` by at least its last place: so at least the exact result behind `a`.

    |a| 2^-52 is at least the distance to the next number above; 1e-300 is for what underflows.
    """
    return a + (np.abs(a) * 2.0**-52 + 1e-300)


def down(a: Array) -> Array:
    """A number below `a` by at least its last place."""
    return a - (np.abs(a) * 2.0**-52 + 1e-300)


def gamma(terms: int, unit: float = UNIT) -> float:
    """Relative error of a sum of `terms` products in any order (Higham 2002, lemma 3.1)."""
    need(terms * unit < 0.01, Reason.PRECISION, f"{terms} terms are too many for this precision")
    return terms * unit / (1.0 - terms * unit) * SAFETY


_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")  # 32 bits: k * high is exact for |k| < 2^20
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
EXP_ERROR = 2.0**-49  # relative: see `exponential`


def exponential(x: Array) -> Array:
    """exp(x) for |x| <= 700, relative error at most 2^-49.

    x = k ln2 + r, |r| < 0.35: the reduction costs less than 1 unit (2^-53), cutting the series
    after r^15/15! less than 2^-68, and Horner's step n at most 1 + 1/n units plus 0.35/n of
    what the step before it had: below 4 units of the result. 16 units are allowed.
    """
    k = np.rint(x * 1.4426950408889634)
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    series = np.ones_like(r)
    for n in range(15, 0, -1):
        series = 1.0 + r * series / n
    return np.ldexp(series, k.astype(np.int64))


def sigmoid(z: Array) -> tuple[Array, Array]:
    """Numbers below and above 1 / (1 + exp(-z)), for every z."""
    value = 1.0 / (1.0 + exponential(-np.clip(z, -700.0, 700.0)))
    low = np.where(z < -700.0, 0.0, value * (1.0 - 2 * EXP_ERROR))
    return np.maximum(low, 0.0), np.minimum(value * (1.0 + 2 * EXP_ERROR), 1.0)
