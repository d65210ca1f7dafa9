"""The process of a chunk, and what its exit code means to whoever started it."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence

WAITS = os.EX_TEMPFAIL  # 75: it needs what other chunks have not made yet, or another process is at work on it
TERMINATED = 128 + signal.SIGTERM  # 143: its checkpoint is made
HANDED_ON = (signal.SIGTERM, signal.SIGINT)


def goes_on(code: int) -> bool:
    """Whether the same command goes on where this one ended: it was sent away, killed, or has to wait.

    Args:
        code: of `subprocess`, negative after a signal; or of a shell, which adds 128 to it.
    """
    return code in (WAITS, TERMINATED, 128 + signal.SIGKILL) or (code < 0 and code != -signal.SIGINT)


def meaning(code: int) -> str:
    """An exit code in words."""
    if code == WAITS:
        return "waits for other chunks, or for another process"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return {0: "done", TERMINATED: "terminated, with a checkpoint"}.get(code, f"ended with exit code {code}")


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Runs a command to its end, which gets the signals that come here meanwhile. Returns its exit code.

    Args:
        environment: added to what is here.
    """
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})})
    with _handing_on(process):
        return process.wait()


@contextlib.contextmanager
def _handing_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    before = {number: signal.signal(number, lambda got, _: process.send_signal(got)) for number in HANDED_ON}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
