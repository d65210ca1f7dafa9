"""A chunk's process: what its end means, and that it gets the signals of whoever started it."""

import signal
import subprocess
import sys
import time

import pytest

from launch.process import goes_on, meaning, run
from tests.launch.sweeps import ROOT

# Ends with 143 after SIGTERM, as jaxdep.main does; tells by a file that it listens.
LISTENS = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
pathlib.Path(sys.argv[1]).touch()
time.sleep(60)
sys.exit(9)
"""


@pytest.mark.parametrize("code", [75, 143, 137, -9, -15])
def test_a_chunk_that_waits_or_was_killed_goes_on(code):
    assert goes_on(code)


@pytest.mark.parametrize("code", [0, 1, 2, 130, -2])
def test_a_chunk_that_is_done_or_failed_or_was_interrupted_does_not(code):
    assert not goes_on(code)


def test_an_exit_code_is_told_in_words():
    assert meaning(-9) == "killed by SIGKILL"
    assert meaning(75) == "waits for other chunks, or for another process"
    assert meaning(1) == "ended with exit code 1"


def test_a_command_ends_with_its_own_code_and_sees_what_is_added_to_the_environment():
    assert run([sys.executable, "-c", "import os, sys; sys.exit(int(os.environ['CODE']))"], {"CODE": "7"}) == 7
    assert run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]) == -9


def test_sigterm_reaches_the_command_and_its_code_comes_back(tmp_path):
    outer = (
        "import signal, sys; from launch.process import run; code = run(sys.argv[1:]); "
        "print(code, signal.getsignal(signal.SIGTERM))"
    )
    inner = [sys.executable, "-c", LISTENS, tmp_path / "listens"]
    process = subprocess.Popen([sys.executable, "-c", outer, *inner], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    give_up_at = time.monotonic() + 60
    while not (tmp_path / "listens").exists():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=10)[0].split()[0] == "143"
