"""Runs that finish, that are interrupted at any moment, and in which everything goes wrong."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import onnx
import psutil
import pytest
from networks import mlp

from jobs.conftest import EVA, QUESTION, results
from verixplain import cli, models
from verixplain.errors import JobError, MissingDependencyError, OutputError
from verixplain.jobs.job import Limits
from verixplain.jobs.parts import executors
from verixplain.jobs.run import run
from verixplain.jobs.store import Ledger
from verixplain.jobs.summary import difference, exit_code, rows, summary, to_parquet

KILLS = int(os.environ.get("VERIXPLAIN_KILLS", "2"))
"""How often a coordinator is killed; ten in experiments/batch."""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished run, for those who only look at one."""
    folder = tmp_path_factory.mktemp("done")
    (folder / "digits.npz").symlink_to(models.folder() / "digits_inputs.npz")
    from jobs.conftest import written

    path = written(
        folder,
        models=[{"path": str(models.find("digits_mlp"))}],
        data=[{"path": "digits.npz#0:3"}],
        questions=[QUESTION, {**QUESTION, "name": "wide", "radius": 0.5}],
        methods=[EVA],
    )
    run(path, folder / "run", workers=1, executor="in-process")
    return path, folder / "run"


def test_every_item_is_laid_out_like_explain_out(done):
    _, folder = done
    for row in rows(folder):
        place = folder / "items" / row["key"]
        assert sorted(p.name for p in place.iterdir()) == row["files"]
        certificates = [c["certificate"] for c in row["claims"] if c.get("certificate")]
        explained = ["explanation.json", "explanation.npz", "heatmap.png"]
        assert row["files"] == sorted([*explained, *certificates])
        assert [claim["kind"] for claim in row["claims"]] == ["prediction", "order", "top-k"]


def test_a_wide_box_is_refuted_by_a_witness_and_a_small_one_holds(done):
    _, folder = done
    found = {row["question"]: row["claims"][0] for row in rows(folder)}
    assert found["quarters"]["status"] == "certified"
    assert found["quarters"]["semantics"] == "real+float32"
    assert found["quarters"]["certificate"] == "prediction.vxcert"
    assert found["quarters"]["bound"] < 0
    assert found["wide"]["status"] == "refuted"
    assert found["wide"]["replayed"] >= 0


def test_status_counts_and_exit_codes(done, capsys):
    import json

    _, folder = done
    assert cli.execute(["status", str(folder)]) == 1
    assert "6 items: 6 done" in capsys.readouterr().out
    assert cli.execute(["status", str(folder), "--json"]) == 1
    values = json.loads(capsys.readouterr().out)
    assert (
        values["claims"]["prediction"] | {"refuted": 3, "certified": 3, "planned": 6}
        == (values["claims"]["prediction"])
    )
    assert sum(values["outcomes"].values()) == 6


def item(outcome, *statuses):
    return {"outcome": outcome, "claims": [{"status": one} for one in statuses]}


@pytest.mark.parametrize(
    ("items", "require", "code"),
    [
        ([item("done", "estimate")], "estimate", 0),
        ([item("done", "estimate")], "certified", 3),
        ([item("done", "certified")], "certified", 0),
        ([item("done", "estimate", "refuted")], "estimate", 1),
        ([item("done", "unknown")], "estimate", 3),
        ([item("timeout", "timeout")], "estimate", 3),
        ([item("not-run")], "estimate", 3),
        ([item("done", "refuted"), item("error", "error")], "estimate", 4),
    ],
)
def test_exit_codes(items, require, code):
    assert exit_code(items, require) == code


def test_the_same_again_computes_nothing(done, monkeypatch):
    path, folder = done
    before = {row["key"]: row["finished"] for row in rows(folder)}
    run(path, folder, workers=1, executor="in-process")
    assert {row["key"]: row["finished"] for row in rows(folder)} == before


def test_another_job_is_refused(done, job):
    with pytest.raises(JobError, match="another job"):
        run(job(), done[1], executor="in-process")


def test_two_coordinators_are_one_too_many(done):
    ledger = Ledger(done[1], write=True)
    try:
        with pytest.raises(JobError, match="another coordinator"):
            Ledger(done[1], write=True)
    finally:
        ledger.close()


def test_differences(done):
    _, folder = done
    before = rows(folder)
    after = rows(folder)
    after[0]["claims"][0] |= {"status": "unknown"}
    after[1]["claims"][0] |= {"bound": -123.0}
    del after[2]
    found = difference(before, after)
    assert [(one["from"], one["to"]) for one in found["changed"]] == [("certified", "unknown")]
    assert [one["to"] for one in found["moved"]] == [-123.0]
    assert len(found["only_first"]) == 3
    assert found["only_second"] == []


def test_diff_is_a_command(done, capsys):
    assert cli.execute(["diff", str(done[1]), str(done[1])]) == 0
    assert "0 claims changed" in capsys.readouterr().out


def test_a_plan_is_shown_and_nothing_is_written(done, capsys, tmp_path):
    assert cli.execute(["run", str(done[0]), "--dry-run", "--executor", "in-process"]) == 0
    said = capsys.readouterr().out
    assert "6 items, 18 claims" in said
    assert cli.execute(["run", str(done[0])]) == 2


def test_missing_extras_say_what_to_install(done, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"verixplain\[ray\]"):
        executors["ray"](1, Limits())
    with pytest.raises(MissingDependencyError, match=r"verixplain\[parquet\]"):
        to_parquet([], tmp_path / "t.parquet")


def test_parquet(done, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    to_parquet(rows(done[1]), tmp_path / "t.parquet")
    table = parquet.read_table(tmp_path / "t.parquet")
    assert table.num_rows == 18
    assert set(table.column("status").to_pylist()) <= {
        "certified",
        "estimate",
        "unknown",
        "refuted",
    }


def wrong_inputs(folder):
    """Seven inputs of `huge` and of the digits: one NaN, one infinite, one mislabelled."""
    with np.load(models.folder() / "digits_inputs.npz") as arrays:
        images, labels = arrays["inputs"].copy(), arrays["labels"].copy()
    images = images[:5].copy()
    images[1].flat[3] = np.nan
    labels = labels[:5].copy()
    labels[2] = (labels[2] + 1) % 10
    np.savez(folder / "bad.npz", inputs=images, labels=labels)


def test_everything_that_goes_wrong_is_called_by_its_name(tmp_path, job):
    """Corrupt and unsupported models, NaN, too much memory, a misclassified input."""
    wrong_inputs(tmp_path)
    (tmp_path / "corrupt.onnx").write_bytes(models.find("digits_mlp").read_bytes()[:2000])
    onnx.save(mlp((64, 20, 10), activation="Foo"), tmp_path / "foo.onnx")
    onnx.save(mlp((1500, 1500, 1500, 10)), tmp_path / "huge.onnx")
    np.save(tmp_path / "flat.npy", np.full((1, 1500), 0.5, "f4"))
    path = job(
        limits={"seconds": 40, "memory": "500 MiB"},
        models=[
            {"path": str(models.find("digits_mlp")), "name": "good"},
            {"path": "corrupt.onnx"},
            {"path": "foo.onnx", "name": "foo"},
            {"path": "huge.onnx"},
        ],
        data=[
            {"path": "bad.npz", "models": ["good"]},
            {"path": "bad.npz#0:2", "name": "few", "models": ["corrupt", "foo"]},
            {"path": "flat.npy", "models": ["huge"]},
        ],
        questions=[
            {**QUESTION, "name": "usual", "models": ["good", "corrupt"], "check_label": True},
            {"name": "plain", "radius": 0.5, "groups": "columns", "models": ["huge", "foo"]},
        ],
        methods=[{**EVA, "settings": {**EVA["settings"], "batch": 1500}}],
    )
    run(path, tmp_path / "run", workers=2)
    found = {(r["model"], r["data"], r["index"]): r for r in rows(tmp_path / "run")}
    outcomes = {name: row["outcome"] for name, row in found.items()}
    assert outcomes[("good", "bad.npz", 0)] == "done"
    assert outcomes[("good", "bad.npz", 1)] == "error"
    assert "finite" in found[("good", "bad.npz", 1)]["reason"]
    assert outcomes[("good", "bad.npz", 2)] == "not-run"
    assert "misclassified" in found[("good", "bad.npz", 2)]["reason"]
    assert outcomes[("good", "bad.npz", 3)] == outcomes[("good", "bad.npz", 4)] == "done"
    assert outcomes[("corrupt", "few", 0)] == outcomes[("corrupt", "few", 1)] == "error"
    assert outcomes[("foo", "few", 0)] in ("unsupported", "error")
    assert outcomes[("huge", "flat.npy", 0)] == "out-of-memory"
    values = summary(list(found.values()))
    assert values["misclassified"] == 1
    assert values["items"] == 10
    assert sum(values["claims"]["prediction"].values()) == 2 * 10
    statuses = {r["claims"][0]["status"] for r in found.values() if r["outcome"] != "done"}
    assert statuses <= {"error", "unsupported", "not-run", "out-of-memory"}


def test_an_item_that_takes_too_long_is_stopped_from_outside(tmp_path, job):
    onnx.save(mlp((64, 300, 300, 300, 300, 10)), tmp_path / "slow.onnx")
    np.save(tmp_path / "flat.npy", np.full((1, 64), 0.5, "f4"))
    long = {"steps": 100_000, "restarts": 50, "batch": 4}
    path = job(
        limits={"seconds": 1.5},
        models=[{"path": "slow.onnx"}],
        data=[{"path": "flat.npy"}],
        questions=[{"name": "plain", "radius": 0.1, "groups": "columns"}],
        methods=[{**EVA, "settings": long}],
    )
    (row,) = run(path, tmp_path / "run", workers=1)
    assert row["outcome"] == "timeout"
    assert {claim["status"] for claim in row["claims"]} == {"timeout"}
    assert row["seconds"] < 10


def command(path, folder, *words):
    program = "from verixplain.cli import main; main()"
    return [sys.executable, "-c", program, "run", str(path), "--out", str(folder), *words]


def started(*words):
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command(*words), stderr=quiet, stdout=quiet)


def test_killed_at_any_moment_and_resumed_it_is_the_run_that_was_never_killed(done, tmp_path):
    """SIGKILL of the coordinator, soon after it kept something new and while it starts."""
    path, whole = done
    folder, chance = tmp_path / "run", random.Random(7)
    for _ in range(KILLS):
        process, known = started(path, folder, "--executor", "in-process"), count(folder)
        while process.poll() is None and count(folder) == known:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
    run(path, folder, executor="in-process")
    assert results(folder) == results(whole)
    assert not list((folder / "items").glob(".*"))


def test_killed_workers_are_replaced_and_their_items_are_tried_again(done, tmp_path):
    path, whole = done
    folder = tmp_path / "run"
    process = started(path, folder, "--workers", "2")
    while process.poll() is None and not count(folder):
        time.sleep(0.01)
    workers = [p for p in psutil.Process(process.pid).children() if is_worker(p)]
    workers[0].kill()
    assert process.wait() == 1
    assert results(folder) == results(whole)


def test_claims_with_a_proof_of_their_own_are_items_laid_out_like_certify_out(tmp_path, job):
    proofs = {
        "method": "eva",
        "settings": EVA["settings"],
        "claims": ["prediction", "stability:top-k:1", "sufficient"],
        "budget": "40nodes",
        "options": {"shift": 0.001},
    }
    path = job(inputs=1, methods=[proofs])
    (row,) = run(path, tmp_path / "run", executor="in-process")
    folder = tmp_path / "run" / "items" / row["key"]
    known = {claim["id"]: claim for claim in row["claims"]}
    assert list(known) == proofs["claims"]
    assert known["prediction"]["status"] == "certified"
    assert (folder / known["prediction"]["certificate"]).exists()
    written = json.loads((folder / "claims.json").read_text())["claims"]
    assert [one["status"] for one in written] == [one["status"] for one in known.values()]
    assert known["stability:top-k:1"]["status"] == "certified"


def test_processes_share_out_the_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    hands = executors["pool"](3, Limits())
    try:
        seen = [_visible(worker.process.pid) for worker in hands._workers]
    finally:
        hands.close()
    assert seen == ["3", "5", "3"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3,5"


def _visible(process):
    """What a process that has just been forked sees, once it has its own environment."""
    for _ in range(300):
        found = psutil.Process(process).environ().get("CUDA_VISIBLE_DEVICES")
        if found in ("3", "5"):
            break
        time.sleep(0.1)
    return found


def test_an_item_whose_workers_always_die_ends_in_an_error(done, tmp_path, monkeypatch):
    """Limits.attempts is two: the second death is the end of the item, and of nothing else."""
    from verixplain.jobs.executors.in_process import InProcess

    real = InProcess.wait

    def wait(self):
        killed = {"outcome": "error", "reason": "the worker died (SIGKILL)", "died": True}
        return [
            (name, killed if result.get("facts", {}).get("label") == 0 else result)
            for name, result in real(self)
        ]

    monkeypatch.setattr(InProcess, "wait", wait)
    found = run(done[0], tmp_path / "run", executor="in-process")
    dead = [row for row in found if row["outcome"] == "error"]
    assert [row["attempts"] for row in dead] == [2, 2]
    assert {row["reason"] for row in dead} == {"the worker died (SIGKILL)"}
    assert sum(row["outcome"] == "done" for row in found) == 4


def is_worker(process):
    return "resource_tracker" not in " ".join(process.cmdline())


def count(folder):
    return len(list((folder / "items").glob("[!.]*"))) if folder.exists() else 0


def test_a_full_disk_loses_nothing_that_was_finished(done, tmp_path, monkeypatch):
    path, whole = done
    folder, written = tmp_path / "run", []
    real = Ledger._write

    def write(self, place, data):
        if place.parent != self.folder:
            written.append(place)
            if len(written) == 8:
                raise OSError(28, os.strerror(28))
        return real(self, place, data)

    monkeypatch.setattr(Ledger, "_write", write)
    with pytest.raises(OutputError, match="Free the disk"):
        run(path, folder, executor="in-process")
    assert sum(row["recorded"] for row in rows(folder)) == count(folder) == 1
    run(path, folder, executor="in-process")
    assert results(folder) == results(whole)


def test_files_without_a_row_are_written_again(done, tmp_path):
    path, whole = done
    shutil.copytree(whole, tmp_path / "run")
    ledger = Ledger(tmp_path / "run", write=True)
    key = ledger.rows()[0]["key"]
    ledger._base.execute("DELETE FROM results WHERE key = ?", (key,))
    ledger.close()
    (tmp_path / "run" / "items" / key / "explanation.json").write_text("half")
    run(path, tmp_path / "run", executor="in-process")
    assert results(tmp_path / "run") == results(whole)


def test_instances_of_the_competition(tmp_path):
    onnx.save(mlp((2, 6, 3)), tmp_path / "net.onnx")
    declared = "".join(f"(declare-const {n} Real)" for n in ("X_0", "X_1", "Y_0", "Y_1", "Y_2"))
    box = "".join(f"(assert (>= X_{k} -1))(assert (<= X_{k} 1))" for k in (0, 1))
    for name, condition in (("sat", "(>= Y_0 -99)"), ("unsat", "(>= Y_0 99)"), ("bad", "(")):
        (tmp_path / f"{name}.vnnlib").write_text(f"{declared}{box}(assert {condition})")
    lines = [f"net.onnx,{name}.vnnlib,20" for name in ("sat", "unsat", "bad")]
    (tmp_path / "instances.csv").write_text("\n".join(lines))
    folder = tmp_path / "run"
    found = run(tmp_path / "instances.csv", folder, executor="in-process")
    assert [row["claims"][0]["status"] for row in found] == ["refuted", "estimate", "error"]
    text = (folder / "items" / found[0]["key"] / "result.txt").read_text()
    assert text.startswith("sat\n((X_0  ")
    text = (folder / "items" / found[1]["key"] / "result.txt").read_text()
    assert text == "unsat\n"


@pytest.mark.parametrize("suffix", ["csv", "folder"])
def test_tables_and_folders_of_pictures_are_data(tmp_path, job, suffix):
    from PIL import Image

    with np.load(models.folder() / "digits_inputs.npz") as arrays:
        images, labels = arrays["inputs"][:2], arrays["labels"][:2]
    if suffix == "csv":
        lines = [",".join([*(f"p{k}" for k in range(64)), "label"])]
        for image, label in zip(images, labels, strict=True):
            lines.append(",".join([*(f"{v}" for v in image.ravel()), str(label)]))
        (tmp_path / "table.csv").write_text("\n".join(lines))
        data = {"path": "table.csv"}
    else:
        (tmp_path / "pictures").mkdir()
        for k, image in enumerate(images):
            picture = Image.fromarray((image.reshape(8, 8) * 16).astype("u1"))
            picture.save(tmp_path / "pictures" / f"{k}.png")
        data = {"path": "pictures"}
    path = job(data=[data], questions=[{**QUESTION, "no_clip": True}])
    found = run(path, tmp_path / "run", executor="in-process")
    assert [row["outcome"] for row in found] == ["done", "done"]
