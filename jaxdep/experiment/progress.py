"""How far the chunks of a sweep are: one table, made from what they leave in the sweep's folder."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import rich.box
from rich.console import Console
from rich.table import Table

from input_pipeline.errors import DataError
from input_pipeline.progress import clock
from jaxdep.config import Experiment
from jaxdep.config.settings import rows_of, told_seeds
from jaxdep.engine.checkpoints import complete
from jaxdep.experiment.claim import is_alike, lock_of
from jaxdep.experiment.sweep import ENDED, Chunk, Sweep, seeds_of, trained, trainers
from jaxdep.files import read_json


class Line(NamedTuple):
    """What there is to tell of seeds in a row.

    Attributes:
        status: `done`; `running`, a process is at work; `waiting` for other chunks; `failed`; `stopped`, by a signal or with
            its machine; or `not begun`.
        told: where it is, or the last line of the reason.
    """

    seeds: range
    status: str
    told: str = ""


class Pace(NamedTuple):
    """Of the processes that are at work together, by what finished stages took; NaN where that is not known yet."""

    seeds_per_s: float
    left_s: float


def show(experiment: Experiment, folder: Path, console: Console) -> None:
    """Prints the table. Raises DataError where the folder is none of a sweep."""
    sweep = Sweep(folder)
    chunks, damaged = [], []
    for chunk in sweep.chunks():
        try:
            _records(chunk, experiment)
            chunks.append(chunk)
        except DataError as error:
            damaged.append(Line(chunk.seeds, "failed", str(error)))
    of = sweep.of(chunks)
    found = [*lines(experiment, chunks, of), *damaged]
    table = Table("seeds", "", "", box=rich.box.SIMPLE_HEAD)
    for line in _joined(found):
        table.add_row(*told_seeds(line.seeds), line.status, line.told)
    console.print(table)
    wanted = of or len(seeds_of(chunks))
    done = [seed for line in found if line.status == "done" for seed in line.seeds]
    running = sum(line.status == "running" for line in found)
    told = f"{len(done)} of {wanted} seeds are trained, {running} chunks at work"
    now = pace(experiment, chunks, wanted, running)
    if math.isfinite(now.left_s):
        told += f", {now.seeds_per_s:.3g} seeds/s, {clock(now.left_s)} left"
    console.print(told)


def lines(experiment: Experiment, chunks: Sequence[Chunk], of: int) -> list[Line]:
    """A line for each chunk that is not done, and for those seeds in a row that are, or are in no chunk yet.

    Args:
        of: how many seeds the sweep has, 0 where that is not known.
    """
    done = trained(experiment, chunks)[-1]
    found = [_line(chunk, experiment) for chunk in chunks if chunk not in done]
    found += [Line(row, "done") for row in rows_of(seeds_of(done))]
    return found + [Line(row, "not begun") for row in rows_of(sorted(set(range(of)).difference(seeds_of(chunks))))]


def pace(experiment: Experiment, chunks: Iterable[Chunk], wanted: int, running: int) -> Pace:
    """How quickly so many processes train, and how long they still take for what is left of so many seeds."""
    seed_s = left_s = 0.0
    for name in trainers(experiment):
        found = [(chunk, chunk.record(name)) for chunk in chunks]
        finished = [(chunk, told) for chunk, told in found if told.get("status") == "finished"]
        seconds, seeds = sum(told["seconds"] for _, told in finished), sum(len(chunk.seeds) for chunk, _ in finished)
        each_s = seconds / seeds if seeds else math.nan
        seed_s += each_s
        left_s += each_s * (wanted - len(seeds_of(chunk for chunk, _ in finished)))
    return Pace(running / seed_s, left_s / running) if running and seed_s else Pace(math.nan, math.nan)


def _line(chunk: Chunk, experiment: Experiment) -> Line:
    """Of a chunk that is not done."""
    at = _at(chunk, experiment)
    if _is_held(chunk.folder):
        return Line(chunk.seeds, "running", at)
    if chunk.config and not is_alike(chunk.config, experiment):
        return Line(chunk.seeds, "failed", "it is of another config")
    ended = read_json(chunk.folder / ENDED)
    return Line(chunk.seeds, ended["status"], ended["reason"]) if ended else Line(chunk.seeds, "stopped", at)


def _at(chunk: Chunk, experiment: Experiment) -> str:
    """The stage that a chunk trains, and its newest checkpoint."""
    for name, told in _records(chunk, experiment).items():
        if told.get("status") == "running":
            epochs = [int(path.name) for folder in chunk.stage(name).glob("checkpoints/*") for path in complete(folder)]
            return f"{name}, epoch {max(epochs)}" if epochs else name
    return ""


def _records(chunk: Chunk, experiment: Experiment) -> dict[str, dict[str, Any]]:
    return {name: chunk.record(name) for name in trainers(experiment)}


def _is_held(workdir: Path) -> bool:
    """Whether a process is at work in it. Who asks holds it for an instant, which a chunk that begins then waits for."""
    try:
        with lock_of(workdir).acquire(timeout=0):
            return False
    except filelock.Timeout:
        return True


def _joined(found: Iterable[Line]) -> list[Line]:
    """In the order of the seeds, those together that follow on each other and tell the same."""
    joined: list[Line] = []
    for line in sorted(found, key=lambda line: (line.seeds.start, line.seeds.stop)):
        before = joined[-1] if joined else None
        if before and before[1:] == line[1:] and before.seeds.stop == line.seeds.start:
            joined[-1] = before._replace(seeds=range(before.seeds.start, line.seeds.stop))
        else:
            joined.append(line)
    return joined
