"""A cluster of several nodes on this machine, one of which is lost in the middle of a run."""

import pytest

from jobs.conftest import EVA, QUESTION, results, written
from verixplain import models
from verixplain.errors import JobError
from verixplain.jobs.job import Limits
from verixplain.jobs.parts import executors
from verixplain.jobs.run import run

ray = pytest.importorskip("ray", reason="the ray extra is not installed")


@pytest.fixture
def cluster(monkeypatch):
    """A head that computes nothing and two nodes of one core each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = [made.add_node(num_cpus=1) for _ in range(2)]
    monkeypatch.setenv("RAY_ADDRESS", made.address)
    yield made, nodes
    ray.shutdown()
    made.shutdown()


def test_a_node_that_is_lost_takes_no_result_with_it(cluster, tmp_path, monkeypatch):
    made, nodes = cluster
    (tmp_path / "digits.npz").symlink_to(models.folder() / "digits_inputs.npz")
    path = written(
        tmp_path,
        models=[{"path": str(models.find("digits_mlp"))}],
        data=[{"path": "digits.npz#0:6"}],
        questions=[QUESTION],
        methods=[EVA],
    )
    seen = []

    def told(progress):
        seen.append(progress.done)
        if progress.done == 2:
            made.remove_node(nodes[1], allow_graceful=False)

    found = run(path, tmp_path / "ray", workers=2, executor="ray", told=told)
    assert seen == list(range(7))
    assert [row["outcome"] for row in found] == ["done"] * 6
    run(path, tmp_path / "here", executor="in-process")
    assert results(tmp_path / "ray") == results(tmp_path / "here")

    monkeypatch.setattr("verixplain.jobs.executors.ray.START", 0.0)
    too_much = executors["ray"](1, Limits(gpus=3))
    with pytest.raises(JobError, match="3 GPU"):
        too_much.wait()
    too_much.close()
