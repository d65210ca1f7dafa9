"""A sweep by Slurm: chunks that are cancelled and killed go on, and all join to the single run, byte for byte."""

import os
import signal
import subprocess

import pytest

from tests.jaxdep.command_line.test_sweep import left
from tests.launch import slurm_cluster, sweeps

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def slurm():
    """A cluster of one node with two cores."""
    with slurm_cluster.running() as conf, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(conf))
        yield


def queue():
    told = subprocess.run(["squeue", "--noheader", "--format=%i %T"], capture_output=True, text=True, check=True)
    return told.stdout.split()


def log(folder, index, kind="out"):
    return next(folder.glob(f"w/slurm/*_{index}_0_log.{kind}")).read_text()


def test_an_array_with_one_chunk_requeued_and_one_killed_joins_to_the_single_run(slurm, single, place, cache):
    launched = sweeps.run(
        "launch.slurm", *sweeps.ARGUMENTS, f"--seeds={sweeps.SEEDS}", f"--chunk={sweeps.CHUNK}", cwd=place, cache=cache
    )
    [job] = [
        line.split()[5].rstrip(",") for line in launched.stdout.splitlines() if line.startswith("wave 1 of 1: job")
    ]
    sweeps.until(lambda: sweeps.checkpoints(place, 0) and sweeps.checkpoints(place, 2))
    subprocess.run(["scontrol", "requeue", f"{job}_0"], check=True)
    [process] = sweeps.processes(place, "--config.seeds.first=2")
    os.kill(process, signal.SIGKILL)
    sweeps.until(lambda: not queue())
    assert "terminated: the last checkpoint is" in log(place, 0, "err")
    assert "killed by SIGKILL; queued again" in log(place, 1)
    for index in (0, 1):
        assert log(place, index).count("Starting with JobEnvironment") == 2
        assert "text: going on after epoch" in log(place, index)
    for index in (2, 3):
        assert log(place, index).count("Starting with JobEnvironment") == 1
    sweeps.run("jaxdep.report", "w", cwd=place, cache=cache)
    assert left(place) == left(single)


def test_waves_wait_for_each_other(slurm, tiny, waves, cache):
    sweeps.run("launch.slurm", waves, "--workdir=waves", "--seeds=4", "--chunk=2", cwd=tiny, cache=cache)
    sweeps.until(lambda: not queue())
    assert len(list(tiny.glob("waves/slurm/*_submission.sh"))) == 2
    sweeps.run("jaxdep.report", "waves", cwd=tiny, cache=cache)
    sweeps.run("jaxdep.main", waves, "--workdir=at_once", "--config.seeds.count=4", cwd=tiny, cache=cache)
    tables = {name: (tiny / name / "report/table.csv").read_bytes() for name in ("waves", "at_once")}
    assert tables["waves"] == tables["at_once"]


def test_what_sbatch_refuses_is_one_line(slurm, launched):
    ended = launched("slurm", "--partition=none", check=False)
    assert ended.returncode == 1
    line = ended.stderr.splitlines()[-1]  # behind those of sbatch itself
    assert line.startswith("error: sbatch: error: invalid partition specified: none")
