"""A sweep by Ray: a chunk whose node is killed goes on at another, and all join to the single run, byte for byte."""

import subprocess
import sys

import pytest

from tests.jaxdep.command_line.test_sweep import left
from tests.launch import sweeps

pytestmark = pytest.mark.cluster


@pytest.fixture
def cluster(cache, monkeypatch):
    """Two nodes with a core each, on loopback; the first one stays."""
    for name, value in sweeps.environment(cache).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # 15 by default, which starves beside anything else
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100_000_000}
    made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        yield made, made.add_node(**node)
    finally:
        made.shutdown()


def test_a_sweep_one_of_whose_nodes_is_killed_joins_to_the_single_run(cluster, single, place, cache):
    nodes, killed = cluster
    sweep = [*sweeps.ARGUMENTS, f"--seeds={sweeps.SEEDS}", f"--chunk={sweeps.CHUNK}", f"--address={nodes.address}"]
    with (place / "log").open("w") as log:
        launched = subprocess.Popen([sys.executable, "-m", "launch.ray", *sweep], cwd=place, stdout=log, stderr=log)
    sweeps.until(lambda: sweeps.checkpoints(place, 0) and sweeps.checkpoints(place, 2))
    nodes.remove_node(killed, allow_graceful=False)
    assert launched.wait(timeout=900) == 0, (place / "log").read_text()
    told = (place / "log").read_text()
    assert "wave 1 of 1: 4 of 4 chunks" in told
    assert "text: going on after epoch" in told
    sweeps.run("jaxdep.report", "w", cwd=place, cache=cache)
    assert left(place) == left(single)
