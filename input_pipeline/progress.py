"""Progress of long work: a bar with rate and time left on a terminal, plain lines with the same in a log file."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

Item = TypeVar("Item")


def progress(
    iterable: Iterable[Item],
    total: int,
    label: str,
    unit: str,
    *,
    size: Callable[[Item], int] = lambda item: 1,
    every_s: float = 5.0,
) -> Iterator[Item]:
    """Passes the items on and tells on stderr how far the work is; an item counts as done when the next is asked for.

    Args:
        iterable: the items; their sizes sum up to `total`.
        size: how many units an item is.
        label: what is done, in a word or two.
        unit: what is counted, in the plural ("recordings").
        every_s: seconds between two plain lines at least. A last line follows when the items are exhausted.
    """
    if sys.stderr.isatty():
        yield from _bar(iterable, total, label, unit, size)
    else:
        yield from _lines(iterable, total, label, unit, size, every_s)


class _Rate(ProgressColumn):
    def __init__(self, unit: str):
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{self._unit}, {task.speed or 0.0:.3g}/s,")


def _bar(iterable: Iterable[Item], total: int, label: str, unit: str, size: Callable[[Item], int]) -> Iterator[Item]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(unit), TimeRemainingColumn())
    with Progress(*columns, TextColumn("left"), console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)
        for item in iterable:
            yield item
            bar.advance(task, size(item))


def _lines(
    iterable: Iterable[Item], total: int, label: str, unit: str, size: Callable[[Item], int], every_s: float
) -> Iterator[Item]:
    begun = told = time.monotonic()
    done = 0
    for item in iterable:
        yield item
        done += size(item)
        now = time.monotonic()
        if now - told >= every_s and done < total:
            rate = done / (now - begun)
            _tell(f"{label}: {done}/{total} {unit}, {rate:.3g}/s, {clock((total - done) / rate)} left")
            told = now
    seconds = time.monotonic() - begun
    _tell(f"{label}: {done}/{total} {unit}, {done / max(seconds, 1e-9):.3g}/s, done in {clock(seconds)}")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
