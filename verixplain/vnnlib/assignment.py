"""A counterexample as text and as files."""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from verixplain.errors import OutputError
from verixplain.vnnlib.specification import Specification, Variable

if TYPE_CHECKING:
    from verixplain.vnnlib.search import Witness


def lines(specification: Specification, witness: "Witness") -> list[str]:
    """What stands below `sat` on standard output.

    In version 2 a line such as `X real [1,5]` and one number a line for each tensor; in version 1
    the pairs of a VNN-COMP result. Numbers are exact decimals, without exponents; inputs lie
    exactly in the box, outputs are what ONNX Runtime gave.
    """
    values = (
        (specification.input, [decimal(value) for value in witness.exact]),
        (specification.output, [decimal(Fraction(float(value))) for value in witness.outputs]),
    )
    found: list[str] = []
    if specification.version[0] == 1:
        pairs = [
            f"({tensor.name}_{k}  {text})"
            for tensor, texts in values
            for k, text in enumerate(texts)
        ]
        return ["(" + pairs[0], *pairs[1:-1], pairs[-1] + ")"]
    for tensor, texts in values:
        found.append(f"{tensor.name} {tensor.type} [{','.join(map(str, tensor.shape))}]")
        found += texts
    return found


def decimal(value: Fraction) -> str:
    """An exact decimal without an exponent; a fraction that never ends is rounded to 40 digits."""
    sign = "-" if value < 0 else ""
    whole, rest = divmod(abs(value.numerator), value.denominator)
    if not rest:
        return f"{sign}{whole}.0"
    places, denominator = 0, value.denominator
    for prime in (2, 5):
        count = 0
        while denominator % prime == 0:
            denominator //= prime
            count += 1
        places = max(places, count)
    places = places if denominator == 1 else 40
    digits = str(round(Fraction(rest, value.denominator) * 10**places)).rjust(places, "0")
    return f"{sign}{whole}.{digits}"


def serialise(specification: Specification, witness: "Witness", folder: str | Path) -> None:
    """Write `<variable>.pb`, an ONNX TensorProto, for the input and the output.

    Raises:
        OutputError: the folder cannot be written.
    """
    folder = Path(folder)
    pairs: tuple[tuple[Variable, np.ndarray], ...] = (
        (specification.input, witness.point),
        (specification.output, witness.outputs),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for tensor, values in pairs:
            array = np.asarray(values).reshape(tensor.shape)
            proto = onnx.numpy_helper.from_array(array, tensor.name)
            (folder / f"{tensor.name}.pb").write_bytes(proto.SerializeToString())
    except OSError as error:
        raise OutputError(f"cannot write to {str(folder)!r}: {error.strerror or error}") from error
