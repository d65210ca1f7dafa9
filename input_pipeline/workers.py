"""A function of many items in worker processes, the results in the items' order."""

import concurrent.futures
import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from input_pipeline.errors import DataError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_AHEAD = 2  # items a worker may be ahead of the reader, so that memory stays bounded


def map_in_workers(
    function: Callable[[_Item], _Result], items: Sequence[_Item], workers: int, doing: str
) -> Iterator[_Result]:
    """`function(item)` of each item, from at most `workers` processes, or from this one where one is enough.

    The processes start afresh, never by fork, so an importing of JAX or TensorFlow in this process does no harm.

    Args:
        function, items: what pickle takes to another process.
        doing: begins the line of an error.

    Raises:
        DataError: the function raised one, or a worker died.
    """
    workers = min(workers, len(items))
    if workers <= 1:
        yield from map(function, items)
        return
    pool = concurrent.futures.ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
    try:
        submitted = (pool.submit(_in_worker, function, item) for item in items)
        waiting = deque(itertools.islice(submitted, workers * (1 + _AHEAD)))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(itertools.islice(submitted, 1))
            yield result
    except BrokenProcessPool:
        raise DataError(
            f"{doing}: one of {workers} worker processes was killed, most often for want of memory; "
            "run again with fewer workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """Leaves Ctrl-C, which a terminal sends to all processes, to the first one, and ends with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    parent.join()
    os._exit(1)


def _in_worker(function: Callable[[_Item], _Result], item: _Item) -> _Result:
    try:
        return function(item)
    except DataError as error:
        # Subclasses with arguments of their own do not survive the way back through pickle; their line does.
        raise DataError(str(error)) from None
