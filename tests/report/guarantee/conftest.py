"""A certified input and a run with everything in it that can go wrong, names included."""

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from tests.jobs.conftest import written
from verixplain import cli, models
from verixplain.jobs.run import run

MODEL = '<script>alert("model")</script>'
DATA = "x" * 10_000
BROKEN = "../..\\etc/passwd"
QUESTION = "'\"&amp; \u202egnp.exe\u2066 <img src=x onerror=alert(1)>"
ITEMS = 10


@pytest.fixture(scope="session")
def network() -> Path:
    return models.find("digits_cnn")


@pytest.fixture(scope="session")
def certified(tmp_path_factory, network) -> Path:
    """What `certify --out` writes: certified, estimate and refuted claims."""
    folder = tmp_path_factory.mktemp("certified") / "eight"
    claims = ["order", "top-k:3", "prediction", "pair:0,1", "pair:1,0"]
    words = ["certify", network, f"{models.folder() / 'digits_inputs.npz'}#8"]
    words += ["--radius", "0.01", "--groups", "grid:4x4", "--out", folder]
    for claim in claims:
        words += ["--claim", claim]
    assert cli.execute([str(word) for word in words]) == 1  # pair:0,1 is refuted
    return folder


@pytest.fixture
def made(certified, tmp_path) -> Path:
    """A copy to be spoilt."""
    return Path(shutil.copytree(certified, tmp_path / "made"))


@pytest.fixture(scope="session")
def whole_run(tmp_path_factory) -> Path:
    """A run of ITEMS items: done, refuted, timeout, error and misclassified ones."""
    home = tmp_path_factory.mktemp("run")
    with np.load(models.folder() / "digits_inputs.npz") as archive:
        broken = archive["inputs"][:1].copy()
    broken[0, 0, 0, 0] = np.nan
    np.save(home / "broken.npy", broken)
    inputs = f"{models.folder() / 'digits_inputs.npz'}#0:2"
    question = {"units": "scaled", "groups": "grid:2x2"}
    eva = {"method": "eva", "settings": {"steps": 2, "restarts": 1}}
    job = written(
        home,
        schema="job/1",
        name="everything",
        models=[{"path": str(models.find("digits_mlp")), "name": MODEL}],
        data=[{"path": inputs, "name": DATA}, {"path": "broken.npy", "name": BROKEN}],
        questions=[
            {"name": QUESTION, "radius": 0.01, **question},
            {"name": "far", "radius": 1.0, **question, "data": [DATA]},
        ],
        methods=[
            {**eva, "name": "eva", "claims": ["prediction", "order", "top-k"]},
            {"method": "saliency"},
        ],
    )
    items = run(job, home / "RUN", executor="in-process")
    late = next(item for item in items if item["question"] == "far" and item["index"] == 1)
    base = sqlite3.connect(home / "RUN" / "ledger.sqlite")
    reason = "killed after 5.0 s of 5 s"
    base.execute(
        "UPDATE results SET outcome='timeout', reason=?, files='[]' WHERE key=?",
        (reason, late["key"]),
    )
    base.execute("UPDATE claims SET status='timeout' WHERE key=?", (late["key"],))
    base.execute("DELETE FROM results WHERE key=?", (items[0]["key"],))
    base.commit()
    base.close()
    return home / "RUN"


@pytest.fixture(scope="session")
def report(tmp_path_factory, whole_run) -> Path:
    """The report of the run."""
    folder = tmp_path_factory.mktemp("report") / "report"
    assert cli.execute(["report", str(whole_run), "--out", str(folder)]) == 4
    return folder
