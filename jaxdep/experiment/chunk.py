"""Trains chunks of the seeds of a sweep, each in a workdir of its own below the sweep's folder (sweep.py), in any order and
by any number of processes. Nothing is written there but what training leaves; join.py makes one run of them.

Chunks never talk, unless an experiment trains on what was made of one seed of all (`Experiment.waves`). Then a chunk ends
where the others are not as far, and the same command goes on when they are; the first that comes by joins them.
"""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

from input_pipeline.config import ConfigError
from input_pipeline.errors import DataError
from jaxdep.config import Experiment, Seeds, StageConfig
from jaxdep.config.settings import told_seeds
from jaxdep.engine.choices import Choices
from jaxdep.experiment import data
from jaxdep.experiment.claim import BusyError, Claim
from jaxdep.experiment.join import Join, over
from jaxdep.experiment.run import Run
from jaxdep.experiment.sweep import ENDED, Chunk, Sweep, seeds_of, trained, trainers
from jaxdep.files import write_json
from jaxdep.interruption import TerminatedError
from jaxdep.stages import Place, record
from jaxdep.stages.sources import Sources

_PATIENCE_S = 2.0  # with who looks whether a chunk is held, and holds it meanwhile


class NotYetError(Exception):
    """A chunk waits for other chunks, or for the process that is at work on it; the same command goes on later."""


def run(
    experiment: Experiment,
    folder: Path,
    sources: Sources,
    *,
    arguments: Sequence[str],
    size: int = 0,
    overwrite: bool = False,
    choices: Choices | None = None,
) -> None:
    """Trains the experiment's seeds as chunks of a sweep, those that nobody holds and nobody has finished.

    Args:
        experiment: frozen.
        folder: of the sweep.
        arguments: of the command line, without what differs between chunks.
        size: of a chunk; 0: all of these seeds are one.
        overwrite, choices: as `run.run` takes them.

    Raises:
        NotYetError: a chunk waits, or the only one is held by another process.
        ConfigError: the sweep is that of another config, or of an unknown number of seeds where that must be known.
        DataError: the data cannot be used; or what a chunk left is damaged, which is told when the others are done.
    """
    if experiment.waves > 1 and not experiment.seeds.of:
        waiting = ", ".join(name for name in trainers(experiment) if experiment.wave(name))
        raise ConfigError(
            f"config.seeds.of: {waiting} cannot be trained before all chunks are as far; say how many seeds the sweep has"
        )
    if experiment.seeds.missing:
        raise ConfigError(f"config.seeds.missing: a chunk has all of its seeds, found {experiment.seeds.missing}")
    data.check(experiment, sources)
    sweep = Sweep(folder)
    sweep.take(experiment, arguments, overwrite)
    worker = _Worker(sweep, sources, overwrite, choices)
    left = worker.go_over(_divided(experiment, size), _PATIENCE_S if not size else 0.0)
    while left and size:
        before, left = len(left), worker.go_over(left, _PATIENCE_S)
        if len(left) == before:
            break
    if worker.failed:
        raise worker.failed[0]
    if worker.waiting or (left and not size):
        raise NotYetError(worker.waiting or f"{folder}: another process is at work on seeds {experiment.seeds.told}")
    if left:
        told = ", ".join(told_seeds(seed for chunk in left for seed in chunk.seeds.ids))
        sources.console.print(f"other processes are at work on seeds {told}")


def _divided(experiment: Experiment, size: int) -> list[Experiment]:
    """The experiment of each chunk."""
    seeds = experiment.seeds
    starts = range(seeds.first, seeds.first + seeds.count, size or seeds.count)
    stop = seeds.first + seeds.count
    return [
        experiment.over(dataclasses.replace(seeds, first=first, count=min(starts.step, stop - first)))
        for first in starts
    ]


class _Worker:
    """One process at work on chunks of a sweep.

    Attributes:
        waiting: why a chunk waits for others, of the last round over the chunks; empty where none does.
        failed: what was wrong with single chunks.
    """

    def __init__(self, sweep: Sweep, sources: Sources, overwrite: bool, choices: Choices | None):
        self.waiting, self.failed = "", list[DataError]()
        self._sweep, self._sources, self._overwrite, self._choices = sweep, sources, overwrite, choices
        self._fingerprints: dict[str, str] = {}  # by stage, the same in all chunks
        self._is_prepared = False

    def go_over(self, chunks: Sequence[Experiment], wait_s: float) -> list[Experiment]:
        """Trains each chunk that can be trained. Returns those that another process holds, and those that wait."""
        self.waiting, left = "", []
        for experiment in chunks:
            try:
                self._train(experiment, wait_s)
            except (BusyError, NotYetError) as error:
                self.waiting = str(error) if isinstance(error, NotYetError) else self.waiting
                left.append(experiment)
            except DataError as error:
                if not self._is_prepared:
                    raise  # it is wrong for all of them
                self.failed.append(error)
                self._sources.console.print(f"seeds {experiment.seeds.told}: {error}", highlight=False)
        return left

    def _train(self, experiment: Experiment, wait_s: float) -> None:
        chunk, names = self._sweep.chunk(experiment.seeds), trainers(experiment)
        if all(self._is_finished(chunk, name) for name in names):
            return
        with Claim(chunk.folder, experiment, overwrite=self._overwrite, any_seeds=True, wait_s=wait_s) as claim:
            claim.take()
            self._sources.console.print(f"seeds {experiment.seeds.told}: {chunk.folder}", highlight=False)
            with _noting_why(chunk.folder):
                self._prepare(experiment)
                run = _Chunk(experiment, chunk, self._sweep, claim, self._sources, self._choices)
                for name in names:
                    run.join_before(name, self._overwrite)
                    run.make([name])
                    self._fingerprints[name] = chunk.record(name)["fingerprint"]

    def _is_finished(self, chunk: Chunk, name: str) -> bool:
        """Whether a stage is, by the fingerprint that it has in a chunk of this process."""
        known = self._fingerprints.get(name)
        told = chunk.record(name) if known else {}
        return told.get("status") == "finished" and told["fingerprint"] == known

    def _prepare(self, experiment: Experiment) -> None:
        if not self._is_prepared:
            for stage in experiment.stages.values():
                self._sources.prepare(stage.data)
            data.warn(experiment, self._sources, self._sweep.folder / "stages")
            self._is_prepared = True


class _Chunk(Run):
    """The stages that train, over the seeds of a chunk; what they need of all seeds is in the sweep's folder."""

    def __init__(
        self,
        experiment: Experiment,
        chunk: Chunk,
        sweep: Sweep,
        claim: Claim,
        sources: Sources,
        choices: Choices | None,
    ):
        super().__init__(experiment, chunk.folder, claim, sources, choices)
        self._sweep = sweep

    @property
    def _whole(self) -> Seeds:
        """Those of the sweep."""
        return dataclasses.replace(self.experiment.seeds, first=0, count=self.experiment.seeds.of, of=0)

    @property
    def extracted(self) -> Path:
        return self._sweep.folder / "stages"

    def seeds_behind(self, name: str) -> Seeds:
        return self._whole if self.experiment.seeds.of else self.seeds(name)

    def places(self, name: str) -> dict[str, Place]:
        needed = self.experiment.needs_whole(name)
        return {one: Place(self.extracted, self._whole) for one in needed}

    def runner(self, config: StageConfig) -> str:
        return config.trainer

    def join_before(self, name: str, overwrite: bool) -> None:
        """Makes the stages that a stage needs over all seeds of the sweep, unless another process has.

        Raises:
            NotYetError: other chunks are not as far.
        """
        needed = self._behind(name)
        records = [record.read(self.extracted / one) for one in needed]
        if all(told.get("status") == "finished" and told["seeds"] == self._whole.compact() for told in records):
            return
        folder, by_wave = self._sweep.folder, trained(self.experiment, self._sweep.chunks())
        wave = self.experiment.wave(name) - 1
        if lacking := sorted(set(self._whole.ids).difference(seeds_of(by_wave[wave]))):
            seeds = ", ".join(told_seeds(lacking))
            stages = ", ".join(
                one for one in trainers(self.experiment) if one in needed and self.experiment.wave(one) == wave
            )
            raise NotYetError(
                f"waits for seeds {seeds} of stage {stages}; the same command goes on when they are there"
            )
        self._sources.console.print(f"joining {', '.join(needed)} of all seeds in {folder}")
        with Claim(folder, self.experiment, overwrite=overwrite, any_seeds=True, wait_s=-1) as claim:
            by_wave = trained(self.experiment, self._sweep.chunks())  # further ones, since nobody else is at work
            claim.experiment = whole = over(self.experiment, by_wave)
            Join(whole, folder, claim, self._sources, self._choices, by_wave).make(needed)

    def _behind(self, name: str) -> list[str]:
        """The stages that are made over all seeds before this one, in order."""
        found, left = set[str](), list(self.experiment.needs_whole(name))
        while left:
            one = left.pop()
            left += [] if one in found else self.experiment.stages[one].needs()
            found.add(one)
        return [one for one in self.experiment.stages if one in found]


@contextlib.contextmanager
def _noting_why(folder: Path) -> Iterator[None]:
    """Notes in a chunk's folder why it ended before its end, in a line; nothing where it was killed."""
    (folder / ENDED).unlink(missing_ok=True)
    try:
        yield
    except TerminatedError:
        raise
    except Exception as error:
        status = "waiting" if isinstance(error, NotYetError) else "failed"
        lines = str(error).splitlines() or [type(error).__name__]
        with contextlib.suppress(DataError):
            write_json(folder / ENDED, {"status": status, "reason": lines[-1]})
        raise
