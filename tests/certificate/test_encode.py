"""The encoder and the checker's reader were written apart, from FORMAT.md: they must agree."""

import struct
from pathlib import Path

import numpy as np
import pytest

import verixplain
from verixplain.certificate.encode import encode
from verixplain.checker.container import read_certificate
from verixplain.checker.reasons import Reason

ARRAYS = {
    "b": np.arange(6, dtype=np.int32).reshape(2, 3),
    "a": np.array([0.5, -1.25], np.float32),
    "c": np.array([[1e-300], [np.pi]]),
    "d": np.zeros((0, 4), np.uint8),
}
KINDS = {"a": "F32", "b": "I32", "c": "F64", "d": "U8"}


def test_what_is_written_is_what_is_read():
    manifest, tensors = read_certificate(encode({"format": "x", "n": [1, 0.1]}, ARRAYS))
    assert manifest == {"format": "x", "n": [1, 0.1]}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(tensors.take(name, KINDS[name], array.shape), array)
    tensors.all_used()


def test_equal_content_has_equal_bytes():
    turned = dict(reversed(ARRAYS.items()))
    turned["b"] = np.asfortranarray(ARRAYS["b"].astype(">i4"))
    assert encode({"a": 1, "b": 2}, ARRAYS) == encode({"b": 2, "a": 1}, turned)


def test_the_body_starts_at_a_multiple_of_eight():
    data = encode({}, ARRAYS)
    assert struct.unpack("<Q", data[:8])[0] % 8 == 0
    assert data.endswith(np.float64(np.pi).tobytes())


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_nothing_that_is_not_finite_is_written(number):
    with pytest.raises(ValueError, match="NaN or infinity"):
        encode({}, {"a": np.array([number])})
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"a": float(number)}, {})


def test_another_dtype_is_refused():
    with pytest.raises(TypeError, match="int64"):
        encode({}, {"a": np.arange(3)})


def test_the_format_page_names_every_reason_claim_and_operator():
    from verixplain.checker.claims import KINDS as CLAIMS
    from verixplain.checker.operators import BUILDERS

    page = (Path(verixplain.__file__).parent / "certificate" / "FORMAT.md").read_text()
    for reason in Reason:
        assert f"`{reason}`" in page
    for kind in CLAIMS:
        assert f"| `{kind}` |" in page
    for operator in BUILDERS:
        assert operator in page
