from dataclasses import dataclass

import pytest

from verixplain import cli, models

QUICK = ["--groups", "grid:2x2", "--set", "steps=2", "--set", "restarts=1"]


@dataclass
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def say(capsys):
    """Run one command line in this process."""

    def run(*words, debug=False):
        code = cli.execute([str(word) for word in words], debug)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def model():
    return models.find("digits_mlp")


@pytest.fixture(scope="session")
def digits():
    return models.folder() / "digits_inputs.npz"
