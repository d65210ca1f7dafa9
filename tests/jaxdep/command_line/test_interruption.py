"""Ctrl-C and SIGTERM: one line that names the last checkpoint, in time, and the same command goes on from there."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow
COMMAND = (
    "--config=tiny.py",
    "--workdir=w",
    "--features_dir=features",
    "--config.stages.text.training.epochs=3000",
    "--config.stages.text.training.checkpoint_every_s=0.5",
)
CHECKPOINTS = "w/stages/text/checkpoints/seeds_0-2"


def start(folder, cache, *more):
    return subprocess.Popen(
        [sys.executable, "-m", "jaxdep.main", *COMMAND, *more],
        cwd=folder,
        env=os.environ
        | {"JAX_NUM_CPU_DEVICES": "1", "XDG_CACHE_HOME": str(cache), "JAX_COMPILATION_CACHE_DIR": str(cache / "xla")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def checkpoints(folder):
    return {int(path.name) for path in (folder / CHECKPOINTS).glob("*") if path.name.isdecimal()}


def strike(number, process, folder, within_s):
    """Sends the signal once a checkpoint is there. Returns the epoch of that, and the lines but those of progress."""
    give_up_at = time.monotonic() + 300
    while not checkpoints(folder):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    before = max(checkpoints(folder))
    sent = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - sent < within_s
    return before, [line for line in err.splitlines() if not re.fullmatch(r".*: \d+/\d+ .*(left|done in .*)", line)]


@pytest.mark.parametrize(
    ("number", "within_s", "code", "word"),
    [(signal.SIGINT, 5, 130, "interrupted"), (signal.SIGTERM, 30, 143, "terminated")],
)
def test_a_signal_ends_training_with_one_line_and_nothing_is_lost(tiny, cache, number, within_s, code, word):
    process = start(tiny, cache)
    before, lines = strike(number, process, tiny, within_s)
    assert process.returncode == code
    last = max(checkpoints(tiny))
    assert lines == [f"{word}: the last checkpoint is {CHECKPOINTS}/{last}; the same command goes on from there"]
    if number == signal.SIGTERM:
        assert last > before  # one was made for it
    again = start(tiny, cache, "--config.stages.text.training.epochs=3000")
    strike(signal.SIGINT, again, tiny, 5)
    assert f"text: going on after epoch {last} of 3000" in again.communicate()[0] or max(checkpoints(tiny)) > last


def test_a_second_sigterm_does_not_wait(tiny, cache):
    process = start(tiny, cache, "--config.stages.text.training.epochs_per_call=3000")
    give_up_at = time.monotonic() + 300
    while not (tiny / CHECKPOINTS).exists():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 143
    assert err.splitlines()[-1] == "terminated: no checkpoint was made yet; the same command goes on from there"
