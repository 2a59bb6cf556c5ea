import numpy as np
import pytest

from verixplain.errors import OutputError
from verixplain.rows import Rows, key_of


def test_rows_come_back(tmp_path):
    path = tmp_path / "new" / "rows.jsonl"
    Rows(path).keep({"key": "a", "value": 0.1 + 0.2})
    Rows(path).keep({"key": "b", "value": 2})
    assert Rows(path).get("a") == {"key": "a", "value": 0.1 + 0.2}
    assert Rows(path).get("c") is None


@pytest.mark.parametrize("cut", [1, 5, 10])
def test_a_line_that_was_cut_short_is_dropped_and_the_next_begins_anew(tmp_path, cut):
    path = tmp_path / "rows.jsonl"
    for name in "ab":
        Rows(path).keep({"key": name})
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    rows = Rows(path)
    assert rows.get("a") is not None
    assert rows.get("b") is None
    rows.keep({"key": "b"})
    assert path.read_bytes() == whole


def test_a_file_that_holds_no_rows_is_refused(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("[1]\n")
    with pytest.raises(OutputError, match="no row"):
        Rows(path)


def test_without_a_file_rows_live_in_memory():
    rows = Rows()
    rows.keep({"key": "a"})
    assert rows.get("a") == {"key": "a"}


def test_a_key_knows_values_types_and_shapes():
    array = np.arange(6.0)
    parts = [array, array.reshape(2, 3), array.astype("f4"), array + 1e-12, {"a": 1}, {"a": 1.5}]
    assert len({key_of(part) for part in parts}) == len(parts)
    assert key_of({"a": 1, "b": array}) == key_of({"b": array.copy(), "a": 1})
