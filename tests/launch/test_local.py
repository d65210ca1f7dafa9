"""Processes on this machine: started again until they are done, each with devices of its own, ended together."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest

from tests.jaxdep.command_line.test_sweep import left
from tests.launch import sweeps
from tests.launch.sweeps import ROOT

# Runs as many processes of a command as the second argument says, and prints their exit codes.
WORKERS = """
import asyncio, json, sys
from launch.local import Workers
command, retries, count = sys.argv[3:], int(sys.argv[1]), int(sys.argv[2])
codes = asyncio.run(Workers(command, retries).run([{"INDEX": str(index)} for index in range(count)]))
print(json.dumps(codes))
"""
# Notes each start; then ends by the next of its codes, those below 0 as signals.
ENDS = """
import os, pathlib, sys, time
index, codes = int(os.environ["INDEX"]), [list(map(int, one.split(","))) for one in sys.argv[2:]]
path = pathlib.Path(sys.argv[1]) / f"starts{index}"
starts = len(path.read_text()) if path.exists() else 0
path.write_text("x" * (starts + 1))
code = codes[index][starts]
time.sleep(0.5 * index)
os.kill(os.getpid(), -code) if code < 0 else sys.exit(code)
"""


def workers(folder, retries, *codes):
    """The exit codes of processes that end so, one after another, and how often each was started."""
    command = [sys.executable, "-c", WORKERS, str(retries), str(len(codes)), sys.executable, "-c", ENDS, folder]
    told = [",".join(map(str, one)) for one in codes]
    made = subprocess.run([*command, *told], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    starts = [len((folder / f"starts{index}").read_text()) for index in range(len(codes))]
    return json.loads(made.stdout.splitlines()[-1]), starts


def test_a_process_that_is_killed_or_sent_away_is_started_again_and_one_that_failed_is_not(tmp_path):
    assert workers(tmp_path, 10, [-9, 143, 0], [1, 0]) == ([0, 1], [3, 1])


def test_there_is_an_end_to_it(tmp_path):
    assert workers(tmp_path, 2, [-9, -9, -9, 0]) == ([-9], [3])


def test_one_that_waits_is_started_again_when_another_has_ended_and_that_is_no_retry(tmp_path):
    assert workers(tmp_path, 0, [75, 0], [0]) == ([0, 0], [2, 1])


def test_sigterm_ends_all_and_none_is_started_again(tmp_path):
    sleeps = "import pathlib, sys, os, time; pathlib.Path(sys.argv[1], os.environ['INDEX']).touch(); time.sleep(60)"
    command = [sys.executable, "-c", WORKERS, "5", "2", sys.executable, "-c", sleeps, tmp_path]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    give_up_at = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2:
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert json.loads(process.communicate(timeout=20)[0]) == [-15, -15]


@pytest.mark.cluster
def test_a_sweep_one_of_whose_processes_is_killed_joins_to_the_single_run(single, place, cache):
    sweep = [*sweeps.ARGUMENTS, f"--seeds={sweeps.SEEDS}", f"--chunk={sweeps.CHUNK}", "--parallel=2", "--cpus=1"]
    command = [sys.executable, "-m", "launch.local", *sweep]
    with (place / "log").open("w") as log:
        launched = subprocess.Popen(command, cwd=place, env=sweeps.environment(cache), stdout=log, stderr=log)
    sweeps.until(lambda: sweeps.checkpoints(place, 0) and sweeps.checkpoints(place, 2))
    first, _ = sorted(sweeps.processes(place, f"--chunk={sweeps.CHUNK}"))
    os.kill(first, signal.SIGKILL)
    assert launched.wait(timeout=900) == 0, (place / "log").read_text()
    assert "killed by SIGKILL" in (place / "log").read_text()
    assert "text: going on after epoch" in (place / "log").read_text()
    sweeps.run("jaxdep.report", "w", cwd=place, cache=cache)
    assert left(place) == left(single)


@pytest.mark.parametrize(
    ("visible", "given"),
    [
        (None, ["0,1", "2,3"]),
        ("4,5,6,7", ["4,5", "6,7"]),
        ("GPU-a,GPU-b,GPU-c,GPU-d,GPU-e", ["GPU-a,GPU-b", "GPU-c,GPU-d"]),
    ],
)
def test_each_process_has_gpus_of_its_own(launched, monkeypatch, visible, given):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    lines = launched("local", "--parallel=2", "--gpus=2", "--dry_run").stdout.splitlines()
    commands = [shlex.split(line) for line in lines if "jaxdep.main" in line]
    assert [command[0] for command in commands] == [f"CUDA_VISIBLE_DEVICES={gpus}" for gpus in given]


def test_too_few_gpus_are_one_line(launched, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    ended = launched("local", "--parallel=2", "--gpus=1", check=False)
    assert (ended.returncode, ended.stderr) == (
        1,
        "error: CUDA_VISIBLE_DEVICES=0: 2 processes with 1 GPUs each need 2\n",
    )


def test_without_gpus_they_share_the_cores(launched):
    lines = launched("local", "--parallel=2", "--dry_run").stdout.splitlines()
    cores = max(1, len(os.sched_getaffinity(0)) // 2)
    assert [line.split()[0] for line in lines if "jaxdep.main" in line] == [f"JAX_NUM_CPU_DEVICES={cores}"] * 2
