"""What all tests share: where the public networks lie, and how seeds are fixed."""

import os
from pathlib import Path

# Before torch is imported anywhere: with one process a core, more threads wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

DATA = Path(os.environ.get("VERIXPLAIN_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of public networks and inputs; the test is skipped, and says so, without it."""
    if not (DATA / "models.json").is_file():
        pytest.skip(f"no public networks at {DATA}; set VERIXPLAIN_DATA to their folder")
    return DATA
