"""A job over the embedded networks, with everything that can go wrong in it."""

import json

import numpy as np
import pytest

from verixplain import models
from verixplain.jobs.summary import rows

IGNORED = {"timing", "environment"}


def written(folder, **parts):
    """A job file in `folder` with these parts, as TOML by way of JSON's notation."""
    lines = []
    for name, value in parts.items():
        if isinstance(value, list):
            for entry in value:
                lines.append(f"[[{name}]]")
                lines += [f"{key} = {toml(inner)}" for key, inner in entry.items()]
        elif isinstance(value, dict):
            lines.append(f"[{name}]")
            lines += [f"{key} = {toml(inner)}" for key, inner in value.items()]
        else:
            lines.insert(0, f"{name} = {toml(value)}")
    path = folder / "job.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def toml(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


EVA = {
    "method": "eva",
    "settings": {"steps": 2, "restarts": 1, "batch": 4},
    "claims": ["prediction", "order", "top-k"],
}
QUESTION = {"name": "quarters", "radius": 0.03, "units": "scaled", "groups": "grid:2x2"}


@pytest.fixture
def job(tmp_path):
    """Write a job over the embedded digits; parts replace those of the usual one."""

    def write(inputs=3, **parts):
        usual = {
            "schema": "job/1",
            "models": [{"path": str(models.find("digits_mlp"))}],
            "data": [{"path": f"{models.folder() / 'digits_inputs.npz'}#0:{inputs}"}],
            "questions": [QUESTION],
            "methods": [EVA],
        }
        kept = {name: value for name, value in {**usual, **parts}.items() if value is not None}
        return written(tmp_path, **kept)

    return write


def results(folder):
    """Everything a run says, without times: what must be equal however it was interrupted."""
    found = {}
    for row in rows(folder):
        files = {}
        for name in row["files"]:
            path = folder / "items" / row["key"] / name
            if name == "explanation.json":
                values = json.loads(path.read_text())
                files[name] = {k: v for k, v in values.items() if k not in IGNORED}
            elif name.endswith(".npz"):
                with np.load(path) as arrays:
                    files[name] = {key: arrays[key].tobytes() for key in arrays.files}
            else:
                files[name] = path.read_bytes()
        facts = {k: row[k] for k in ("outcome", "reason", "claims", "facts")}
        found[row["key"]] = (facts, files)
    return found
