"""Ctrl-C and SIGTERM end a run with one line and the exit code that shells know: 130 and 143.

Python's own handlers wait for the main thread, which may be inside a compiled program for minutes. So a thread reads the
signals. Ending at once loses nothing, as a kill does not: files appear whole or not at all. SIGTERM, by which schedulers
announce that they want the machine back, leaves time for a checkpoint where one can be made.
"""

import contextlib
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from rich.console import Console

GRACE_S = 25.0  # for a checkpoint; schedulers kill after 30 s
ECHO_S = 2.0  # Slurm may tell a process by itself, and by its parent, which hands it on
_wanted = threading.Event()
_folder: Path | None = None  # of the checkpoints of what trains now


class TerminatedError(Exception):
    """SIGTERM came, and what can be saved is saved.

    Attributes:
        folder: of the checkpoints.
    """

    folder: Path | None = None


def listen() -> None:
    """From now on, Ctrl-C and SIGTERM end this process so. To be called once, by the main thread."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # Python's default would raise in the main thread besides
    threading.Thread(target=_wait, args=(reader, writer), name="signals", daemon=True).start()


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Ends the process at once where it exits with a line: threads of libraries that are still at work would print
    tracebacks below it."""
    try:
        yield
    except SystemExit as error:
        if not isinstance(error.code, str):
            raise
        print(error.code, file=sys.stderr)
        _leave(1)


@contextlib.contextmanager
def saving_to(folder: Path) -> Iterator[Callable[[], bool]]:
    """While this lasts, checkpoints are made in `folder`: SIGTERM waits for one.

    Yields:
        Whether one is wanted at once; who is told so saves, and raises TerminatedError.
    """
    global _folder
    _folder = folder
    try:
        yield _wanted.is_set
    except TerminatedError as error:
        error.folder = folder
        raise
    finally:
        _folder = None


def end(number: signal.Signals, folder: Path | None = None) -> NoReturn:
    """Tells what stays, and ends the process without waiting for any thread."""
    folder = folder or _folder
    name = "interrupted" if number == signal.SIGINT else "terminated"
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    console.show_cursor()  # a bar of progress hides it
    console.print(f"{name}: {_stays(folder)}; the same command goes on from there")
    _leave(128 + number)


def _leave(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _stays(folder: Path | None) -> str:
    if folder is None:
        return "finished stages stay"
    complete = [int(path.name) for path in folder.glob("*") if path.name.isdecimal()]  # others are half written
    return f"the last checkpoint is {folder / str(max(complete))}" if complete else "no checkpoint was made yet"


def _wait(reader: socket.socket, _: socket.socket) -> None:
    told_at = -math.inf
    while True:
        number = signal.Signals(reader.recv(1)[0])
        if number not in (signal.SIGINT, signal.SIGTERM):
            continue
        if number == signal.SIGTERM and _folder is not None and not _wanted.is_set():
            _wanted.set()
            told_at = time.monotonic()
            grace = threading.Timer(GRACE_S, end, (number,))
            grace.daemon = True  # a run that ends well meanwhile does not wait for it
            grace.start()
            continue
        if number == signal.SIGTERM and time.monotonic() - told_at < ECHO_S:
            continue
        end(number)
