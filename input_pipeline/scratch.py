"""Scratch folders: what is being written stands beside its target, so that a rename puts it in place at once.

A process that is killed cannot remove its own. The next one that writes beside the same place does, once nobody has
touched the folder for an hour; a process at work touches its own every minute, however long its files take.
"""

import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import filelock

_ABANDONED_S = 3600.0
_TOUCHED_EVERY_S = 60.0


@contextlib.contextmanager
def scratch_folder(target: Path) -> Iterator[Path]:
    """An empty hidden folder beside `target`, on its file system; removed at the end with all that is still in it.

    Abandoned ones in the same place are removed first, whatever their targets were: a target whose name tells its
    content may never be asked for again.

    Raises:
        OSError: the folder cannot be made.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target.parent)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    try:
        with _touched(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def alone(target: Path) -> Iterator[None]:
    """While it lasts, no other process makes `target`: those that came later wait, and then look whether it is there.

    Raises:
        OSError: nothing can be written beside it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.parent / f".{target.name}.lock"
    lock = filelock.FileLock(path)  # ends with its holder, however that ends
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        print(f"{target}: another process makes it; waiting for that", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        yield
    finally:
        path.unlink(
            missing_ok=True
        )  # who waits holds a file without a name next, and at worst makes the same once more
        lock.release()


@contextlib.contextmanager
def _touched(folder: Path) -> Iterator[None]:
    """Keeps the folder's time of change fresh: files that are written deep inside, or late, do not change it."""
    ended = threading.Event()

    def touch() -> None:
        while not ended.wait(_TOUCHED_EVERY_S):
            with contextlib.suppress(OSError):  # somebody removed it, which the writer will notice
                os.utime(folder)

    thread = threading.Thread(target=touch, name=f"touch {folder.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _remove_abandoned(parent: Path) -> None:
    for path in parent.glob(".*.partial-????????"):
        with contextlib.suppress(OSError):
            if time.time() - path.lstat().st_mtime > _ABANDONED_S:
                shutil.rmtree(path, ignore_errors=True)
