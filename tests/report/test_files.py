import io

import numpy as np
import pytest

from verixplain.errors import OutputError
from verixplain.report.files import csv_of, npz_of, write


def test_files_are_there_and_nothing_beside_them(tmp_path):
    folder = write(tmp_path / "new", {"a.txt": b"one", "b.txt": b"two"})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "a.txt": b"one",
        "b.txt": b"two",
    }


def test_a_name_that_cannot_be_written_leaves_the_others_as_they_were(tmp_path):
    write(tmp_path, {"a.txt": b"before"})
    with pytest.raises(OutputError, match="nothing half-written"):
        write(tmp_path, {"a.txt": b"after", "no/such/folder.txt": b""})
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"before"


def test_a_table_has_the_columns_asked_for():
    rows = [{"a": 1.5, "b": "x, y"}, {"b": 'say "z"'}]
    assert csv_of(rows, ("b", "a")).decode().splitlines() == ["b,a", '"x, y",1.5', '"say ""z""",']
    assert csv_of([]) == b"\n"


def test_arrays_are_read_back():
    with np.load(io.BytesIO(npz_of({"a": np.arange(3)}))) as arrays:
        np.testing.assert_array_equal(arrays["a"], [0, 1, 2])
