"""A sweep: one experiment whose seeds are trained chunk by chunk, by whatever processes, into one folder.

sweep.json                 the config and the command line of its chunks
chunks/<first>-<last>/     the workdir of a chunk, in which nothing but training leaves anything
config.json stages/ ...    of all seeds that are there: what joins them writes an ordinary workdir (join.py)
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import filelock

from input_pipeline.errors import DataError
from jaxdep.config import Experiment, Seeds
from jaxdep.experiment.claim import is_alike, refuse
from jaxdep.files import read_json, write_json
from jaxdep.stages import record

ENDED = "ended.json"  # in a chunk's folder, where it ended before its end: {"status": ..., "reason": ...}
_CHUNK = re.compile(r"(\d+)-(\d+)")


class Chunk(NamedTuple):
    """The workdir of a chunk."""

    folder: Path
    seeds: range

    @property
    def config(self) -> Any:
        """Its config as JSON, None where it has not begun."""
        return read_json(self.folder / "config.json")

    def stage(self, name: str) -> Path:
        """The folder of a stage."""
        return self.folder / "stages" / name

    def record(self, name: str) -> dict[str, Any]:
        """What a stage there says of itself, empty where it has not begun."""
        return record.read(self.stage(name))


class Sweep:
    """The folder of a sweep, which need not be there yet."""

    def __init__(self, folder: Path):
        self.folder = folder

    def take(self, experiment: Experiment, arguments: Sequence[str], overwrite: bool) -> None:
        """Makes the folder that of the experiment.

        Args:
            arguments: of the command line, without what differs between chunks.

        Raises:
            ConfigError: it is that of another config, which is not to be overwritten.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(self.folder / ".sweep.lock"):
            if (self.folder / "sweep.json").exists() and not overwrite:
                refuse(self.folder, self.facts["config"], experiment, any_seeds=True)
            else:
                facts = {"arguments": list(arguments), "config": experiment.as_dict()}
                write_json(self.folder / "sweep.json", facts)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What `take` was told: `arguments`, and `config` as JSON.

        Raises:
            DataError: there is no sweep.
        """
        path = self.folder / "sweep.json"
        found = read_json(path)
        if found is None:
            raise DataError(
                f"{path}: no such file, so no chunk was trained there; --config.seeds.first makes a run a chunk"
            )
        if not (isinstance(found, dict) and isinstance(found.get("config"), dict) and _are_texts(found)):
            raise DataError(f"{path}: damaged, or written by another version; delete it and run a chunk again")
        return found

    def chunk(self, seeds: Seeds) -> Chunk:
        """That of these seeds."""
        last = seeds.first + seeds.count - 1
        return Chunk(self.folder / "chunks" / f"{seeds.first}-{last}", range(seeds.first, last + 1))

    def chunks(self) -> list[Chunk]:
        """Those that have begun, in the order of their seeds."""
        folders = [(path, _CHUNK.fullmatch(path.name)) for path in self.folder.glob("chunks/*")]
        found = [Chunk(path, range(int(name[1]), int(name[2]) + 1)) for path, name in folders if name]
        return sorted(found, key=lambda chunk: (chunk.seeds.start, chunk.seeds.stop))

    def of(self, chunks: Iterable[Chunk]) -> int:
        """How many seeds the sweep has, from 0 on, as far as its chunks know; 0 where they do not."""
        told = [chunk.config.get("seeds", {}).get("of", 0) for chunk in chunks if chunk.config]
        return max(told, default=0)


def trained(experiment: Experiment, chunks: Iterable[Chunk]) -> list[list[Chunk]]:
    """By wave (`Experiment.wave`), the chunks that have trained all that is trained in it and before."""
    left = [chunk for chunk in chunks if chunk.config and is_alike(chunk.config, experiment)]
    found: list[list[Chunk]] = []
    for wave in range(experiment.waves):
        behind = experiment.seeds.only(seeds_of(found[-1])).compact() if found and found[-1] else None
        names = [name for name in trainers(experiment) if experiment.wave(name) == wave]
        left = [chunk for chunk in left if all(_has(chunk, name, experiment, behind) for name in names)]
        found.append(left)
    return found


def trainers(experiment: Experiment) -> list[str]:
    """The stages that train seeds, wave by wave."""
    return sorted((name for name, stage in experiment.stages.items() if stage.trainer), key=experiment.wave)


def seeds_of(chunks: Iterable[Chunk]) -> list[int]:
    """The ids of all their seeds, each once, in order."""
    return sorted({seed for chunk in chunks for seed in chunk.seeds})


def _has(chunk: Chunk, name: str, experiment: Experiment, behind: Mapping[str, Any] | None) -> bool:
    """Whether it has trained a stage; what was made of one seed of all counts for those seeds alone."""
    told = chunk.record(name)
    is_of_these = experiment.stages[name].grows() or told.get("behind") == behind
    return told.get("status") == "finished" and is_of_these


def _are_texts(facts: Mapping[str, Any]) -> bool:
    arguments = facts.get("arguments")
    return isinstance(arguments, list) and all(isinstance(one, str) for one in arguments)
