"""Worker processes end with the process that they work for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
PARENT = """
import multiprocessing, sys, threading, time
from input_pipeline.workers import map_in_workers

def tell():
    while len(multiprocessing.active_children()) < 2:
        time.sleep(0.01)
    time.sleep(2)  # they have begun
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)

if __name__ == "__main__":
    threading.Thread(target=tell).start()
    list(map_in_workers(time.sleep, [600, 600], 2, "sleeping"))
"""


def runs(pid: int) -> bool:
    """A process that has ended but was not waited for runs no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_they_end_when_it_is_killed_and_leave_ctrl_c_to_it(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, "parent.py"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2
    for pid in pids:
        os.kill(pid, signal.SIGINT)
    time.sleep(0.5)
    assert all(runs(pid) for pid in pids)
    parent.kill()
    parent.wait()
    give_up_at = time.monotonic() + 10
    while any(runs(pid) for pid in pids):
        assert time.monotonic() < give_up_at
        time.sleep(0.05)
