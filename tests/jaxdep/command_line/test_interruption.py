"""Ctrl-C and SIGTERM: one line that names the last checkpoint, in time."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from jaxdep.interruption import ECHO_S

COMMAND = (
    "--config=tiny.py",
    "--workdir=w",
    "--features_dir=features",
    "--config.stages.text.training.epochs=3000",
    "--config.stages.text.training.checkpoint_every_s=0.5",
)
CHECKPOINTS = "w/stages/text/checkpoints/seeds_0-2"


def start(folder, cache, *more):
    """The output goes to files: a pipe that nobody reads would stop the run when it is full."""
    place = {"XDG_CACHE_HOME": str(cache), "JAX_COMPILATION_CACHE_DIR": str(cache / "xla")}
    with (folder / "out.txt").open("w") as out, (folder / "err.txt").open("w") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "jaxdep.main", *COMMAND, *more],
            cwd=folder,
            env=os.environ | place | {"JAX_NUM_CPU_DEVICES": "1", "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdout=out,
            stderr=err,
        )


def told(folder):
    """The lines on stderr but those of progress."""
    lines = (folder / "err.txt").read_text().splitlines()
    return [line for line in lines if not re.fullmatch(r".*: \d+/\d+ .*(left|done in .*)", line)]


def checkpoints(folder):
    return {int(path.name) for path in (folder / CHECKPOINTS).glob("*") if path.name.isdecimal()}


def strike(number, process, folder, within_s):
    """Sends the signal once a checkpoint is there; returns the newest at that time."""
    give_up_at = time.monotonic() + 120
    while not checkpoints(folder):
        assert process.poll() is None, told(folder)
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    before, sent = max(checkpoints(folder)), time.monotonic()
    process.send_signal(number)
    process.wait(timeout=60)
    assert time.monotonic() - sent < within_s
    return before


@pytest.mark.parametrize(
    ("number", "within_s", "code", "word"),
    [
        pytest.param(signal.SIGINT, 5, 130, "interrupted", marks=pytest.mark.faults),
        pytest.param(signal.SIGTERM, 30, 143, "terminated", marks=pytest.mark.slow),
    ],
)
def test_a_signal_ends_training_with_one_line_that_names_the_last_checkpoint(tiny, cache, number, within_s, code, word):
    process = start(tiny, cache)
    before = strike(number, process, tiny, within_s)
    assert process.returncode == code
    last = max(checkpoints(tiny))
    assert told(tiny) == [f"{word}: the last checkpoint is {CHECKPOINTS}/{last}; the same command goes on from there"]
    if number == signal.SIGTERM:
        assert last > before  # one was made for it


@pytest.mark.faults
def test_a_second_sigterm_does_not_wait_unless_it_is_the_echo_of_the_first(tiny, cache):
    process = start(
        tiny,
        cache,
        "--config.stages.text.training.epochs=200000",
        "--config.stages.text.training.epochs_per_call=200000",
    )
    give_up_at = time.monotonic() + 120
    while not (tiny / CHECKPOINTS).exists():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    time.sleep(ECHO_S)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 143
    assert told(tiny) == ["terminated: no checkpoint was made yet; the same command goes on from there"]
