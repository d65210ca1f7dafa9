"""Two processes that train one model together over `jax.distributed`: as one process does, whatever happens to them."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from jaxdep.engine.checkpoints import complete
from jaxdep.stages import record
from tests.jaxdep.command_line.conftest import write_tiny

pytestmark = pytest.mark.cluster
COMMAND = ("--config=tiny.py", "--features_dir=features", "--config.mapping.data_shards=2")
LONGER = "--config.stages.text.training.epochs=60"


class Started(NamedTuple):
    """A process, and the file of what it tells: a pipe that nobody reads would be full at some point."""

    process: subprocess.Popen
    stderr: IO[str]


def start(folder: Path, cache: Path, *arguments: str, devices: int) -> Started:
    place = {"XDG_CACHE_HOME": str(cache), "JAX_COMPILATION_CACHE_DIR": str(cache / "xla"), "GIT_DIR": os.devnull}
    stderr = tempfile.TemporaryFile("w+", dir=folder)  # noqa: SIM115 - the process writes it
    process = subprocess.Popen(
        [sys.executable, "-m", "jaxdep.main", *COMMAND, *arguments],
        cwd=folder,
        env=os.environ | place | {"JAX_NUM_CPU_DEVICES": str(devices), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdout=subprocess.DEVNULL,
        stderr=stderr,
    )
    return Started(process, stderr)


def start_two(folder: Path, cache: Path, *arguments: str) -> list[Started]:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    meet = f"--coordinator_address=localhost:{port}", "--num_processes=2"
    return [start(folder, cache, *arguments, *meet, f"--process_id={one}", devices=1) for one in (0, 1)]


def ended(started: list[Started]) -> tuple[list[int], list[str]]:
    """Their exit codes, and the last lines that they told."""
    codes, told = [process.wait(timeout=300) for process, _ in started], []
    for _, stderr in started:
        stderr.seek(0)
        told.append(stderr.read().splitlines() or [""])
        print(*told[-1][-30:], sep="\n")
    return codes, [lines[-1] for lines in told]


def checkpoints(workdir: Path) -> Path:
    return workdir / "stages/text/checkpoints/seeds_0-2"


def parameters(workdir: Path) -> dict[str, np.ndarray]:
    """Those of the last checkpoint, by path."""
    last = (complete(checkpoints(workdir))[0] / "default").absolute()
    with ocp.StandardCheckpointer() as checkpointer:
        shapes = checkpointer.metadata(last).item_metadata
        tree = checkpointer.restore(last, jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), shapes))
    return {jax.tree_util.keystr(path): x for path, x in jax.tree_util.tree_leaves_with_path(tree)}


def results(workdir: Path) -> dict[str, str]:
    """What does not name the command: the table and the scores of each seed."""
    return {path.name: path.read_text() for path in workdir.glob("report/*.csv")} | {
        path.name: path.read_text() for path in workdir.glob("stages/*/*.csv")
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cache) -> Path:
    """Holds what one process made: `one`, and `longer` of more epochs."""
    folder = write_tiny(tmp_path_factory.mktemp("together") / "tiny")
    codes, told = ended([start(folder, cache, "--workdir=one", devices=2)])
    assert codes == [0], told
    codes, told = ended([start(folder, cache, "--workdir=longer", LONGER, devices=2)])
    assert codes == [0], told
    return folder


def test_two_processes_train_what_one_does(folder, cache):
    codes, told = ended(start_two(folder, cache, "--workdir=two"))
    assert codes == [0, 0], told
    one, two = parameters(folder / "one"), parameters(folder / "two")
    assert one.keys() == two.keys()
    for path, values in one.items():
        np.testing.assert_allclose(two[path], values, rtol=0, atol=1e-5, err_msg=path)
    assert results(folder / "two") == results(folder / "one")
    assert record.read(folder / "two/stages/text")["n_devices"] == 2


def test_both_write_their_part_of_a_checkpoint(folder):
    (last, *_) = complete(checkpoints(folder / "two"))
    assert {path.name for path in (last / "default").glob("ocdbt.process_*")} == {
        "ocdbt.process_0",
        "ocdbt.process_1",
    }


def test_stopped_and_killed_they_go_on_and_one_process_too(folder, cache):
    """A checkpoint does not depend on who wrote it, and where one is killed the other ends as well."""
    workdir, place = "--workdir=again", checkpoints(folder / "again")
    processes = start_two(folder, cache, workdir, LONGER)
    wait_for(place, 3, processes)
    processes[1].process.send_signal(signal.SIGTERM)
    codes, told = ended(processes)
    assert codes == [143, 143], told
    assert all("terminated: the last checkpoint is" in line for line in told), told
    for killed in (0, 1):
        processes = start_two(folder, cache, workdir, LONGER)
        wait_for(place, newest(place) + 3, processes)
        processes[killed].process.kill()
        codes, told = ended(processes)
        assert codes[killed] == -signal.SIGKILL
        assert codes[1 - killed] != 0, told
    codes, told = ended([start(folder, cache, workdir, LONGER, devices=2)])
    assert codes == [0], told
    assert results(folder / "again") == results(folder / "longer")


def test_what_is_wrong_is_told_by_all(folder, cache):
    codes, told = ended(start_two(folder, cache, "--workdir=one", "--config.stages.text.training.batch_size=2"))
    assert codes == [1, 1]
    assert told[0].startswith("error: one holds another config")
    assert told[1].startswith("error: the first process ended: one holds another config")


def test_chunks_are_refused(folder, cache):
    codes, told = ended(start_two(folder, cache, "--workdir=chunks", "--chunk=2"))
    assert codes == [2, 2]
    assert all(line.endswith("chunks of a sweep are trained by single processes") for line in told), told


def newest(folder: Path) -> int:
    """The epoch of the last checkpoint; 0 without one."""
    return max((int(path.name) for path in complete(folder)), default=0)


def wait_for(folder: Path, epoch: int, processes: list[Started]) -> None:
    """Until there is a checkpoint of that epoch."""
    while newest(folder) < epoch:
        assert all(process.poll() is None for process, _ in processes), ended(processes)
        time.sleep(0.1)
